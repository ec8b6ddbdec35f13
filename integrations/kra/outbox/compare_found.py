"""Is what KRA has under a number our document? By what both know of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from integrations.models import InvoiceKind, KRAInvoice
from integrations.providers.kra.client import FoundInvoice

# Control units and databases have clocks of their own.
CLOCKS_APART = timedelta(minutes=2)


class Verdict(StrEnum):
    """Whose a number is."""

    OURS = "ours"
    OTHER = "other"
    # KRA told too little.
    UNCLEAR = "unclear"


def verdict_of(
    invoice: KRAInvoice, found: FoundInvoice, *, began: datetime | None = None
) -> Verdict:
    """Compare the trader's number, the total, the kind and the customer's PIN.

    One that differs makes it another document. What KRA left out proves nothing, so that the
    trader's number, or the total with kind or customer, has to be there. With `began`, when the
    number was first sent for this document, a receipt for the same customer, or for none as ours,
    will do that was signed after that: the number was free until then, and the reference has seen
    answers with nothing more (section 5.1 [1 live]).
    """
    agreed = differences(invoice, found)
    if False in agreed.values():
        return Verdict.OTHER
    if agreed["trader_number"]:
        return Verdict.OURS
    if agreed["total"] and (agreed["kind"] or agreed["customer"]):
        return Verdict.OURS
    signed_at = found.receipt.signed_at if found.receipt is not None else None
    is_theirs = found.customer_pin.strip().upper() == invoice.customer_pin
    if began is not None and signed_at is not None and is_theirs:
        return Verdict.OURS if signed_at >= began - CLOCKS_APART else Verdict.UNCLEAR
    return Verdict.UNCLEAR


def differences(invoice: KRAInvoice, found: FoundInvoice) -> dict[str, bool | None]:
    """What agrees (True), what differs (False), and what KRA did not tell (None)."""
    is_credit = invoice.kind == InvoiceKind.CREDIT_NOTE
    trader = found.trader_number.strip()
    pin = found.customer_pin.strip().upper()
    return {
        "trader_number": trader == invoice.trader_number if trader else None,
        "total": abs(found.total) == total_of(invoice) if found.total is not None else None,
        "kind": found.is_credit_note == is_credit if found.is_credit_note is not None else None,
        "customer": pin == invoice.customer_pin if pin and invoice.customer_pin else None,
    }


def total_of(invoice: KRAInvoice) -> Decimal:
    """What the buyer pays, in KES, always positive."""
    return abs(invoice.total)
