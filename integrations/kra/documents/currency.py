"""Foreign currency: KRA is told KES, and in the remark what it was (reference: none is carried)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from integrations.kra.documents.prepared import WireLine
from integrations.providers.kra.payloads.amounts import ONE, ZERO, Paid, round2, tax_inside
from integrations.providers.kra.payloads.invoice import Invoice

LONGEST_REMARK = 400


def in_kes(paid: Paid, exchange_rate: Decimal, rate: Decimal) -> tuple[Decimal, Decimal]:
    """What the buyer pays for a line and the VAT in it, in KES.

    The amount paid is converted and rounded once; the VAT is the one inside it (invariant I1).
    """
    if exchange_rate == ONE:
        return paid.total, paid.tax
    total = round2(paid.total * exchange_rate)
    return total, tax_inside(total, rate)


def remark_of(invoice: Invoice, lines: Sequence[WireLine]) -> str:
    """The ERP's remark, after the currency, amount and rate where it is not KES."""
    if invoice.currency == "KES":
        return invoice.remark
    paid = sum((line.paid for line in lines), ZERO)
    told = f"{invoice.currency} {paid} at {(invoice.exchange_rate or ONE).normalize():f}"
    return f"{told}. {invoice.remark}".removesuffix(". ")[:LONGEST_REMARK]
