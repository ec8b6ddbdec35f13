"""A document as it is stored until its turn comes: checked, in KES, amounts as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from integrations.kra.digests import digest_of
from integrations.providers.kra.payloads.amounts import LineAmounts, totals
from integrations.providers.kra.payloads.invoice import (
    CheckedInvoice,
    Customer,
    Insurance,
    Invoice,
    Line,
    Totals,
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepare` makes of an invoice; amounts are KES.

    `document` is JSON-safe with amounts as text: `sale_body` makes the wire body of it. `digest`
    is of what the ERP handed over. `is_required` is False where everything on it is excluded from
    eTIMS. `warnings` are for people.
    """

    kind: str
    trader_number: str
    issued_at: datetime
    customer_pin: str
    customer_name: str
    currency: str
    exchange_rate: Decimal
    total: Decimal
    tax: Decimal
    taxable: Decimal
    reason: str
    document: dict[str, Any]
    digest: str
    is_required: bool
    warnings: tuple[str, ...]


class WireLine(NamedTuple):
    """A line as KRA gets it, and where it is from.

    `source` is the ERP's line from 0; `original` the original's line on the wire from 1, for
    credit notes, else 0. `paid` is what the buyer pays for it in the invoice's own currency.
    """

    source: int
    original: int
    tax_type: str
    rate: Decimal
    codes: dict[str, str]
    # By what a credit note may name the line, and the price that the ERP told.
    keys: tuple[str, ...]
    unit_price: Decimal
    amounts: LineAmounts
    package_count: Decimal
    paid: Decimal
    insurance: dict[str, str] | None = None

    def as_json(self, position: int) -> dict[str, Any]:
        """The line in the document, its amounts as text."""
        amounts = self.amounts
        return {
            "position": position,
            "source": self.source,
            "original": self.original,
            **self.codes,
            "keys": list(self.keys),
            "unit_price": str(self.unit_price),
            "tax_type": self.tax_type,
            "rate": str(self.rate),
            "package_count": str(self.package_count),
            "quantity": str(amounts.quantity),
            "price": str(amounts.price),
            "supply": str(amounts.supply),
            "discount_rate": str(amounts.discount_rate),
            "discount": str(amounts.discount),
            "taxable": str(amounts.taxable),
            "tax": str(amounts.tax),
            "total": str(amounts.total),
            "paid": str(self.paid),
            "insurance": self.insurance,
        }


def sums_of(lines: Sequence[WireLine]) -> Mapping[str, Decimal]:
    """The header's sums of the lines."""
    return totals((line.tax_type, line.amounts) for line in lines)


def digest_of_invoice(invoice: Invoice) -> str:
    """The digest of what was handed over, however amounts and moments were written."""
    return digest_of(_plain(invoice))


def _plain(value: object) -> object:
    """A value as JSON; of our dataclasses the fields that say something, in their order."""
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    names, defaults, read = _FIELDS[type(value)]
    return {
        name: said if type(said) is str else _plain(said)
        for name, default, said in zip(names, defaults, read(value), strict=True)
        if said is not default and said != default
    }


_FIELDS: Mapping[type, tuple[tuple[str, ...], tuple[object, ...], attrgetter[Any]]] = {
    kind: (
        tuple(names := [each.name for each in fields(kind) if each.compare]),
        tuple(each.default for each in fields(kind) if each.compare),
        attrgetter(*names),
    )
    for kind in (Invoice, CheckedInvoice, Line, Customer, Totals, Insurance)
}
