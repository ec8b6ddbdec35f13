"""The lines that KRA gets for the lines of an invoice."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from integrations.config import Snapshot
from integrations.kra.documents.catalogue import Sold
from integrations.kra.documents.currency import in_kes
from integrations.kra.documents.prepared import WireLine
from integrations.models.kra_choices import Transport
from integrations.providers.kra.payloads.amounts import (
    ALL_NET,
    HUNDRED,
    ONE,
    ZERO,
    LineAmounts,
    Paid,
    line_amounts,
    round2,
)
from integrations.providers.kra.payloads.invoice import Insurance, Invoice, Line


def wire_lines(
    invoice: Invoice,
    sold: Sequence[Sold],
    paid: Sequence[Paid],
    config: Snapshot,
    *,
    includes_tax: bool,
) -> list[WireLine]:
    """What is told KRA: lines of excluded items are left out, amounts are KES by the profile."""
    lines: list[WireLine] = []
    for index, (line, item, each) in enumerate(zip(invoice.items, sold, paid, strict=True)):
        if not item.is_excluded:
            lines += _of_one(invoice, line, item, each, index, config, includes_tax=includes_tax)
    return lines


def _of_one(
    invoice: Invoice,
    line: Line,
    item: Sold,
    paid: Paid,
    index: int,
    config: Snapshot,
    *,
    includes_tax: bool,
) -> list[WireLine]:
    exchange = invoice.exchange_rate or ONE
    total, tax = in_kes(paid, exchange, item.rate)
    profile = str(config.values["amount_profile"])
    price = price_in(profile, line.unit_price or ZERO, item.rate, includes_tax=includes_tax)
    parts = line_amounts(
        profile,
        quantity=line.quantity,
        total=total,
        tax=tax,
        rate=item.rate,
        price=round2(price * exchange),
        discount_rate=_discount_rate(line, paid, config),
    )
    codes = codes_of(item)
    insurance = _insurance(line.insurance, exchange)
    shares = shared(paid.total, total, parts)
    return [
        WireLine(
            source=index,
            original=0,
            tax_type=item.tax_type,
            rate=item.rate,
            codes=codes,
            keys=item.keys,
            unit_price=line.unit_price or ZERO,
            amounts=part,
            package_count=_packages(line, part, len(parts), position),
            paid=share,
            insurance=insurance if position == 0 else None,
        )
        for position, (part, share) in enumerate(zip(parts, shares, strict=True))
    ]


def codes_of(item: Sold) -> dict[str, str]:
    """What names the item on the wire."""
    return {
        "item_code": item.item_code,
        "class_code": item.class_code,
        "name": item.name,
        "barcode": item.barcode,
        "packaging_unit": item.packaging_unit,
        "quantity_unit": item.quantity_unit,
    }


def price_in(profile: str, price: Decimal, rate: Decimal, *, includes_tax: bool) -> Decimal:
    """The price of a unit in the profile's sense, not yet rounded."""
    if (profile == ALL_NET) is not includes_tax:
        return price
    if includes_tax:
        return price * HUNDRED / (HUNDRED + rate)
    return price * (HUNDRED + rate) / HUNDRED


def _discount_rate(line: Line, paid: Paid, config: Snapshot) -> Decimal:
    rate = line.discount_rate
    if not rate and paid.discount and paid.supply:
        rate = round2(paid.discount * HUNDRED / paid.supply)
    return tellable(rate, config)


def tellable(rate: Decimal, config: Snapshot) -> Decimal:
    """The percent off to tell: none where the VSCU would refuse it (section 6.3, whole ones)."""
    is_whole = rate == rate.to_integral_value()
    return rate if is_whole or config.values["transport"] != Transport.VSCU else ZERO


def shared(paid: Decimal, total: Decimal, parts: Sequence[LineAmounts]) -> list[Decimal]:
    """What was paid, in the invoice's currency, spread over the parts; they add up to it."""
    if len(parts) == 1:
        return [paid]
    shares = [round2(paid * part.total / total) if total else ZERO for part in parts[:-1]]
    return [*shares, paid - sum(shares, ZERO)]


def _packages(line: Line, part: LineAmounts, parts: int, position: int) -> Decimal:
    """How many packages: the gateway wants the real count (section 6.3), so the quantity."""
    if line.package_count is None or parts == 1:
        return line.package_count or part.quantity
    return line.package_count if position == 0 else part.quantity


def _insurance(insurance: Insurance | None, exchange: Decimal) -> dict[str, str] | None:
    if insurance is None:
        return None
    return {
        "code": insurance.code,
        "name": insurance.name,
        "rate": str(insurance.rate),
        "amount": str(round2(insurance.amount * exchange)),
    }
