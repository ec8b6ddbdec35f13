"""Items as KRA has them, which may have been registered from elsewhere (section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from integrations.kra.lists.rows import BATCH, Unreadable, as_json, key_of, read_rows, rows_of
from integrations.models import KRABranch, KRAItem
from integrations.providers.kra.payloads.items import PRICE_LEVELS, running_number
from integrations.providers.kra.payloads.values import CENT, clean_text, decimal

# NUMBER(18,2) and NUMBER(13,2) (section 2).
_MOST_MONEY, _MOST_QUANTITY = Decimal(10) ** 16, Decimal(10) ** 11
# What KRA says of an item; what it can't know (reference, exclusion, stock) stays as it is.
_KRAS = (
    "name", "class_code", "type_code", "origin", "packaging_unit", "quantity_unit", "tax_type",
    "price", "barcode", "standard_name", "batch", "safety_quantity", "group_prices",
    "additional_info", "is_insured", "is_used", "is_registered", "data", "updated_at",
)  # fmt: skip


def store_items(branch: KRABranch, data: object) -> tuple[int, int]:
    """Keep `itemList`; how many items were stored, and how many were unreadable."""
    items, bad = read_rows(rows_of(data, "itemList"), lambda row: _item(branch, row))
    _leave_out_taken_numbers(branch, items)
    KRAItem.objects.bulk_create(
        items,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["environment", "tin", "item_code"],
        update_fields=_KRAS,
    )
    return len(items), bad


def _item(branch: KRABranch, row: Mapping[str, Any]) -> tuple[str, KRAItem]:
    code = key_of(row, "itemCd", 20)
    made = KRAItem(
        business=branch.business,
        environment=branch.environment,
        tin=branch.tin,
        item_code=code,
        name=clean_text(row.get("itemNm"), 200) or code,
        class_code=clean_text(row.get("itemClsCd"), 20),
        type_code=clean_text(row.get("itemTyCd"), 5),
        origin=clean_text(row.get("orgnNatCd"), 5),
        packaging_unit=clean_text(row.get("pkgUnitCd"), 5),
        quantity_unit=clean_text(row.get("qtyUnitCd"), 5),
        tax_type=clean_text(row.get("taxTyCd"), 5),
        price=_amount(row.get("dftPrc")),
        barcode=clean_text(row.get("bcd"), 20),
        standard_name=clean_text(row.get("itemStdNm"), 200),
        batch=clean_text(row.get("btchNo"), 10),
        safety_quantity=_safety_quantity(row.get("sftyQty")),
        group_prices=_group_prices(row),
        additional_info=clean_text(row.get("addInfo"), 7),
        is_insured=str(row.get("isrcAplcbYn")).strip() == "Y",
        is_used=str(row.get("useYn")).strip() != "N",
        is_registered=True,
        running_number=running_number(code),
        data=as_json(row),
    )
    return code, made


def _amount(value: object, most: Decimal = _MOST_MONEY) -> Decimal:
    """What KRA says, in cents, none below zero; raises Unreadable for what has no room."""
    amount = max(decimal(value), Decimal(0))
    if amount >= most:
        raise Unreadable
    return amount.quantize(CENT)


def _safety_quantity(value: object) -> Decimal | None:
    return None if value is None else _amount(value, _MOST_QUANTITY)


def _group_prices(row: Mapping[str, Any]) -> list[str | None]:
    """The levels up to the last that has a price."""
    said = [row.get(f"grpPrcL{level}") for level in range(1, PRICE_LEVELS + 1)]
    while said and said[-1] is None:
        said.pop()
    return [None if price is None else str(_amount(price)) for price in said]


def _leave_out_taken_numbers(branch: KRABranch, items: Sequence[KRAItem]) -> None:
    """Items of elsewhere may repeat a running number, which ours never do."""
    owners = dict(
        KRAItem.objects.filter(environment=branch.environment, tin=branch.tin)
        .exclude(running_number=None)
        .values_list("running_number", "item_code")
    )
    for item in items:
        if item.running_number is None:
            continue
        if owners.setdefault(item.running_number, item.item_code) != item.item_code:
            item.running_number = None
