"""The amounts of KRA's fields, by profile (reference, section 7). Decimal only, no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from integrations.providers.kra.payloads.fitting import Part, fit

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
HUNDRED = Decimal(100)
ONE = Decimal(1)
NET_TAXABLE, SPEC_INCLUSIVE, ALL_NET = "net_taxable", "spec_inclusive", "all_net"
TAX_TYPES = ("A", "B", "C", "D", "E")


def round2(value: Decimal) -> Decimal:
    """The value in cents, half a cent up."""
    return value.quantize(CENT, ROUND_HALF_UP)


def tax_inside(total: Decimal, rate: Decimal) -> Decimal:
    """The VAT inside what the buyer pays (invariant I1). `rate` is a percent."""
    return round2(total * rate / (HUNDRED + rate)) if rate else ZERO


class Paid(NamedTuple):
    """What the buyer pays for a line, in the currency and by the prices of the invoice."""

    supply: Decimal
    discount: Decimal
    net: Decimal
    tax: Decimal
    total: Decimal


def paid_for(
    *,
    quantity: Decimal,
    unit_price: Decimal,
    rate: Decimal,
    includes_tax: bool,
    discount_rate: Decimal = ZERO,
    discount_amount: Decimal = ZERO,
) -> Paid:
    """What the buyer pays, each amount rounded once, half up.

    With prices that include the tax it is taken out of the discounted amount; else added to it.
    """
    supply = round2(quantity * unit_price)
    discount = round2(supply * discount_rate / HUNDRED) if discount_rate else discount_amount
    left = supply - discount
    if includes_tax:
        tax = tax_inside(left, rate)
        return Paid(supply, discount, left - tax, tax, left)
    tax = round2(left * rate / HUNDRED)
    return Paid(supply, discount, left, tax, left + tax)


class LineAmounts(NamedTuple):
    """The amounts of one line on the wire, in KES: KRA's fields by readable names."""

    quantity: Decimal
    price: Decimal
    supply: Decimal
    discount_rate: Decimal
    discount: Decimal
    taxable: Decimal
    tax: Decimal
    total: Decimal


def line_amounts(
    profile: str,
    *,
    quantity: Decimal,
    total: Decimal,
    tax: Decimal,
    rate: Decimal,
    price: Decimal,
    discount_rate: Decimal = ZERO,
) -> tuple[LineAmounts, ...]:
    """The line or lines on the wire that add up to `total`, of which `tax` is VAT; both in KES.

    `price` and `discount_rate` (percent) are those wanted, in the profile's sense. One line where
    quantity, price and discount give the total to the cent. Else the discount goes into the price
    (section 6.3), and where no price of two decimals gives it, the quantity is split between
    prices a cent apart: KRA computes quantity by price, and the buyer pays what the invoice says.
    """
    target = total - tax if profile == ALL_NET else total
    parts = _as_wanted(quantity, price, discount_rate, target)
    if parts is None:
        parts = _agreeing(profile, quantity, target, tax, rate)
    if len(parts) == 1:
        return (_amounts(profile, parts[0], tax),)
    taxes = [_tax_of(profile, part, rate) for part in parts]
    if profile == ALL_NET:
        # The buyer pays net and tax: a cent that rounding by part leaves over goes to one of them.
        taxes = _adding_up(taxes, tax)
    return tuple(_amounts(profile, part, each) for part, each in zip(parts, taxes, strict=True))


def _adding_up(taxes: list[Decimal], tax: Decimal) -> list[Decimal]:
    """The taxes of the parts, changed by a cent each from the last one on until they add up."""
    for index in reversed(range(len(taxes))):
        missing = tax - sum(taxes)
        taxes[index] += max(-CENT, min(CENT, missing))
    return taxes


def _as_wanted(
    quantity: Decimal, price: Decimal, discount_rate: Decimal, target: Decimal
) -> tuple[Part, ...] | None:
    supply = round2(quantity * price)
    discount = round2(supply * discount_rate / HUNDRED) if discount_rate else ZERO
    if supply - discount != target:
        return None
    return (Part(quantity, price, discount_rate, supply, discount),)


def _agreeing(
    profile: str, quantity: Decimal, target: Decimal, tax: Decimal, rate: Decimal
) -> tuple[Part, ...]:
    """The first way to split that keeps the tax too, else the first way."""
    first: tuple[Part, ...] = ()
    for parts in fit(quantity, target):
        if len(parts) == 1 or sum(_tax_of(profile, part, rate) for part in parts) == tax:
            return parts
        first = first or parts
    return first


def _tax_of(profile: str, part: Part, rate: Decimal) -> Decimal:
    left = part.supply - part.discount
    return round2(left * rate / HUNDRED) if profile == ALL_NET else tax_inside(left, rate)


def _amounts(profile: str, part: Part, tax: Decimal) -> LineAmounts:
    left = part.supply - part.discount
    total = left + tax if profile == ALL_NET else left
    taxable = left - tax if profile == NET_TAXABLE else left
    return LineAmounts(
        quantity=part.quantity,
        price=part.price,
        supply=part.supply,
        discount_rate=part.discount_rate,
        discount=part.discount,
        taxable=taxable,
        tax=tax,
        total=total,
    )


def totals(lines: Iterable[tuple[str, LineAmounts]]) -> Mapping[str, Decimal]:
    """The header's sums of (tax type, amounts): taxable_A…E, tax_A…E, taxable, tax and total."""
    sums = {f"{name}_{kind}": ZERO for name in ("taxable", "tax") for kind in TAX_TYPES}
    sums |= {"taxable": ZERO, "tax": ZERO, "total": ZERO}
    for kind, line in lines:
        sums[f"taxable_{kind}"] += line.taxable
        sums[f"tax_{kind}"] += line.tax
        sums["taxable"] += line.taxable
        sums["tax"] += line.tax
        sums["total"] += line.total
    return sums
