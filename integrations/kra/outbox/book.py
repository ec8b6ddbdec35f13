"""The book: moving documents. Nothing else changes `KRAInvoice.state`.

A move is one conditional UPDATE (state and claim) with its line of history, its event and the
branch's counter, in one transaction: what is told is what is so, and a crash leaves all or none.
Locks are taken in one order, the document's row before its branch's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from integrations import plain_sql
from integrations.events import publish
from integrations.kra.outbox import statements
from integrations.kra.outbox.states import (
    AT_REST,
    OPEN_NUMBER,
    QUEUE,
    WAITING,
    sources_of,
)
from integrations.logs import log_event
from integrations.models import InvoiceState, KRABranch, KRAInvoice, KRAInvoiceEvent
from integrations.work import WorkState, ring
from integrations.work.clock import later

logger = logging.getLogger(__name__)
# What a document that gives its number back forgets with it.
NO_NUMBER: dict[str, Any] = {"number": None}
# The code of a credit note that was rejected with what it credits.
ORIGINAL_FELL = "original_rejected"
ORIGINAL_REJECTED = "KRA rejected the invoice that it credits, so there is nothing to credit."
TOLD = frozenset({InvoiceState.SIGNED, InvoiceState.REJECTED, InvoiceState.IN_DOUBT})
# Called inside the transaction that stores a signature: whether it is wanted, and what does it.
_Listener = tuple[Callable[[KRAInvoice], bool], Callable[[KRAInvoice], object]]
_when_signed: list[_Listener] = []


def when_signed(
    listener: Callable[[KRAInvoice], object], wants: Callable[[KRAInvoice], bool]
) -> None:
    """Have every document that is signed, and that `wants` asks for, given to `listener`.

    In the transaction of the signature. One that fails is logged and put on the document; it
    never undoes a signature.
    """
    if (wants, listener) not in _when_signed:
        _when_signed.append((wants, listener))


def move(
    invoice: KRAInvoice,
    target: InvoiceState,
    *,
    kind: str,
    text: str = "",
    data: dict[str, Any] | None = None,
    changes: dict[str, Any] | None = None,
    due_in: float | None = None,
    only_from: Iterable[InvoiceState] = (),
    claim: str = "",
    unit: dict[str, Any] | None = None,
    is_told: bool = True,
) -> bool:
    """Move a document if the table allows it from where it stands now; False if it does not.

    `changes` are further columns, `unit` columns of its branch, `due_in` the seconds until it is
    looked at again (None: never). With `claim` the row must still be held under that token and
    stand as it was claimed: nobody else moves it meanwhile, so it is not read again before. A
    move to `sending` keeps the claim, every other one ends it. `invoice` is what the row is
    afterwards either way, its claim excepted.
    `text` is shown to people; `data` must hold no secrets. `is_told=False` publishes nothing.
    """
    sources = sources_of(target)
    if only_from:
        sources &= frozenset(only_from)
    values = {**(changes or {}), "state": target, "updated_at": timezone.now()}
    if target != InvoiceState.SENDING:
        values.update(next_look(target, due_in))
    if target in AT_REST:
        values["completed_at"] = timezone.now()
    # No savepoint: whoever moves wants the whole of it, or nothing.
    with transaction.atomic(savepoint=False):
        if not claim:
            lock(invoice)
        before, number = InvoiceState(invoice.state), invoice.number
        held = {"claim_token": claim} if claim else {}
        where = {"pk": invoice.pk, "state": before, **held}
        if before not in sources or not plain_sql.update(KRAInvoice, values, where=where):
            if claim:
                lock(invoice)
            return False
        _take_over(invoice, values)
        note(
            invoice, kind, text, data=data, from_state=before, to_state=target,
            number=invoice.number or number,
        )  # fmt: skip
        _follow(invoice, before, unit or {})
        if is_told and target in TOLD:
            publish(f"invoice.{target}", describe(invoice, previous=before), invoice.business)
    return True


def _follow(invoice: KRAInvoice, before: InvoiceState, unit: dict[str, Any]) -> None:
    """What else changes with a move: who stood aside, credit notes, the branch, listeners."""
    if before in OPEN_NUMBER and invoice.state not in OPEN_NUMBER:
        unpark(invoice.branch_id)
    if invoice.state == InvoiceState.REJECTED:
        reject_credits(invoice, ORIGINAL_REJECTED)
    if unit:
        plain_sql.update(KRABranch, unit, where={"pk": invoice.branch_id})
    if invoice.state == InvoiceState.SIGNED:
        _tell_signed(invoice)


def lock(invoice: KRAInvoice) -> None:
    """Reread the row, locked; its branch, document, body and claim stay as they were read."""
    statements.lock(invoice)


def next_look(target: InvoiceState, due_in: float | None) -> dict[str, Any]:
    """The columns of durable work of a document that has just entered `target`."""
    values: dict[str, Any] = {"claim_token": "", "lease_until": None, "work_error": ""}
    if target in AT_REST:
        return {**values, "next_attempt_at": None, "work_state": WorkState.DONE}
    if due_in is None:
        return {**values, "next_attempt_at": None, "work_state": WorkState.IDLE}
    return {**values, "next_attempt_at": later(due_in), "work_state": WorkState.DUE}


def _take_over(invoice: KRAInvoice, values: dict[str, Any]) -> None:
    """What was just written to the locked row; what the database worked out is read when needed."""
    for name, value in values.items():
        if hasattr(value, "resolve_expression"):
            invoice.__dict__.pop(name, None)
        else:
            setattr(invoice, name, value)


def park(invoice: KRAInvoice, *, claim: str) -> bool:
    """Let a queued document stand aside while another one's number is open; False if none is.

    A row that was stored late may come before the one in doubt: numbers are allotted at the
    turn, and the open one has to be settled first. Whoever settles it brings this one back.
    """
    with transaction.atomic():
        open_rows = KRAInvoice.objects.select_for_update(no_key=True).filter(
            branch_id=invoice.branch_id, state__in=OPEN_NUMBER
        )
        if not list(open_rows.values_list("pk", flat=True)):
            return False
        values = next_look(InvoiceState.QUEUED, None)
        rows = KRAInvoice.objects.filter(
            pk=invoice.pk, state=InvoiceState.QUEUED, claim_token=claim
        )
        rows.update(**values, parked_at=Now())
    return True


def stand_aside(invoice: KRAInvoice, original: KRAInvoice, *, claim: str) -> bool:
    """Let a credit note stand aside for its original, which is behind it; False where it is not.

    One that was corrected, and credits another invoice now, is older than that. Nothing would
    ever come to its turn behind it. Whatever number is settled brings it back, to look again.
    """
    with transaction.atomic():
        lock(original)
        if original.pk < invoice.pk or original.state not in WAITING:
            return False
        rows = KRAInvoice.objects.filter(
            pk=invoice.pk, state=InvoiceState.QUEUED, claim_token=claim
        )
        return bool(rows.update(**next_look(InvoiceState.QUEUED, None), parked_at=Now()))


def unpark(branch_id: int) -> None:
    """Bring back what stood aside. In the transaction that settles the open number."""
    if statements.unpark(branch_id):
        ring(QUEUE)


def reject_credits(invoice: KRAInvoice, reason: str) -> None:
    """Reject what credits an invoice and waits behind it: that is not there to be credited."""
    for credit in invoice.credit_notes.filter(state=InvoiceState.QUEUED).order_by("pk"):
        move(
            credit, InvoiceState.REJECTED, kind="rejected", text=reason,
            changes={
                **NO_NUMBER, "message": reason, "result_code": ORIGINAL_FELL,
                "parked_at": None,
            },
            only_from=[InvoiceState.QUEUED],
        )  # fmt: skip


def _tell_signed(invoice: KRAInvoice) -> None:
    for wants, listener in _when_signed:
        try:
            if not wants(invoice):
                continue
            with transaction.atomic():
                listener(invoice)
        except Exception as error:
            logger.exception("invoice=%s: what follows a signature failed", invoice.public_id)
            words = getattr(error, "message", type(error).__name__)
            flag(invoice, f"Signed, but what should follow failed: {words}")


def note(
    invoice: KRAInvoice,
    kind: str,
    text: str = "",
    *,
    data: dict[str, Any] | None = None,
    from_state: str = "",
    to_state: str = "",
    number: int | None = None,
) -> None:
    """Add a line to the document's history without moving it."""
    line = KRAInvoiceEvent(
        invoice=invoice,
        kind=kind,
        text=text[:300],
        data=data or {},
        from_state=from_state,
        to_state=to_state,
        number=number if number is not None else invoice.number,
    )
    plain_sql.insert(line)


def flag(invoice: KRAInvoice, reason: str) -> None:
    """Put the document on the work list of people; the first reason stays, each is noted."""
    is_new = KRAInvoice.objects.filter(pk=invoice.pk, attention="").update(attention=reason[:300])
    told = KRAInvoiceEvent.objects.filter(invoice=invoice, kind="attention", text=reason[:300])
    if not is_new and told.exists():
        return
    if is_new:
        invoice.attention = reason[:300]
    note(invoice, "attention", reason)
    log_event(
        logger, logging.WARNING, "invoice_needs_attention", invoice=invoice.public_id, reason=reason
    )


def look_again(invoice: KRAInvoice, *, delay_seconds: float = 0.0) -> None:
    """Have a document that waits looked at soon, unless a worker has it in hand right now."""
    rows = KRAInvoice.objects.filter(pk=invoice.pk).exclude(state__in=AT_REST)
    rows.exclude(work_state=WorkState.LEASED).update(
        next_attempt_at=later(delay_seconds), work_state=WorkState.DUE, parked_at=None
    )
    ring(QUEUE)


def describe(invoice: KRAInvoice, *, previous: str = "") -> dict[str, Any]:
    """The document as events tell it; the customer is left out, listeners can load the row."""
    original = invoice.original
    return {
        "invoice_id": str(invoice.public_id),
        "kind": str(invoice.kind),
        "trader_number": invoice.trader_number,
        "number": invoice.number,
        "environment": invoice.environment,
        "pin": invoice.branch.tin,
        "branch": invoice.branch.bhf_id,
        "state": str(invoice.state),
        "previous_state": str(previous),
        "total": f"{invoice.total:.2f}",
        "tax": f"{invoice.tax:.2f}",
        "currency": "KES",
        "original_id": str(original.public_id) if original is not None else "",
        "receipt_number": invoice.receipt_number,
        "total_receipt_number": invoice.total_receipt_number,
        "control_unit_id": invoice.control_unit_id,
        "internal_data": invoice.internal_data,
        "signature": invoice.signature,
        "signed_at": invoice.signed_at.isoformat() if invoice.signed_at else None,
        "result_code": invoice.result_code,
        "message": invoice.message,
    }
