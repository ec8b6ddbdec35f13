"""What stands on a receipt, whichever way it is printed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.providers.kra.payloads.times import NAIROBI


@dataclass(frozen=True, slots=True)
class Trader:
    """Who sells: by the name over the door, and as KRA has registered them."""

    name: str
    legal_name: str
    pin: str
    branch: str
    branch_name: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who buys; the PIN is "" for people without one."""

    name: str
    pin: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One line. Amounts are in KES, as KRA was told; of credit notes below zero.

    `tax_type` is KRA's letter, "" for what is excluded from eTIMS.
    """

    number: int
    name: str
    code: str
    quantity: Decimal
    unit: str
    price: Decimal
    discount: Decimal
    total: Decimal
    tax_type: str


@dataclass(frozen=True, slots=True)
class TaxRow:
    """One of KRA's tax types: what falls under it, and its tax."""

    tax_type: str
    name: str
    rate: Decimal
    taxable: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class ControlUnit:
    """What the control unit wrote under the receipt (reference, section 9)."""

    unit_id: str
    receipt_number: int | None
    total_receipt_number: int | None
    invoice_number: str
    signed_at: datetime | None
    internal_data: str
    signature: str
    mrc_no: str = ""


@dataclass(frozen=True, slots=True)
class Foreign:
    """An invoice in another currency: one unit of it is `rate` KES."""

    currency: str
    rate: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt. Nothing of it is worked out again by whoever prints it.

    `label` is NS, NC, CS, CC, PS or TS (with C for a credit note), "" for what KRA is not told.
    `notices` are printed large: copy, provisional, sandbox. `qr` is what the code holds, "" until
    it is signed. `is_net`: prices and discounts of lines are without tax, their totals with it.
    """

    title: str
    label: str
    notices: tuple[str, ...]
    is_signed: bool
    is_copy: bool
    trader: Trader
    buyer: Buyer
    trader_number: str
    number: int | None
    issued_at: datetime
    lines: tuple[ReceiptLine, ...]
    taxes: tuple[TaxRow, ...]
    discount: Decimal
    excluded: Decimal
    taxable: Decimal
    tax: Decimal
    total: Decimal
    payment: str
    control_unit: ControlUnit | None
    qr: str
    original_control_number: str = ""
    original_trader_number: str = ""
    reason: str = ""
    foreign: Foreign | None = None
    top_message: str = ""
    bottom_message: str = ""
    is_net: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For JSON: amounts and rates as text, times in ISO 8601 with Nairobi's offset."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(NAIROBI).isoformat(timespec="seconds")
    return value
