"""A number of KRA's book that belongs to another document than the one that was sent under it.

Another program used the control unit, or our database was restored from an older copy. In the
second case the number may be that of another document of ours, which then is signed already and
must never be sent again.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction

from integrations.config import Snapshot
from integrations.kra.outbox import book, holds, outcomes
from integrations.kra.outbox.compare_found import Verdict, verdict_of
from integrations.kra.outbox.states import AT_KRA
from integrations.models import AuditEntry, InvoiceState, KRABranch, KRAInvoice
from integrations.providers.kra.client import FoundInvoice

# Numbers of others in a row, after which a person has to say where ours begin.
MOST_IN_A_ROW = 25
USED = "Number {} is another document's at KRA ({}): this one takes the next number."
WHERE_TO_BEGIN = (
    "KRA has {} numbers in a row that are not from here. Set the number of the next invoice, and "
    "let the branch go on."
)


def give_way(
    invoice: KRAInvoice, found: FoundInvoice, config: Snapshot, *, expected: int | None
) -> None:
    """Leave the number to whose it is, and take the next one. One transaction, audited."""
    with transaction.atomic():
        book.lock(invoice)
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
        if invoice.events.filter(kind="number_foreign").count() >= MOST_IN_A_ROW:
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
    if not found.trader_number or found.receipt is None:
        return False
    row = KRAInvoice.objects.filter(
        branch_id=invoice.branch_id,
        trader_number=found.trader_number,
        state__in=[InvoiceState.QUEUED, InvoiceState.REJECTED],
    ).exclude(pk=invoice.pk).first()  # fmt: skip
    if row is None or verdict_of(row, found) is not Verdict.OURS:
        return False
    changes: dict[str, Any] = outcomes.signature_of(found.receipt, config)
    text = f"KRA has had it all along, under number {found.number}."
    is_moved = book.move(
        row, InvoiceState.SIGNED, kind="adopted", text=text,
        changes={**changes, "number": found.number, "result_code": "000", "parked_at": None},
    )  # fmt: skip
    if is_moved:
        book.flag(row, f"{text} Check what was done with it meanwhile.")
    return is_moved


def _tell(invoice: KRAInvoice, number: int, last: int, whose: str) -> None:
    words = f"Numbers {number} to {last} are" if last > number else f"Number {number} is"
    detail = f"{words} not from here ({whose}); {invoice.trader_number} takes number {last + 1}."
    book.flag(invoice, f"{detail} Find out which program uses this control unit.")
    AuditEntry.objects.record(
        "kra.number_foreign", target=KRABranch.objects.get(pk=invoice.branch_id),
        business=invoice.business, fields=["last_invoice_number"], detail=detail,
    )  # fmt: skip
