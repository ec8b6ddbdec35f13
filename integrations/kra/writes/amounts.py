"""The amounts of a line of goods that is moved, not sold (reference, sections 5.3 and 7)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from integrations.config import Snapshot
from integrations.kra.documents import tax_rates
from integrations.providers.kra.payloads.amounts import ALL_NET, line_amounts, paid_for, round2


def stock_line(
    base: Mapping[str, Any], quantity: Decimal, price: Decimal, config: Snapshot
) -> list[dict[str, Any]]:
    """The line, with amounts as text; several where one price does not give the total.

    `base` has what is said of the item; `price` is that of one unit, VAT included.
    """
    rate = tax_rates(config).get(base["tax_type"], Decimal(0))
    profile = config.text("amount_profile")
    paid = paid_for(quantity=quantity, unit_price=price, rate=rate, includes_tax=True)
    wanted = round2(paid.net / quantity) if profile == ALL_NET else price
    made = line_amounts(
        profile, quantity=quantity, total=paid.total, tax=paid.tax, rate=rate, price=wanted
    )
    return [
        {
            **base,
            "quantity": str(one.quantity),
            "packages": str(one.quantity),
            "price": str(one.price),
            "supply": str(one.supply),
            "discount": str(one.discount),
            "taxable": str(one.taxable),
            "tax": str(one.tax),
            "total": str(one.total),
        }
        for one in made
    ]
