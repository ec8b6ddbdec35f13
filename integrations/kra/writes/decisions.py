"""What was decided about suppliers' invoices and imported items (sections 5.4 and 5.5).

The decision, who made it, and the report of it are stored in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db import models, transaction
from django.utils import timezone

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.config import branch_of
from integrations.kra.writes.arrivals import import_arrival, purchase_arrival
from integrations.kra.writes.inputs import mapping_of, text_of
from integrations.kra.writes.items import find_item
from integrations.kra.writes.store import queue_subject
from integrations.models import (
    AuditEntry,
    KRABranch,
    KRAImport,
    KRAItem,
    KRAPurchase,
    PurchaseState,
    WriteKind,
    name_actor,
)
from integrations.providers.kra.payloads.imports import APPROVED, CANCELLED
from integrations.providers.kra.payloads.purchases import ACCEPTED
from integrations.providers.kra.payloads.values import day, moment

Row = TypeVar("Row", bound=models.Model)


def accept_purchase(
    config: Snapshot,
    purchase: object,
    *,
    items: Mapping[Any, Any] | None = None,
    remark: object = "",
    receive: bool | None = None,
    by: Any = None,
) -> KRAPurchase:
    """Accept a supplier's invoice, by its id, and report that to KRA.

    `items` says for the number of each line ("1", "2" …) which item of ours it is; a line that
    is not named must have one of our item codes. With `receive` (None: the setting "report
    stock") the goods are reported as come in. Raises InvalidInput.
    """
    branch = branch_of(config)
    with transaction.atomic():
        row = _row(KRAPurchase, branch, "purchase", purchase)
        ours = _items_of(branch, row.data.get("itemList") or [], items)
        document = {
            **_common(row.data, text_of("remark", remark, 400), ACCEPTED),
            "items": {place: _ours(item) for place, item in ours.items()},
        }
        _decide(config, branch, row, WriteKind.PURCHASE, document, PurchaseState.ACCEPTED, by)
        if _wants_stock(config, receive):
            purchase_arrival(config, row, ours)
    return row


def reject_purchase(
    config: Snapshot, purchase: object, *, remark: object = "", by: Any = None
) -> KRAPurchase:
    """Reject a supplier's invoice, by its id, and report that. Raises InvalidInput."""
    branch = branch_of(config)
    status = config.text("purchase_rejected_code")
    with transaction.atomic():
        row = _row(KRAPurchase, branch, "purchase", purchase)
        document = {**_common(row.data, text_of("remark", remark, 400), status), "items": {}}
        _decide(config, branch, row, WriteKind.PURCHASE, document, PurchaseState.REJECTED, by)
    return row


def accept_import(
    config: Snapshot,
    imported: object,
    item: object,
    *,
    price: object = None,
    remark: object = "",
    receive: bool | None = None,
    by: Any = None,
) -> KRAImport:
    """Say which item of ours an imported one is, and report that. Raises InvalidInput.

    With `receive` (None: the setting "report stock") it is reported as come in, at `price` a unit
    (the item's own where none is given).
    """
    branch = branch_of(config)
    found = find_item(branch, "item", item)
    with transaction.atomic():
        row = _row(KRAImport, branch, "import", imported)
        document = _import_document(row, APPROVED, text_of("remark", remark, 400), found)
        row.item = found
        _decide(config, branch, row, WriteKind.IMPORT, document, PurchaseState.ACCEPTED, by)
        if _wants_stock(config, receive):
            import_arrival(config, row, found, price)
    return row


def reject_import(
    config: Snapshot,
    imported: object,
    *,
    item: object = None,
    remark: object = "",
    by: Any = None,
) -> KRAImport:
    """Say that an imported item is not ours, and report that. Raises InvalidInput.

    `item` names one of ours all the same, should KRA want one.
    """
    branch = branch_of(config)
    found = find_item(branch, "item", item) if item else None
    with transaction.atomic():
        row = _row(KRAImport, branch, "import", imported)
        document = _import_document(row, CANCELLED, text_of("remark", remark, 400), found)
        _decide(config, branch, row, WriteKind.IMPORT, document, PurchaseState.REJECTED, by)
    return row


def _row(model: type[Row], branch: KRABranch, field: str, key: object) -> Row:
    """The undecided row, locked."""
    rows = model._default_manager.select_for_update().filter(branch=branch)
    text = str(key) if isinstance(key, int | str) and not isinstance(key, bool) else ""
    row = rows.filter(pk=int(text)).first() if text.isdecimal() and len(text) < 19 else None
    if row is None:
        raise InvalidInput(field, "is not known for this branch.", code="not_found")
    state = PurchaseState(row.state)  # type: ignore[attr-defined]
    if state != PurchaseState.NEW:
        raise InvalidInput(field, f"was {state.label.lower()} before.", code="already_decided")
    return row


def _decide(
    config: Snapshot,
    branch: KRABranch,
    row: Any,
    kind: WriteKind,
    document: Mapping[str, Any],
    state: PurchaseState,
    by: Any,
) -> None:
    subject = _subject(row)
    write, _ = queue_subject(branch, kind, subject, document, business=config.business, by=by)
    row.write, row.state = write, state
    row.decided_by = name_actor(by)[:150] if by is not None else ""
    row.decided_at = timezone.now()
    row.save()
    words = "Accepted" if state == PurchaseState.ACCEPTED else "Rejected"
    AuditEntry.objects.record(f"kra_{kind}_{state}", target=row, business=row.business,
                              detail=words)  # fmt: skip


def _subject(row: KRAPurchase | KRAImport) -> str:
    if isinstance(row, KRAPurchase):
        parts: tuple[object, ...] = (
            row.supplier_pin, row.supplier_branch, row.supplier_number, row.receipt_type,
        )  # fmt: skip
    else:
        parts = (row.task_code, row.declared_on, row.item_sequence)
    return ":".join(map(str, parts))


def _common(feed: Mapping[str, Any], remark: str, status: str) -> dict[str, Any]:
    now = timezone.now()
    return {
        "feed": dict(feed), "status": status, "remark": remark,
        "decided_at": moment(now), "day": day(now),
    }  # fmt: skip


def _import_document(
    row: KRAImport, status: str, remark: str, item: KRAItem | None
) -> dict[str, Any]:
    return {
        "task_code": row.task_code,
        "declared_on": row.declared_on,
        "item_sequence": row.item_sequence,
        "hs_code": row.hs_code,
        "status": status,
        "remark": remark,
        "item_code": item.item_code if item else "",
        "class_code": item.class_code if item else "",
        "name": row.name,
    }


def _items_of(
    branch: KRABranch, lines: list[Mapping[str, Any]], named: Mapping[Any, Any] | None
) -> dict[str, KRAItem]:
    """Our item of each line of the feed, by the line's place as text."""
    places = [str(place) for place in range(1, len(lines) + 1)]
    given = {str(place): name for place, name in (named or {}).items()}
    mapping_of("items", given, places)
    found: dict[str, KRAItem] = {}
    for place, line in zip(places, lines, strict=True):
        name = given.get(place) or line.get("itemCd")
        found[place] = find_item(branch, f"items.{place}", name)
    return found


def _ours(item: KRAItem) -> dict[str, str]:
    return {
        "item_code": item.item_code,
        "class_code": item.class_code,
        "name": item.name,
        "packaging_unit": item.packaging_unit,
        "quantity_unit": item.quantity_unit,
    }


def _wants_stock(config: Snapshot, receive: bool | None) -> bool:
    return bool(config.values["report_stock"]) if receive is None else receive
