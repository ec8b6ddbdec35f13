"""What KRA knows of a taxpayer, and of each of its control units (section 13)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Body = dict[str, Any]


@dataclass(slots=True)
class Sale:
    """One accepted sale or credit note, as the judge wants to see it."""

    order: int
    number: int
    body: Body = field(repr=False)
    digest: str
    receipt_number: int
    total_number: int
    signature: str
    internal_data: str
    signed: str  # ISO, with zone
    door: str

    @property
    def kind(self) -> str:
        """S for a sale, R for a credit note."""
        return str(self.body["rcptTyCd"])

    def as_dict(self) -> dict[str, Any]:
        """Without the body: amounts as text."""
        return {
            "order": self.order,
            "number": self.number,
            "trader_number": self.body["trdInvcNo"],
            "kind": self.kind,
            "original_number": int(self.body["orgInvcNo"]),
            "total": f"{Decimal(self.body['totAmt']):.2f}",
            "tax": f"{Decimal(self.body['totTaxAmt']):.2f}",
            "customer_pin": self.body.get("custTin") or "",
            "digest": self.digest,
            "receipt_number": self.receipt_number,
            "total_receipt_number": self.total_number,
            "signature": self.signature,
            "internal_data": self.internal_data,
            "signed": self.signed,
            "door": self.door,
        }


@dataclass(slots=True)
class Unit:
    """One control unit: state per PIN and branch."""

    tin: str
    bhf_id: str
    name: str = ""
    opened: str = "20200101"
    # The approved serial and for which software: oscu or vscu; "" while KRA has approved none.
    serial: str = ""
    approved_as: str = ""
    is_initialised: bool = False
    key: str = field(default="", repr=False)
    sdc_id: str = ""
    mrc_no: str = ""
    last_invoice: int = 0
    last_total: int = 0
    receipts: dict[str, int] = field(default_factory=dict)
    sales: dict[int, Sale] = field(default_factory=dict)
    confirmed: set[int] = field(default_factory=set)
    last_stock: int = 0
    last_purchase: int = 0
    movements: dict[int, Body] = field(default_factory=dict)
    stock: dict[str, Decimal] = field(default_factory=dict)
    purchases: dict[int, Body] = field(default_factory=dict)
    # By kind (customer, user, insurance) and key.
    people: dict[str, dict[str, Body]] = field(default_factory=dict)
    # What KRA tells: each entry with `at`, the time it appeared (14 digits).
    feeds: dict[str, list[Body]] = field(default_factory=dict)
    line_cut_at: str = ""  # ISO; the VSCU's line to KRA

    def as_dict(self) -> dict[str, Any]:
        """Everything but the key, and sales by order."""
        return {
            "tin": self.tin,
            "branch": self.bhf_id,
            "serial": self.serial,
            "approved_as": self.approved_as,
            "initialised": self.is_initialised,
            "control_unit_id": self.sdc_id,
            "mrc_no": self.mrc_no,
            "line_cut_at": self.line_cut_at,
            "counters": {
                "invoice": self.last_invoice,
                "stock": self.last_stock,
                "purchase": self.last_purchase,
                "receipts": dict(self.receipts),
                "total": self.last_total,
            },
            "sales": [sale.as_dict() for sale in self.sales.values()],
            "stock": {code: f"{quantity:f}" for code, quantity in self.stock.items()},
            "movements": [_summary(number, each) for number, each in self.movements.items()],
            "purchases": [_summary(number, each) for number, each in self.purchases.items()],
            "people": {kind: sorted(each) for kind, each in self.people.items()},
        }


@dataclass(slots=True)
class Taxpayer:
    """What all branches of a PIN share: the catalogue of items."""

    tin: str
    name: str
    status: str = "A"
    items: dict[str, Body] = field(default_factory=dict)
    last_item: int = 0
    compositions: list[Body] = field(default_factory=list)


def _summary(number: int, body: Body) -> dict[str, Any]:
    return {"number": number, "body": {name: _text(value) for name, value in body.items()}}


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [{name: _text(each) for name, each in line.items()} for line in value]
    return f"{value:f}" if isinstance(value, Decimal) else value
