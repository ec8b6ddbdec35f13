"""What people do with a document that nothing else can settle, and sending again what was not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from integrations.exceptions import InvalidInput
from integrations.kra.documents.credited import all_lines, left_of, take
from integrations.kra.outbox import book, outcomes, statements
from integrations.kra.outbox.states import AT_KRA, AT_REST, OPEN_NUMBER, QUEUE
from integrations.models import AuditEntry, InvoiceState, KRABranch, KRAInvoice
from integrations.models.audit import acting_as
from integrations.work import WorkState, ring
from integrations.work.clock import later

_DOUBTED = (InvoiceState.IN_DOUBT, InvoiceState.REGISTERED)


@dataclass(frozen=True, slots=True)
class TypedSignature:
    """What a person read off the control unit or KRA's portal."""

    signature: str
    internal_data: str = ""
    receipt_number: int | None = None
    total_receipt_number: int | None = None
    signed_at: datetime | None = None
    control_unit_id: str = ""
    mrc_no: str = ""


def settle(
    invoice: KRAInvoice, *, signed: TypedSignature | None, text: str, by: Any = None
) -> KRAInvoice:
    """A person's word on a document in doubt, or registered without a signature.

    With `signed` KRA has it, under this signature; without, KRA does not have it, and it is sent
    again under the next number. `text` says how that is known. Audited, for `by`. Raises
    InvalidInput naming the field; code "not_open" where there is nothing to settle (any more), and
    "number_passed" where KRA's later numbers prove that it has this one.
    """
    if not text.strip():
        raise InvalidInput("text", "say how this is known.", code="missing_field")
    with acting_as(by), transaction.atomic():
        book.lock(invoice)
        if invoice.state not in _DOUBTED:
            raise _not_open(invoice)
        was = invoice.number
        _sign(invoice, signed, text) if signed else _take_back(invoice, text)
        AuditEntry.objects.record(
            "kra.invoice_settled", target=invoice, business=invoice.business,
            fields=["state", "signature" if signed else "number"],
            detail=f"Number {was}: {'signed' if signed else 'not taken'}. {text}",
        )  # fmt: skip
    invoice.refresh_from_db()
    ring(QUEUE)
    return invoice


def _not_open(invoice: KRAInvoice) -> InvalidInput:
    if invoice.state == InvoiceState.SENDING:
        return InvalidInput(
            "invoice", "is being sent right now; look again in a minute.", code="not_open"
        )
    return InvalidInput(
        "invoice", f"is {invoice.get_state_display().lower()}: there is nothing to settle.",
        code="not_open",
    )  # fmt: skip


def _sign(invoice: KRAInvoice, signed: TypedSignature, text: str) -> None:
    values = {name: getattr(signed, name) for name in TypedSignature.__dataclass_fields__}
    signature = signed.signature.replace("-", "").strip().upper()
    if not signature or not signature.isascii() or not signature.isalnum():
        raise InvalidInput("signature", "letters and digits, as printed on the receipt.")
    for name in ("receipt_number", "total_receipt_number"):
        number = values[name]
        if number is not None and (isinstance(number, bool) or number < 1):
            raise InvalidInput(name, "must be a whole number, 1 or more.")
    unit = KRABranch.objects.get(pk=invoice.branch_id)
    values.update(
        signature=signature[:100],
        internal_data=signed.internal_data.replace("-", "").strip().upper()[:100],
        signed_at=signed.signed_at or Now(),
        control_unit_id=(signed.control_unit_id or unit.control_unit_id)[:100],
        mrc_no=(signed.mrc_no or unit.mrc_no)[:100],
        message="", attention="",
    )  # fmt: skip
    book.move(
        invoice, InvoiceState.SIGNED, kind="settled", text=text, changes=values,
        unit={"last_invoice_number": outcomes.at_least(int(invoice.number or 0))},
    )  # fmt: skip


def _take_back(invoice: KRAInvoice, text: str) -> None:
    # Its row is locked already; a later number is now either seen below, or not allotted.
    statements.lock_counter(invoice.branch_id)
    later_ones = KRAInvoice.objects.filter(branch_id=invoice.branch_id, number__gt=invoice.number)
    if later_ones.filter(state__in=OPEN_NUMBER).exists():
        # Were it signed, KRA would have had this one too, which by then waits under another number.
        raise InvalidInput(
            "invoice", "a later number is under way: settle this one when that is known.",
            code="number_open",
        )  # fmt: skip
    if later_ones.filter(state__in=AT_KRA).exists():
        raise InvalidInput(
            "invoice", "KRA has taken later numbers, so it has this one: enter its signature.",
            code="number_passed",
        )  # fmt: skip
    number = int(invoice.number or 1)
    book.move(
        invoice, InvoiceState.QUEUED, kind="settled", text=text,
        changes={**book.NO_NUMBER, "message": "", "attention": "", "attempts": 0},
        due_in=0.0, unit={"last_invoice_number": number - 1},
    )  # fmt: skip


@dataclass(slots=True)
class Resent:
    """What `verify_and_resend` did: `asked` are looked up or sent soon, `queued` were rejected and
    go again, `left` were signed already or are in a worker's hands; `refused` says why others
    can't go again.
    """

    asked: int = 0
    queued: int = 0
    left: int = 0
    refused: list[str] = field(default_factory=list)


def verify_and_resend(rows: Iterable[KRAInvoice], *, by: Any = None) -> Resent:
    """Have documents looked at now: what waits or is in doubt is asked about, what was rejected is
    sent again as it is. Nothing that KRA has is ever sent twice. Audited, for `by`.
    """
    done = Resent()
    with acting_as(by):
        for invoice in rows:
            try:
                with transaction.atomic():
                    _look(invoice, done)
            except InvalidInput as error:
                done.refused.append(f"{invoice.trader_number}: {error.message}")
    ring(QUEUE)
    return done


def _look(invoice: KRAInvoice, done: Resent) -> None:
    book.lock(invoice)
    if invoice.state == InvoiceState.REJECTED:
        if _queue_again(invoice):
            done.queued += 1
        else:
            done.left += 1
        return
    if invoice.state in AT_REST or invoice.work_state == WorkState.LEASED:
        done.left += 1
        return
    book.note(invoice, "asked_for", "Somebody asked for it to be looked at now.")
    AuditEntry.objects.record("kra.invoice_asked", target=invoice, business=invoice.business)
    if invoice.parked_at is None:
        book.look_again(invoice)
    done.asked += 1


def _queue_again(invoice: KRAInvoice) -> bool:
    """A rejected document goes again with the same content, at its old place."""
    original = invoice.original
    if original is not None and original.state == InvoiceState.REJECTED:
        return False
    if original is not None:
        # What it credits may have been credited by another one meanwhile.
        _check_credit(invoice, original)
    is_moved = book.move(
        invoice, InvoiceState.QUEUED, kind="sent_again", text="Sent again as it is.",
        changes={
            "result_code": "", "result_text": "", "message": "", "attention": "",
            "attempts": 0, "completed_at": None, "queued_at": later(0),
        },
        due_in=0.0, only_from=[InvoiceState.REJECTED],
    )  # fmt: skip
    AuditEntry.objects.record("kra.invoice_resent", target=invoice, business=invoice.business)
    return is_moved


def _check_credit(invoice: KRAInvoice, original: KRAInvoice) -> None:
    list(KRAInvoice.objects.select_for_update(no_key=True).filter(pk=original.pk).values("pk"))
    if invoice.result_code == book.ORIGINAL_FELL and original.events.filter(
        kind__in=["corrected", "adopted"]
    ).exists():  # fmt: skip
        raise InvalidInput(
            "original_invoice_number",
            f"{original.trader_number} was corrected since: hand the credit note in again.",
            code="not_the_original",
        )
    left = left_of(original)
    for line in all_lines(invoice.document):
        of = take(left, line)
        if of is None or of.quantity < 0 or of.total < 0:
            raise InvalidInput(
                f"items[{line['source']}]",
                f"is more than {original.trader_number} has left to credit.",
                code="over_credit",
            )
