"""A number of KRA's book that belongs to another document than the one that was sent under it.

Another program used the control unit, or our database was restored from an older copy. In the
second case the number may be that of another document of ours, which then is signed already and
must never be sent again. So it is where a document was refused when it was sent again, and KRA
took its first copy late.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from integrations.config import Snapshot
from integrations.kra.outbox import book, holds, outcomes
from integrations.kra.outbox.states import AT_KRA
from integrations.kra.outbox.versions import taken_version
from integrations.models import AuditEntry, InvoiceState, KRABranch, KRAInvoice
from integrations.providers.kra.client import FoundInvoice

# Numbers of others in a row, after which a person has to say where ours begin.
MOST_IN_A_ROW = 25
USED = "Number {} is another document's at KRA ({}): this one takes the next number."
HAD_IT = "KRA has had it all along, under number {}. Check what was done with it meanwhile."
FIRST_VERSION = (
    "KRA has the first version of this document, under number {}: that one holds, and the "
    "corrected one was not sent. Credit it, and hand the right one in under another number."
)
CREDITS_ANOTHER = (
    "KRA has an earlier version of the invoice that it credits: hand in one for that version."
)
WHERE_TO_BEGIN = (
    "KRA has {} numbers in a row that are not from here. Set the number of the next invoice, and "
    "let the branch go on."
)


def give_way(
    invoice: KRAInvoice, found: FoundInvoice, config: Snapshot, *, expected: int | None
) -> None:
    """Leave the number to whose it is, and take the next one. One transaction, audited.

    Where it is an earlier version of this very document, that one holds instead.
    """
    with transaction.atomic():
        book.lock(invoice)
        version = taken_version(invoice, found)
        if version is not None:
            _give(invoice, found, config, version, claim=invoice.claim_token)
            return
        last = _last_taken(invoice, found.number, expected)
        whose = _whose(found)
        if not book.move(
            invoice, InvoiceState.QUEUED, kind="number_foreign",
            text=USED.format(found.number, whose),
            data={"number": found.number, "counter": last},
            changes={**book.NO_NUMBER, "message": "", "attempts": 0},
            due_in=0.0, claim=invoice.claim_token, unit=outcomes.taken(last, config),
        ):  # fmt: skip
            return
        if not _adopt(invoice, found, config):
            _tell(invoice, found.number, last, whose)
        # Again as many after a person has let it go on.
        if invoice.events.filter(kind="number_foreign").count() % MOST_IN_A_ROW == 0:
            words = WHERE_TO_BEGIN.format(MOST_IN_A_ROW)
            holds.hold(invoice.branch_id, words, code=holds.BOOKS)


def _last_taken(invoice: KRAInvoice, number: int, expected: int | None) -> int:
    """Up to where the counter moves: number by number, as each may be a document of ours.

    A branch from which nothing was ever signed has none there: it follows KRA's word at once.
    """
    if expected is None or expected <= number:
        return number
    rows = KRAInvoice.objects.filter(branch_id=invoice.branch_id, state__in=AT_KRA)
    return number if rows.exists() else expected - 1


def _whose(found: FoundInvoice) -> str:
    name = found.trader_number or "without a trader's number"
    return f"{name}, {found.total:,.2f}" if found.total is not None else name


def _adopt(invoice: KRAInvoice, found: FoundInvoice, config: Snapshot) -> bool:
    """Sign the document of ours whose number it is, if there is one that waits or was rejected."""
    if not found.trader_number:
        return False
    row = KRAInvoice.objects.filter(
        branch_id=invoice.branch_id,
        trader_number=found.trader_number,
        state__in=[InvoiceState.QUEUED, InvoiceState.REJECTED],
    ).exclude(pk=invoice.pk).first()  # fmt: skip
    version = taken_version(row, found) if row is not None else None
    return row is not None and version is not None and _give(row, found, config, version)


def _give(
    row: KRAInvoice,
    found: FoundInvoice,
    config: Snapshot,
    version: dict[str, Any],
    *,
    claim: str = "",
) -> bool:
    """A document gets the number under which KRA has it, and what KRA has of it, back."""
    changes: dict[str, Any] = {**version, "number": found.number, "parked_at": None, "attempts": 0}
    if found.receipt is None:
        target, due_in = InvoiceState.REGISTERED, outcomes.FIRST_LOOK
        changes["message"] = outcomes.NO_SIGNATURE
    else:
        target, due_in = InvoiceState.SIGNED, None
        changes.update(outcomes.signature_of(found.receipt, config), result_code="000")
    words = FIRST_VERSION if version else HAD_IT
    text = words.format(found.number)
    row._state.fields_cache.pop("original", None)
    if not book.move(
        row, target, kind="adopted", text=text, changes=changes, due_in=due_in, claim=claim,
        unit=outcomes.taken(found.number, config),
    ):  # fmt: skip
        return False
    book.flag(row, text)
    if version:
        book.reject_credits(row, CREDITS_ANOTHER)
    return True


def _tell(invoice: KRAInvoice, number: int, last: int, whose: str) -> None:
    words = f"Numbers {number} to {last} are" if last > number else f"Number {number} is"
    detail = f"{words} not from here ({whose}); {invoice.trader_number} takes number {last + 1}."
    book.flag(invoice, f"{detail} Find out which program uses this control unit.")
    AuditEntry.objects.record(
        "kra.number_foreign", target=KRABranch.objects.get(pk=invoice.branch_id),
        business=invoice.business, fields=["last_invoice_number"], detail=detail,
    )  # fmt: skip
