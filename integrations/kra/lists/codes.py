"""Code lists and item classes: the same for every taxpayer of an environment (section 5.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from integrations.kra.lists.rows import BATCH, key_of, read_rows, rows_of
from integrations.models import KRABranch, KRACode, KRAItemClass
from integrations.providers.kra.payloads.values import clean_text, whole


def store_codes(branch: KRABranch, data: object) -> tuple[int, int]:
    """Keep `clsList`; how many codes were stored, and how many were unreadable."""
    codes, bad = read_rows(_details(data), lambda row: _code(branch, row))
    KRACode.objects.bulk_create(
        codes,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["environment", "class_code", "code"],
        update_fields=[
            "class_name", "name", "description", "is_used", "sort_order", "extra", "updated_at",
        ],
    )  # fmt: skip
    return len(codes), bad


def _details(data: object) -> Iterator[Mapping[str, Any]]:
    for group in rows_of(data, "clsList"):
        for row in rows_of(group, "dtlList"):
            yield {**row, "class": group}


def _code(branch: KRABranch, row: Mapping[str, Any]) -> tuple[Any, KRACode]:
    group = row["class"]
    class_code, code = key_of(group, "cdCls", 10), key_of(row, "cd", 20)
    is_used = str(group.get("useYn")).strip() != "N" and str(row.get("useYn")).strip() != "N"
    made = KRACode(
        environment=branch.environment,
        class_code=class_code,
        class_name=clean_text(group.get("cdClsNm"), 200),
        code=code,
        name=clean_text(row.get("cdNm"), 300),
        description=clean_text(row.get("cdDesc"), 1000),
        is_used=is_used,
        sort_order=whole(row.get("srtOrd")) % 2**31,
        extra=[clean_text(row.get(f"userDfnCd{place}"), 20) for place in (1, 2, 3)],
    )
    return (class_code, code), made


def store_item_classes(branch: KRABranch, data: object) -> tuple[int, int]:
    """Keep `itemClsList`; how many classes were stored, and how many were unreadable."""
    classes, bad = read_rows(rows_of(data, "itemClsList"), lambda row: _item_class(branch, row))
    KRAItemClass.objects.bulk_create(
        classes,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["environment", "code"],
        update_fields=["name", "level", "tax_type", "is_major", "is_used", "updated_at"],
    )
    return len(classes), bad


def _item_class(branch: KRABranch, row: Mapping[str, Any]) -> tuple[str, KRAItemClass]:
    code = key_of(row, "itemClsCd", 20)
    made = KRAItemClass(
        environment=branch.environment,
        code=code,
        name=clean_text(row.get("itemClsNm"), 500),
        level=min(max(whole(row.get("itemClsLvl")), 0), 99),
        tax_type=clean_text(row.get("taxTyCd"), 5),
        is_major=str(row.get("mjrTgYn")).strip() == "Y",
        is_used=str(row.get("useYn")).strip() != "N",
    )
    return code, made
