"""Items of the catalogue: checked, given a code, stored, and reported to KRA (section 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max, Q

from integrations.config import Snapshot
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.kra.config import branch_of
from integrations.kra.writes.item_input import CHANGEABLE, FIXED, read_item
from integrations.kra.writes.store import queue_subject
from integrations.models import AuditEntry, KRABranch, KRAItem, KRAWrite, Transport, WriteKind
from integrations.providers.kra.payloads.items import LAST_RUNNING, item_code

_TRIES = 20
GATEWAY_UNIT = 2


def save_item(
    config: Snapshot, data: Mapping[str, Any], *, by: Any = None
) -> tuple[KRAItem, KRAWrite]:
    """Store an item and the report of it, in one transaction: (item, report).

    A known `item_code` or `reference` changes that item; else it is new, and gets the next code.
    The same again is no second report. Raises InvalidInput that names the field; code "not_yours"
    for an item of another business, which may have the same PIN or share the settings.
    """
    branch = branch_of(config)
    with transaction.atomic():
        known = _known(branch, data)
        _refuse_anothers(known, config, data)
        values = read_item(branch.environment, data, known)
        if known is None:
            _check_unit(config, values["quantity_unit"])
        item = _change(known, values) if known else _create(branch, config.business, values)
        write = register_item(branch, item, business=config.business, by=by)
    return item, write


def register_item(
    branch: KRABranch, item: KRAItem, *, business: str = "", by: Any = None
) -> KRAWrite:
    """Report an item as it stands now; the same again is no second report."""
    if item.is_excluded:
        raise InvalidInput("item", "is excluded from eTIMS, so KRA is not told of it.")
    document = {
        **{name: getattr(item, name) for name in (*FIXED, *CHANGEABLE)},
        "item_code": item.item_code,
        "running_number": item.running_number,
        "price": f"{item.price:.2f}",
        "safety_quantity": _amount_text(item.safety_quantity),
        "is_used": item.is_used,
        "is_new": not item.is_registered,
    }
    write, _ = queue_subject(
        branch, WriteKind.ITEM, item.item_code, document, business=business, by=by
    )
    return write


def _amount_text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.2f}"


def find_item(branch: KRABranch, field: str, name: object) -> KRAItem:
    """The item by its code or the ERP's reference; raises InvalidInput."""
    text = name.strip() if isinstance(name, str) else ""
    rows = KRAItem.objects.filter(environment=branch.environment, tin=branch.tin)
    found = rows.filter(Q(item_code=text) | Q(reference=text)).first() if text else None
    if found is None:
        raise InvalidInput(
            field, f"{text[:40]!r} is not in the catalogue: save the item first.",
            code="unknown_item",
        )  # fmt: skip
    return found


def exclude_item(config: Snapshot, name: object, *, excluded: bool) -> KRAItem:
    """Leave an item out of what KRA is told, or take it in again.

    Raises InvalidInput; code "not_yours" for an item of another business.
    """
    item = find_item(branch_of(config), "item", name)
    _refuse_anothers(item, config, {"item": name})
    if item.is_excluded != excluded:
        set_excluded(item, excluded=excluded)
    return item


def set_excluded(item: KRAItem, *, excluded: bool) -> None:
    """Change whether KRA is told of an item. Audited."""
    with transaction.atomic():
        KRAItem.objects.filter(pk=item.pk).update(is_excluded=excluded)
        item.refresh_from_db()
        action = "kra_item_excluded" if excluded else "kra_item_included"
        AuditEntry.objects.record(action, target=item, business=item.business)


def _check_unit(config: Snapshot, unit: str) -> None:
    """The gateway wants exactly two characters of it in the code (section 5.2, [1 live])."""
    if config.values["transport"] == Transport.OSCU_GATEWAY and len(unit) > GATEWAY_UNIT:
        raise InvalidInput(
            "quantity_unit",
            f"{unit} has {len(unit)} letters; KRA's gateway takes units of two in item codes, "
            "such as NO.",
        )


def _refuse_anothers(item: KRAItem | None, config: Snapshot, named: Mapping[str, Any]) -> None:
    """Items may be sold by all businesses of a PIN; each is changed by its own alone."""
    if item is None or item.business == config.business:
        return
    field = next((name for name in ("item", "item_code") if named.get(name)), "reference")
    whose = "another business" if item.business else "the installation"
    raise InvalidInput(field, f"is an item of {whose}, which alone changes it.", code="not_yours")


def _known(branch: KRABranch, data: Mapping[str, Any]) -> KRAItem | None:
    if data.get("item_code"):
        rows = KRAItem.objects.select_for_update()
        return rows.get(pk=find_item(branch, "item_code", data["item_code"]).pk)
    reference = data.get("reference")
    if not isinstance(reference, str) or not reference.strip():
        return None
    rows = KRAItem.objects.filter(environment=branch.environment, tin=branch.tin)
    return rows.select_for_update().filter(reference=reference.strip()).first()


def _change(item: KRAItem, values: Mapping[str, Any]) -> KRAItem:
    for name in FIXED:
        if values[name] != getattr(item, name):
            raise InvalidInput(
                name, "is part of the item's code and can't be changed: save a new item."
            )
    for name in (*CHANGEABLE, "is_used", "reference"):
        setattr(item, name, values[name])
    item.save()
    return item


def _create(branch: KRABranch, business: str, values: dict[str, Any]) -> KRAItem:
    """A new item under the next running number of the PIN; two at once get two."""
    rows = KRAItem.objects.filter(environment=branch.environment, tin=branch.tin)
    for _ in range(_TRIES):
        running = (rows.aggregate(most=Max("running_number"))["most"] or 0) + 1
        if running > LAST_RUNNING:
            raise IntegrationError("All item codes are used up.", code="codes_used_up")
        code = item_code(
            origin=values["origin"],
            type_code=values["type_code"],
            packaging_unit=values["packaging_unit"],
            quantity_unit=values["quantity_unit"],
            running=running,
        )
        try:
            with transaction.atomic():
                return KRAItem.objects.create(
                    business=business or branch.business,
                    environment=branch.environment,
                    tin=branch.tin,
                    item_code=code,
                    running_number=running,
                    **values,
                )
        except IntegrityError:
            reference = values["reference"]
            if reference and rows.filter(reference=reference).exists():
                raise InvalidInput("reference", "was just given to another item.") from None
    raise IntegrationError("No code could be given to the item; try again.", code="not_stored")
