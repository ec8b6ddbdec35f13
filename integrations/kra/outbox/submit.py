"""Taking a document in: checked, worked out and stored, in the caller's transaction if it has one.

Nothing is sent here and no number is allotted: business transactions of one branch do not wait
for each other, and one that is rolled back leaves no gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.config import branch_of, require_device, tax_config
from integrations.kra.digests import digest_of
from integrations.kra.documents import Prepared, check_credit, prepare, read_invoice
from integrations.kra.documents.prepared import digest_of_invoice
from integrations.kra.outbox import book, versions
from integrations.kra.outbox.states import QUEUE
from integrations.models import InvoiceState, KRABranch, KRAInvoice
from integrations.models.audit import current_actor
from integrations.providers.kra.payloads.invoice import Invoice
from integrations.work import WorkState, ring
from integrations.work.clock import later

DIFFERS = (
    "was handed in before with other content, and that document is {}. A signed invoice is "
    "corrected by a credit note; another one needs another number."
)
# Of a stored document: when it was handed in, and what people are told.
_NOT_TOLD = frozenset({"issued_at", "warnings"})
TAKEN = "is another business's, which hands in by this control unit too: use another number."


def submit(
    data: Mapping[str, Any] | Invoice, *, business: str = "", branch: str = "", by: Any = None
) -> KRAInvoice:
    """Store a document; it is sent when its turn comes, after everything before it.

    The same number with the same content is the same document. One that was rejected may be
    handed in again with other content, or with the same where settings, rates, items or (a credit
    note's) original make another document of it by now: it keeps its row and goes by its old
    place, before those handed in later, as numbers are allotted at the turn. `by` is who asks for
    it.

    Businesses that share a control unit don't see each other's documents: none is corrected,
    credited or told by another one.

    Raises InvalidInput naming line and field (code "invoice_differs" for a number that was used
    for another content or by another business, "unknown_original"), and what `tax_config` and
    `require_device` raise. Nothing is stored then.
    """
    config = tax_config(business, branch)
    require_device(config)
    invoice = read_invoice(data)
    digest = digest_of_invoice(invoice)
    unit = branch_of(config)
    with transaction.atomic():
        known = _known(unit, invoice.invoice_number, config)
        if known is not None and known.state != InvoiceState.REJECTED:
            if known.digest == digest:
                return known
            raise _differs(known)
        original = _original(unit, invoice, config)
        prepared = prepare(invoice, config, original=original)
        if original is not None:
            check_credit(prepared, original)
        values = {**_values(prepared, config), "original": original}
        if known is None:
            return _store(unit, values, config, by)
        if known.digest == digest and not _is_stale(known) and _is_same(known, values):
            return known
        return _correct(known, values, by)


def _known(unit: KRABranch, trader_number: str, config: Snapshot) -> KRAInvoice | None:
    """The business's own document of this number; raises InvalidInput for another business's."""
    rows = KRAInvoice.objects.select_for_update(no_key=True)
    found = rows.filter(branch=unit, trader_number=trader_number).first()
    if found is not None and found.business != config.business:
        raise InvalidInput("invoice_number", TAKEN, code="invoice_differs")
    return found


def _is_stale(known: KRAInvoice) -> bool:
    """A credit note that fell with its original: the same again is of what that says now."""
    if known.state != InvoiceState.REJECTED or known.result_code != book.ORIGINAL_FELL:
        return False
    return known.original is not None and known.original.state != InvoiceState.REJECTED


def _is_same(known: KRAInvoice, values: Mapping[str, Any]) -> bool:
    """Whether KRA would be told the very same: what it refused it would refuse again."""
    ours, now = (
        {name: said for name, said in document.items() if name not in _NOT_TOLD}
        for document in (known.document, values["document"])
    )
    return digest_of(ours) == digest_of(now) and known.profile == values["profile"]


def _differs(known: KRAInvoice) -> InvalidInput:
    reason = DIFFERS.format(known.get_state_display().lower())
    return InvalidInput("invoice_number", reason, code="invoice_differs")


def _original(unit: KRABranch, invoice: Invoice, config: Snapshot) -> KRAInvoice | None:
    """The business's own invoice that a credit note names, locked until that is stored.

    By the trader's number, else by KRA's.
    """
    wanted = invoice.original_invoice_number
    if not wanted:
        return None
    rows = KRAInvoice.objects.select_for_update(no_key=True)
    rows = rows.filter(branch=unit, business=config.business)
    found = rows.filter(trader_number=wanted).first()
    if found is None and wanted.isascii() and wanted.isdigit() and len(wanted) < 19:
        found = rows.filter(number=int(wanted)).first()
    if found is None:
        raise InvalidInput(
            "original_invoice_number", f"{wanted} was not handed in for this branch.",
            code="unknown_original",
        )  # fmt: skip
    return found


def _values(prepared: Prepared, config: Snapshot) -> dict[str, Any]:
    return {
        "kind": prepared.kind,
        "issued_at": prepared.issued_at,
        "customer_pin": prepared.customer_pin,
        "customer_name": prepared.customer_name,
        "currency": prepared.currency,
        "exchange_rate": prepared.exchange_rate,
        "total": prepared.total,
        "tax": prepared.tax,
        "taxable": prepared.taxable,
        "reason": prepared.reason,
        "document": {**prepared.document, "warnings": list(prepared.warnings)},
        "digest": prepared.digest,
        "profile": config.values["amount_profile"],
        "transport": config.values["transport"],
        "trader_number": prepared.trader_number,
        **_first_state(prepared),
    }


def _first_state(prepared: Prepared) -> dict[str, Any]:
    if prepared.is_required:
        return {"state": InvoiceState.QUEUED}
    return {
        "state": InvoiceState.NOT_REQUIRED,
        "work_state": WorkState.DONE,
        "next_attempt_at": None,
        "completed_at": Now(),
        "message": "Everything on it is excluded from eTIMS: KRA is not told.",
    }


def _store(unit: KRABranch, values: dict[str, Any], config: Snapshot, by: Any) -> KRAInvoice:
    try:
        with transaction.atomic():
            row = KRAInvoice.objects.create(
                **values, branch=unit, business=config.business, environment=config.environment,
                requested_by=by or current_actor(),
            )  # fmt: skip
    except IntegrityError:
        # Somebody handed it in at the same moment, and has committed.
        known = _known(unit, values["trader_number"], config)
        if known is None:
            raise
        if known.digest != values["digest"]:
            raise _differs(known) from None
        return known
    row.refresh_from_db()
    book.note(row, "submitted", "Handed in.", to_state=row.state)
    ring(QUEUE)
    return row


def _correct(known: KRAInvoice, values: dict[str, Any], by: Any) -> KRAInvoice:
    """Put a rejected document back with new content; what it was stays in its history."""
    was: dict[str, Any] = {
        "digest": known.digest, "total": f"{known.total:.2f}", "code": known.result_code,
    }  # fmt: skip
    version = versions.keep(known)
    if version:
        was["version"] = version
    state = values.pop("state")
    if state == InvoiceState.NOT_REQUIRED:
        raise InvalidInput(
            "items", "are all excluded from eTIMS now: use another number.", code="invoice_differs"
        )
    changes = {
        **values, "body": None, "result_code": "", "result_text": "", "message": "",
        "attention": "", "attempts": 0, "completed_at": None, "queued_at": later(0),
        "requested_by": by or current_actor() or known.requested_by,
    }  # fmt: skip
    book.move(
        known, InvoiceState.QUEUED, kind="corrected", text="Handed in again, corrected.",
        data=was, changes=changes, due_in=0.0, only_from=[InvoiceState.REJECTED],
    )  # fmt: skip
    known.refresh_from_db()
    ring(QUEUE)
    return known
