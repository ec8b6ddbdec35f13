"""What is so once KRA has taken a report, or has refused it; in the transaction that says so."""

from __future__ import annotations

from typing import Any

from integrations.kra.lists.records import keep_records, record
from integrations.kra.writes.stock import apply_movement
from integrations.models import (
    InvoiceState,
    KRAImport,
    KRAInvoice,
    KRAItem,
    KRAPurchase,
    KRAWrite,
    PurchaseState,
    RecordKind,
    WriteKind,
    WriteState,
)
from integrations.providers.kra.payloads.items import LAST_RUNNING, item_code

_UNSENT = (InvoiceState.QUEUED, InvoiceState.REJECTED)
_UNDECIDED = {"state": PurchaseState.NEW, "decided_by": "", "decided_at": None}


def when_taken(write: KRAWrite) -> None:
    """KRA has it."""
    if write.kind == WriteKind.ITEM:
        _items(write).update(is_registered=True)
    elif write.kind == WriteKind.STOCK_IO and "movement" in write.document and write.body:
        apply_movement(write)
    elif write.kind == WriteKind.IMPORT:
        KRAImport.objects.filter(write=write).update(status=write.document["status"])
    elif write.kind == WriteKind.CUSTOMER:
        _keep(write, RecordKind.CUSTOMER, write.document["number"])
    elif write.kind == WriteKind.INSURANCE:
        _keep(write, RecordKind.INSURANCE, write.document["code"])


def when_rejected(write: KRAWrite) -> None:
    """KRA will not have it: what was decided is open again, with the reason on the report."""
    if write.kind == WriteKind.PURCHASE:
        KRAPurchase.objects.filter(write=write).update(**_UNDECIDED)
    elif write.kind == WriteKind.IMPORT:
        KRAImport.objects.filter(write=write).update(**_UNDECIDED)


def renumber_item(write: KRAWrite, running: int) -> dict[str, Any] | None:
    """Give a new item the running number that KRA expects; its document, or None where taken."""
    document = dict(write.document)
    same = {"environment": write.branch.environment, "tin": write.branch.tin}
    if not 1 <= running <= LAST_RUNNING:
        return None
    if KRAItem.objects.filter(**same, running_number=running).exists():
        return None
    code = item_code(
        origin=document["origin"],
        type_code=document["type_code"],
        packaging_unit=document["packaging_unit"],
        quantity_unit=document["quantity_unit"],
        running=running,
    )
    if KRAItem.objects.filter(**same, item_code=code).exists():
        return None
    _items(write).update(item_code=code, running_number=running)
    _follow_code(write, document["item_code"], code)
    return {**document, "item_code": code, "running_number": running}


def _follow_code(write: KRAWrite, old: str, new: str) -> None:
    """Reports that wait with the item's former code get the new one."""
    rows = KRAWrite.objects.filter(
        branch__environment=write.branch.environment,
        branch__tin=write.branch.tin,
        state=WriteState.QUEUED,
    ).exclude(pk=write.pk)
    for row in rows.only("document", "digest"):
        document = _replaced(row.document, old, new)
        if document != row.document:
            # The digest stays: it is of what the caller handed over.
            same = KRAWrite.objects.filter(pk=row.pk, state=WriteState.QUEUED, digest=row.digest)
            same.update(document=document)
    _follow_code_in_invoices(write, old, new)


def _follow_code_in_invoices(write: KRAWrite, old: str, new: str) -> None:
    """Invoices that were handed in with the new item's former code, and have no number yet.

    They stand behind the item's report, or were refused and may be sent again. A credit note may
    name their lines by either code.
    """
    rows = KRAInvoice.objects.filter(
        branch__environment=write.branch.environment,
        branch__tin=write.branch.tin,
        state__in=_UNSENT,
        queued_at__gte=write.created_at,
    )
    for row in rows.only("document", "digest").iterator():
        lines = row.document["lines"]
        if all(line["item_code"] != old for line in lines):
            continue
        document = {**row.document, "lines": [_renamed(line, old, new) for line in lines]}
        # The digest stays: it is of what the caller handed over. One that was corrected meanwhile
        # has another one, and is of the new code already.
        same = KRAInvoice.objects.filter(pk=row.pk, state__in=_UNSENT, digest=row.digest)
        same.update(document=document)


def _renamed(line: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    if line["item_code"] != old:
        return line
    return {**line, "item_code": new, "keys": [*line["keys"], new]}


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(inner, old, new) for name, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(inner, old, new) for inner in value]
    return new if value == old else value


def _items(write: KRAWrite) -> Any:
    return KRAItem.objects.filter(
        environment=write.branch.environment,
        tin=write.branch.tin,
        item_code=write.document["item_code"],
    )


def _keep(write: KRAWrite, kind: RecordKind, key: str) -> None:
    document = write.document
    keep_records([record(write.branch, kind, str(key), name=document["name"], data=document)])
