"""Purchases and imports that KRA tells of, for somebody to decide about (section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from integrations.kra.lists.rows import (
    BATCH,
    Unreadable,
    as_json,
    key_of,
    read_rows,
    rows_of,
)
from integrations.models import KRABranch, KRAImport, KRAPurchase, PurchaseState
from integrations.providers.kra.payloads.imports import APPROVED, CANCELLED
from integrations.providers.kra.payloads.values import CENT, clean_text, decimal, digits_of, whole

_MOST = Decimal(10) ** 16
# KRA's own word about an import that was decided elsewhere (class 26).
_DECIDED = {APPROVED: PurchaseState.ACCEPTED, CANCELLED: PurchaseState.REJECTED}


def store_purchases(branch: KRABranch, data: object) -> tuple[int, int]:
    """Keep `saleList`; what is there already, perhaps decided, is left alone."""
    purchases, bad = read_rows(rows_of(data, "saleList"), lambda row: _purchase(branch, row))
    KRAPurchase.objects.bulk_create(purchases, batch_size=BATCH, ignore_conflicts=True)
    return len(purchases), bad


def _purchase(branch: KRABranch, row: Mapping[str, Any]) -> tuple[Any, KRAPurchase]:
    pin, bhf_id = key_of(row, "spplrTin", 20), clean_text(row.get("spplrBhfId"), 10)
    number, receipt = whole(row.get("spplrInvcNo")), clean_text(row.get("rcptTyCd"), 5)
    if not 0 < number < 2**63:
        raise Unreadable
    made = KRAPurchase(
        business=branch.business,
        branch=branch,
        supplier_pin=pin,
        supplier_name=clean_text(row.get("spplrNm"), 200),
        supplier_branch=bhf_id,
        supplier_number=number,
        receipt_type=receipt,
        sold_on=_date(row.get("salesDt") or row.get("cfmDt")),
        total=_money(row.get("totAmt")),
        tax=_money(row.get("totTaxAmt")),
        data=as_json(row),
    )
    return (pin, bhf_id, number, receipt), made


def store_imports(branch: KRABranch, data: object) -> tuple[int, int]:
    """Keep `itemList` of the imports; KRA's status of one that nobody decided here is followed."""
    imports, bad = read_rows(rows_of(data, "itemList"), lambda row: _import(branch, row))
    KRAImport.objects.bulk_create(imports, batch_size=BATCH, ignore_conflicts=True)
    for one in imports:
        rows = KRAImport.objects.filter(
            branch=branch,
            task_code=one.task_code,
            declared_on=one.declared_on,
            item_sequence=one.item_sequence,
            state=PurchaseState.NEW,
        )
        rows.update(status=one.status, state=one.state, name=one.name, data=one.data)
    return len(imports), bad


def _import(branch: KRABranch, row: Mapping[str, Any]) -> tuple[Any, KRAImport]:
    task, declared = key_of(row, "taskCd", 50), digits_of(row.get("dclDe"), 8)
    sequence = whole(row.get("itemSeq"))
    if declared is None or not 0 <= sequence < 2**31:
        raise Unreadable
    status = clean_text(row.get("imptItemSttsCd") or row.get("imptItemsttsCd"), 5)
    made = KRAImport(
        business=branch.business,
        branch=branch,
        task_code=task,
        declared_on=declared,
        item_sequence=sequence,
        hs_code=clean_text(row.get("hsCd"), 20),
        name=clean_text(row.get("itemNm"), 500),
        status=status,
        state=_DECIDED.get(status, PurchaseState.NEW),
        data=as_json(row),
    )
    return (task, declared, sequence), made


def _date(value: object) -> date | None:
    digits = digits_of(value, 8)
    try:
        return date.fromisoformat(digits) if digits else None
    except ValueError:
        return None


def _money(value: object) -> Decimal:
    amount = decimal(value)
    return amount.quantize(CENT) if abs(amount) < _MOST else Decimal(0)
