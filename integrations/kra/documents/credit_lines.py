"""The amounts of a credit note's lines: the original's, never more than is left of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from integrations.config import Snapshot
from integrations.kra.documents.credit_match import Taken
from integrations.kra.documents.prepared import WireLine
from integrations.kra.documents.wire_lines import price_in, shared, tellable
from integrations.providers.kra.payloads.amounts import (
    ALL_NET,
    ZERO,
    LineAmounts,
    line_amounts,
    paid_for,
    round2,
    tax_inside,
)

_CODES = ("item_code", "class_code", "name", "barcode", "packaging_unit", "quantity_unit")


def credit_lines(taken: Sequence[Taken], config: Snapshot) -> list[WireLine]:
    """The lines on the wire of what is taken, with positive amounts."""
    lines: list[WireLine] = []
    for each in taken:
        lines += _of_one(each, config)
    return lines


def _of_one(taken: Taken, config: Snapshot) -> list[WireLine]:
    line, left = taken.left.line, taken.left
    is_last = taken.quantity == left.quantity
    total = left.total if is_last else min(_total_of(taken), left.total)
    total = max(total, ZERO)
    whole = Decimal(line["quantity"])
    if is_last:
        paid = left.paid
    else:
        paid = min(round2(Decimal(line["paid"]) * taken.quantity / whole), left.paid)
    parts = _parts(taken, total, config)
    # A second line of the same note sees what the first one left.
    left.quantity -= taken.quantity
    left.total -= total
    left.paid -= paid
    is_foreign = line["paid"] != line["total"]
    shares = shared(paid, total, parts) if is_foreign else [part.total for part in parts]
    insurance = _insurance(line, taken.quantity / whole)
    count = Decimal(line["package_count"]) if taken.quantity == whole else None
    return [
        WireLine(
            source=taken.source,
            original=line["position"],
            tax_type=line["tax_type"],
            rate=Decimal(line["rate"]),
            codes={name: line[name] for name in _CODES},
            keys=tuple(line["keys"]),
            unit_price=Decimal(line["unit_price"]),
            amounts=part,
            package_count=part.quantity if count is None or len(parts) > 1 else count,
            paid=share,
            insurance=insurance if number == 0 else None,
        )
        for number, (part, share) in enumerate(zip(parts, shares, strict=True))
    ]


def _parts(taken: Taken, total: Decimal, config: Snapshot) -> tuple[LineAmounts, ...]:
    line, profile = taken.left.line, str(config.values["amount_profile"])
    rate = Decimal(line["rate"])
    is_untouched = total == Decimal(line["total"]) and taken.quantity == Decimal(line["quantity"])
    discount_rate = Decimal(line["discount_rate"])
    told = tellable(discount_rate, config)
    if is_untouched and taken.left.profile == profile and told == discount_rate:
        return (_copied(line),)
    had_tax = taken.left.profile != ALL_NET
    return line_amounts(
        profile,
        quantity=taken.quantity,
        total=total,
        tax=Decimal(line["tax"]) if is_untouched else tax_inside(total, rate),
        rate=rate,
        price=round2(price_in(profile, Decimal(line["price"]), rate, includes_tax=had_tax)),
        discount_rate=told,
    )


def _copied(line: Mapping[str, Any]) -> LineAmounts:
    names = (
        "quantity", "price", "supply", "discount_rate", "discount", "taxable", "tax", "total",
    )  # fmt: skip
    return LineAmounts(**{name: Decimal(line[name]) for name in names})


def _total_of(taken: Taken) -> Decimal:
    """What a part of the line cost, in KES, by the original's own price and discount."""
    line = taken.left.line
    return paid_for(
        quantity=taken.quantity,
        unit_price=Decimal(line["price"]),
        rate=Decimal(line["rate"]),
        includes_tax=taken.left.profile != ALL_NET,
        discount_rate=Decimal(line["discount_rate"]),
    ).total


def _insurance(line: Mapping[str, Any], share: Decimal) -> dict[str, str] | None:
    if line["insurance"] is None:
        return None
    amount = round2(Decimal(line["insurance"]["amount"]) * share)
    return {**line["insurance"], "amount": str(amount)}
