"""Lists, items and reports as answers give them: plain values, amounts as text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from integrations.models import (
    KRACode,
    KRAImport,
    KRAItem,
    KRAItemClass,
    KRAPurchase,
    KRARecord,
    KRAStock,
    KRAWrite,
)


def describe_code(row: KRACode) -> dict[str, Any]:
    """One code; `extra` are KRA's own three fields, of class 04 the first is the rate."""
    return {
        "class_code": row.class_code,
        "class_name": row.class_name,
        "code": row.code,
        "name": row.name,
        "description": row.description,
        "extra": row.extra,
    }


def describe_item_class(row: KRAItemClass) -> dict[str, Any]:
    """One item class."""
    return {
        "code": row.code,
        "name": row.name,
        "level": row.level,
        "tax_type": row.tax_type,
        "is_major": row.is_major,
    }


def describe_item(row: KRAItem) -> dict[str, Any]:
    """One item of the catalogue."""
    return {
        "id": row.pk,
        "item_code": row.item_code,
        "reference": row.reference,
        "name": row.name,
        "class_code": row.class_code,
        "type_code": row.type_code,
        "origin": row.origin,
        "packaging_unit": row.packaging_unit,
        "quantity_unit": row.quantity_unit,
        "tax_type": row.tax_type,
        "price": _text(row.price),
        "barcode": row.barcode,
        "standard_name": row.standard_name,
        "batch": row.batch,
        "safety_quantity": None if row.safety_quantity is None else _text(row.safety_quantity),
        "group_prices": row.group_prices,
        "additional_info": row.additional_info,
        "is_insured": row.is_insured,
        "is_used": row.is_used,
        "is_excluded": row.is_excluded,
        "is_registered": row.is_registered,
        "stock": None if row.stock is None else _text(row.stock),
    }


def describe_record(row: KRARecord) -> dict[str, Any]:
    """One entry of a list, with KRA's names in `data`."""
    return {
        "key": row.key,
        "name": row.name,
        "data": row.data,
        "updated_at": row.updated_at.isoformat(),
    }


def describe_write(row: KRAWrite) -> dict[str, Any]:
    """One report: where it stands, and why."""
    return {
        "id": str(row.public_id),
        "kind": row.kind,
        "key": row.key,
        "state": row.state,
        "number": row.number,
        "code": row.result_code,
        "message": row.message,
        "attention": row.attention,
    }


def describe_stock(row: KRAStock) -> dict[str, Any]:
    """What is left of one item in one branch."""
    return {
        "item_code": row.item.item_code,
        "reference": row.item.reference,
        "name": row.item.name,
        "branch": row.branch.bhf_id,
        "quantity": _text(row.quantity),
        "quantity_unit": row.item.quantity_unit,
        "updated_at": row.updated_at.isoformat(),
    }


def describe_purchase(row: KRAPurchase) -> dict[str, Any]:
    """A supplier's invoice, the decision, and the report of it."""
    return {
        "id": row.pk,
        "supplier_pin": row.supplier_pin,
        "supplier_name": row.supplier_name,
        "supplier_branch": row.supplier_branch,
        "supplier_number": row.supplier_number,
        "receipt_type": row.receipt_type,
        "sold_on": row.sold_on.isoformat() if row.sold_on else None,
        "total": _text(row.total),
        "tax": _text(row.tax),
        "lines": row.data.get("itemList") or [],
        **_decision(row),
    }


def describe_import(row: KRAImport) -> dict[str, Any]:
    """An imported item, the decision, and the report of it."""
    return {
        "id": row.pk,
        "task_code": row.task_code,
        "declared_on": row.declared_on,
        "item_sequence": row.item_sequence,
        "hs_code": row.hs_code,
        "name": row.name,
        "status": row.status,
        "quantity": row.data.get("qty"),
        "quantity_unit": row.data.get("qtyUnitCd"),
        "item_code": row.item.item_code if row.item else "",
        **_decision(row),
    }


def _decision(row: KRAPurchase | KRAImport) -> dict[str, Any]:
    return {
        "branch": row.branch.bhf_id,
        "state": row.state,
        "decided_by": row.decided_by,
        "decided_at": row.decided_at.isoformat() if row.decided_at else None,
        "report": describe_write(row.write) if row.write else None,
    }


def _text(amount: Decimal) -> str:
    return f"{amount:.2f}"
