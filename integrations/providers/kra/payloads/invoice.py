"""What an ERP hands over: an invoice or a credit note, with the documented names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Customer:
    """Who buys; with neither name nor PIN it is a sale under the settings' retail name."""

    name: str = ""
    kra_pin: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Insurance:
    """What an insurer pays of a line (pharmacies). `rate` is a whole percent."""

    code: str
    name: str
    rate: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """One thing sold, in the invoice's currency.

    `item_code` is KRA's code, `reference` the ERP's own key of the item; without both the item is
    looked for by its description. `tax_type` is A to E, `tax_rate` a percent: either says the
    other, and the item says both. `discount_rate` is a percent, `discount_amount` money off the
    line; at most one of them. `total` is checked where it is given, never used. `original_line`
    is for credit notes: which line of the original, from 1.
    """

    description: str
    quantity: Decimal
    unit_price: Decimal | None = None
    tax_rate: Decimal | None = None
    total: Decimal | None = None
    tax_type: str = ""
    item_code: str = ""
    reference: str = ""
    class_code: str = ""
    discount_rate: Decimal = NOTHING
    discount_amount: Decimal = NOTHING
    packaging_unit: str = ""
    package_count: Decimal | None = None
    quantity_unit: str = ""
    barcode: str = ""
    insurance: Insurance | None = None
    original_line: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums that the ERP shows: without tax, the tax, and what the buyer pays. Checked only."""

    subtotal: Decimal | None = None
    tax_amount: Decimal | None = None
    total: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice, or a credit note where `original_invoice_number` names what it credits.

    `issue_date` is a date or a moment; one without an offset is Nairobi's. `prices_include_tax`
    may be left out where `totals` are given: they tell. `exchange_rate` is KES for one unit of
    `currency`. `payment_type` is a code of class 07. A credit note without `items` credits all
    that is left. `warnings` says what was odd but taken; it is no part of what was handed over.
    """

    invoice_number: str
    issue_date: date | datetime
    items: Sequence[Line] = ()
    customer: Customer = Customer()
    totals: Totals | None = None
    prices_include_tax: bool | None = None
    currency: str = "KES"
    exchange_rate: Decimal | None = None
    payment_type: str = ""
    remark: str = ""
    original_invoice_number: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class CheckedInvoice(Invoice):
    """An invoice that `integrations.kra.documents.read_invoice` has read: it is not read again."""
