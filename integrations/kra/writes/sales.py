"""The stock of what was sold or came back, told after the document itself (section 5.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from integrations.kra.writes.movements import AUTOMATIC, SERVICE, queue_movement
from integrations.models import InvoiceKind, KRAInvoice, KRAItem, KRAWrite
from integrations.providers.kra.payloads.amounts import round2
from integrations.providers.kra.payloads.stock import Movement
from integrations.providers.kra.payloads.values import day, decimal

_AMOUNTS = {
    "quantity": "qty",
    "packages": "pkg",
    "price": "prc",
    "discount": "dcAmt",
    "taxable": "taxblAmt",
    "tax": "taxAmt",
    "total": "totAmt",
}
_TEXTS = {
    "item_code": "itemCd",
    "class_code": "itemClsCd",
    "name": "itemNm",
    "barcode": "bcd",
    "packaging_unit": "pkgUnitCd",
    "quantity_unit": "qtyUnitCd",
    "tax_type": "taxTyCd",
}


def report_sale(invoice: KRAInvoice) -> list[KRAWrite]:
    """Store the movement of a signed document's goods, in the caller's transaction.

    Out for a sale, in for a credit note, by the amounts of the body that KRA has; then what is
    left of each item. Services, excluded items and items that are not in the catalogue are left
    out; where nothing remains, nothing is stored. The same document again is no second movement.
    """
    body = invoice.body or {}
    lines = _goods(invoice, body.get("itemList") or [])
    if not lines:
        return []
    is_sale = invoice.kind == InvoiceKind.SALE
    document = {
        "movement": str(Movement.SALE if is_sale else Movement.RETURN_IN),
        "registration": AUTOMATIC,
        "day": day(invoice.issued_at),
        "remark": "",
        "partner_pin": invoice.customer_pin,
        "partner_name": invoice.customer_name,
        "partner_branch": "",
        "lines": lines,
    }
    return queue_movement(
        invoice.branch,
        f"sale:{invoice.public_id}",
        document,
        business=invoice.business,
        invoice=invoice,
    )


def _goods(invoice: KRAInvoice, lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    sold = [line for line in lines if decimal(line.get("qty")) > 0]
    codes = {str(line.get("itemCd")) for line in sold}
    branch = invoice.branch
    known = KRAItem.objects.filter(
        environment=branch.environment, tin=branch.tin, item_code__in=codes, is_excluded=False
    ).exclude(type_code=SERVICE)
    goods = set(known.values_list("item_code", flat=True))
    return [_line(line) for line in sold if line.get("itemCd") in goods]


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: str(line.get(field) or "") for name, field in _TEXTS.items()},
        **{name: str(decimal(line.get(field))) for name, field in _AMOUNTS.items()},
        # Before the discount, whatever the settings say of an invoice's.
        "supply": str(round2(decimal(line.get("qty")) * decimal(line.get("prc")))),
    }
