"""Documents as the outbox leaves them, made by hand: as they are stored, signed or not."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from integrations.models import InvoiceKind, InvoiceState, KRABranch, KRAInvoice, KRASettings

PIN, BUYER = "P051234567X", "A123456789B"
UNIT = "KRACU0100000001"
INTERNAL, SIGNATURE = "TE68SLA2345QMNBVCXZ2345ABC", "V249J39CFJ48HE2W"
# 10:15 in Nairobi.
ISSUED = datetime(2026, 11, 23, 7, 15, tzinfo=UTC)
SIGNED = datetime(2026, 11, 23, 7, 15, 5, tzinfo=UTC)
RATES = {"A": "0", "B": "16", "C": "0", "D": "0", "E": "8"}
# The worked example of the reference, section 7: quantity, price, type, discount, tax, total.
EXAMPLE = (
    ("2", "1160.00", "B", "0.00", "320.00", "2320.00"),
    ("5", "99.99", "B", "50.00", "62.06", "449.95"),
    ("4", "55.50", "A", "0.00", "0.00", "222.00"),
    ("1", "750.25", "C", "0.00", "0.00", "750.25"),
    ("3", "33.35", "D", "0.00", "0.00", "100.05"),
)


def line_of(position: int, row: tuple[str, ...], name: str = "", **more: Any) -> dict[str, Any]:
    quantity, price, kind, discount, tax, total = row
    return {
        "position": position, "source": position - 1, "original": 0,
        "item_code": f"KE2NTNO{position:07d}", "class_code": "5059690800",
        "name": name or f"Bidhaa {position}", "barcode": "", "packaging_unit": "CT",
        "package_count": quantity, "quantity_unit": "NO", "quantity": quantity, "price": price,
        "supply": str(Decimal(quantity) * Decimal(price)), "discount_rate": "0",
        "discount": discount, "tax_type": kind, "rate": RATES[kind],
        "taxable": str(Decimal(total) - Decimal(tax)), "tax": tax, "total": total, "paid": total,
        "insurance": None, **more,
    }  # fmt: skip


def sums_of(lines: list[dict[str, Any]]) -> dict[str, str]:
    sums = {f"{name}_{kind}": Decimal("0.00") for name in ("taxable", "tax") for kind in "ABCDE"}
    sums |= {name: Decimal("0.00") for name in ("taxable", "tax", "total")}
    for line in lines:
        for name in ("taxable", "tax"):
            sums[f"{name}_{line['tax_type']}"] += Decimal(line[name])
            sums[name] += Decimal(line[name])
        sums["total"] += Decimal(line["total"])
    return {name: str(amount) for name, amount in sums.items()}


def settings_row(**changes: Any) -> KRASettings:
    values = {
        "kra_pin": PIN, "branch_code": "00", "trade_name": "Duka la Mama Njeri",
        "receipt_address": "Kenyatta Avenue, Nairobi", "top_message": "Karibu",
        "bottom_message": "Asante, karibu tena", **changes,
    }  # fmt: skip
    return KRASettings.objects.create(**values)


def branch_row(**changes: Any) -> KRABranch:
    values: dict[str, Any] = {
        "environment": "production", "tin": PIN, "bhf_id": "00", "business": "",
        "taxpayer_name": "Njeri Kamau & Daughters Limited", "branch_name": "Head office",
        "control_unit_id": UNIT, "device_state": "ready", **changes,
    }  # fmt: skip
    key = f"{values['environment']}:{values['tin']}:{values['bhf_id']}"
    branch, _ = KRABranch.objects.get_or_create(key=key, defaults=values)
    return branch


def invoice_row(
    branch: KRABranch, *, number: int = 1, lines: list[dict[str, Any]] | None = None,
    state: str = InvoiceState.SIGNED, **changes: Any,
) -> KRAInvoice:  # fmt: skip
    """A document of the example's lines; signed unless told otherwise."""
    lines = lines or [line_of(at, row) for at, row in enumerate(EXAMPLE, start=1)]
    sums = sums_of(lines)
    document = {
        "kind": changes.get("kind", InvoiceKind.SALE), "profile": "net_taxable",
        "trader_number": changes.get("trader_number", f"INV-{number:03d}"),
        "original_trader_number": "", "issued_at": ISSUED.isoformat(),
        "customer": {"name": "Zoë Ångström", "pin": BUYER, "phone": ""},
        "payment_type": "06", "reason": changes.get("reason", ""),
        "currency": changes.get("currency", "KES"),
        "exchange_rate": str(changes.get("exchange_rate", "1")), "remark": "",
        "rates": RATES, "totals": sums, "lines": lines, "excluded": changes.pop("excluded", []),
    }  # fmt: skip
    signed: dict[str, Any] = {}
    if state in (InvoiceState.SENDING, InvoiceState.IN_DOUBT, InvoiceState.REGISTERED):
        signed = {"number": number}
    if state == InvoiceState.SIGNED:
        signed = {
            "number": number, "receipt_number": 168 + number, "total_receipt_number": 258 + number,
            "internal_data": INTERNAL, "signature": SIGNATURE, "control_unit_id": UNIT,
            "mrc_no": "MRC0001", "signed_at": SIGNED,
        }  # fmt: skip
    values = {
        "business": branch.business, "environment": branch.environment, "branch": branch,
        "kind": InvoiceKind.SALE, "state": state, "trader_number": f"INV-{number:03d}",
        "issued_at": ISSUED, "customer_pin": BUYER, "customer_name": "Zoë Ångström",
        "total": Decimal(sums["total"]), "tax": Decimal(sums["tax"]),
        "taxable": Decimal(sums["taxable"]), "document": document, "digest": "0" * 64,
        "profile": "net_taxable", "transport": "oscu_direct", "next_attempt_at": None,
        **signed, **changes,
    }  # fmt: skip
    return KRAInvoice.objects.create(**values)
