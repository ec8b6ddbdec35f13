"""Lists that nothing is worked out from: branches, notices, moves between branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from integrations.kra.lists.rows import BATCH, as_json, key_of, read_rows, rows_of
from integrations.models import KRABranch, KRARecord, RecordKind
from integrations.providers.kra.payloads.values import clean_text

# Not whose it is: several businesses may have one PIN, and each reads its lists.
_UPDATED = ("name", "data", "updated_at")


def keep_records(records: list[KRARecord]) -> None:
    """Store records by their keys, the newer over the older."""
    KRARecord.objects.bulk_create(
        records,
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["environment", "tin", "bhf_id", "kind", "key"],
        update_fields=_UPDATED,
    )


def record(
    branch: KRABranch, kind: RecordKind, key: str, *, name: str, data: Any, of_branch: bool = True
) -> KRARecord:
    """An unstored record; those of the taxpayer as a whole carry no branch."""
    return KRARecord(
        business=branch.business,
        environment=branch.environment,
        tin=branch.tin,
        bhf_id=branch.bhf_id if of_branch else "",
        kind=kind,
        key=key,
        name=name[:300],
        data=as_json(data),
    )


def _store(
    data: object, name: str, make: Callable[[Mapping[str, Any]], KRARecord]
) -> tuple[int, int]:
    def keyed(row: Mapping[str, Any]) -> tuple[str, KRARecord]:
        made = make(row)
        return made.key, made

    records, bad = read_rows(rows_of(data, name), keyed)
    keep_records(records)
    return len(records), bad


def store_branches(branch: KRABranch, data: object) -> tuple[int, int]:
    """Keep `bhfList`."""

    def make(row: Mapping[str, Any]) -> KRARecord:
        key, name = key_of(row, "bhfId", 10), clean_text(row.get("bhfNm"), 300)
        return record(branch, RecordKind.BRANCH, key, name=name, data=row, of_branch=False)

    return _store(data, "bhfList", make)


def store_notices(branch: KRABranch, data: object) -> tuple[int, int]:
    """Keep `noticeList`."""

    def make(row: Mapping[str, Any]) -> KRARecord:
        key, name = key_of(row, "noticeNo", 60), clean_text(row.get("title"), 300)
        return record(branch, RecordKind.NOTICE, key, name=name, data=row, of_branch=False)

    return _store(data, "noticeList", make)


def store_stock_moves(branch: KRABranch, data: object) -> tuple[int, int]:
    """Keep `stockList`: what another branch says that it sent here."""

    def make(row: Mapping[str, Any]) -> KRARecord:
        pin, sender = key_of(row, "custTin", 20), clean_text(row.get("custBhfId"), 10)
        number = key_of(row, "sarNo", 40)
        name = f"Movement {number} from branch {sender or '?'}"
        key = f"{pin}:{sender}:{number}"
        return record(branch, RecordKind.STOCK_MOVE, key, name=name, data=row)

    return _store(data, "stockList", make)
