"""Lines of items that are excluded from eTIMS: paid for and credited, and never told KRA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from integrations.kra.documents.catalogue import Sold
from integrations.kra.documents.credit_match import Taken
from integrations.kra.documents.currency import in_kes
from integrations.providers.kra.payloads.amounts import ONE, ZERO, Paid, round2, tax_inside
from integrations.providers.kra.payloads.invoice import Invoice


@dataclass(frozen=True, slots=True)
class ExcludedLine:
    """A line that is left out of what KRA is told.

    `source` and `original` are as on a line on the wire. `total` is KES; `paid` and the `tax` in
    it are in the invoice's own currency.
    """

    source: int
    original: int
    item_code: str
    name: str
    keys: tuple[str, ...]
    tax_type: str
    rate: Decimal
    unit_price: Decimal
    quantity: Decimal
    total: Decimal
    paid: Decimal
    tax: Decimal

    def as_json(self, position: int) -> dict[str, Any]:
        """The line in the document, its amounts as text; `position` is behind what KRA is told."""
        return {
            "position": position,
            "source": self.source,
            "original": self.original,
            "item_code": self.item_code,
            "name": self.name,
            "keys": list(self.keys),
            "tax_type": self.tax_type,
            "rate": str(self.rate),
            "unit_price": str(self.unit_price),
            "quantity": str(self.quantity),
            "total": str(self.total),
            "paid": str(self.paid),
            "tax": str(self.tax),
        }


def excluded_lines(
    invoice: Invoice, sold: Sequence[Sold], paid: Sequence[Paid]
) -> list[ExcludedLine]:
    """The lines of a sale that KRA is not told of."""
    exchange = invoice.exchange_rate or ONE
    return [
        ExcludedLine(
            source=index,
            original=0,
            item_code=item.item_code,
            name=item.name,
            keys=item.keys,
            tax_type=item.tax_type,
            rate=item.rate,
            unit_price=line.unit_price or ZERO,
            quantity=line.quantity,
            total=in_kes(each, exchange, item.rate)[0],
            paid=each.total,
            tax=each.tax,
        )
        for index, (line, item, each) in enumerate(zip(invoice.items, sold, paid, strict=True))
        if item.is_excluded
    ]


def excluded_credit(taken: Sequence[Taken]) -> list[ExcludedLine]:
    """What a credit note takes of such lines: its share, and the last one all that is left."""
    return [_share(each) for each in taken]


def _share(taken: Taken) -> ExcludedLine:
    line, left = taken.left.line, taken.left
    total, paid = left.total, left.paid
    if taken.quantity != left.quantity:
        share = taken.quantity / Decimal(line["quantity"])
        total = min(round2(Decimal(line["total"]) * share), total)
        paid = min(round2(Decimal(line["paid"]) * share), paid)
    rate = Decimal(line["rate"])
    is_whole = paid == Decimal(line["paid"])
    left.quantity -= taken.quantity
    left.total -= total
    left.paid -= paid
    return ExcludedLine(
        source=taken.source,
        original=line["position"],
        item_code=line["item_code"],
        name=line["name"],
        keys=tuple(line["keys"]),
        tax_type=line["tax_type"],
        rate=rate,
        unit_price=Decimal(line["unit_price"]),
        quantity=taken.quantity,
        total=total,
        paid=paid,
        tax=Decimal(line["tax"]) if is_whole else tax_inside(paid, rate),
    )
