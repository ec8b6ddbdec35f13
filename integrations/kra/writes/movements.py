"""Movements of stock that the ERP tells of: in, out, and a count (section 5.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import transaction

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.config import branch_of
from integrations.kra.lists.lookup import known_codes
from integrations.kra.writes.amounts import stock_line
from integrations.kra.writes.inputs import (
    amount_of,
    day_of,
    mapping_of,
    pin_of,
    quantity_of_input,
    text_of,
)
from integrations.kra.writes.items import find_item
from integrations.kra.writes.stock import quantity_of, waiting_of
from integrations.kra.writes.store import check_key, queue_write
from integrations.models import KRABranch, KRAItem, KRAWrite, WriteKind
from integrations.providers.kra.codes import classes
from integrations.providers.kra.payloads.stock import IN, OUT, Movement

SERVICE = "3"
MOST_LINES = 999
LINE_FIELDS = ("item", "quantity", "price", "expires_on")
MANUAL = "M"
AUTOMATIC = "A"


def move_stock(
    config: Snapshot,
    lines: object,
    movement: object,
    *,
    key: object = None,
    day: object = None,
    remark: object = "",
    partner: Mapping[str, Any] | None = None,
    by: Any = None,
    incoming: bool = True,
) -> list[KRAWrite]:
    """Store a movement of goods and, behind it, what is then left of each item.

    `lines` are dicts of `item` (code or reference), `quantity`, `price` of a unit with VAT
    (the item's own where none is given) and `expires_on`. Answers the reports: the movement
    first. The same `key` again is no second movement. Raises InvalidInput naming the line.
    """
    name = check_key(key)
    branch = branch_of(config)
    chosen = _movement(branch.environment, movement, incoming=incoming)
    items, made = _lines(config, branch, lines)
    document = {
        "movement": str(chosen),
        "registration": MANUAL,
        "day": day_of("day", day),
        "remark": text_of("remark", remark, 400),
        **_partner(partner),
        "lines": made,
    }
    wish = {**document, "day": str(day or ""), "lines": _wished(lines)}
    with transaction.atomic():
        if chosen in OUT:
            _refuse_more_than_there_is(branch, items, made, name)
        return queue_movement(branch, name, document, wish=wish, business=config.business, by=by)


def count_stock(
    config: Snapshot,
    item: object,
    quantity: object,
    *,
    key: object = None,
    price: object = None,
    remark: object = "",
    by: Any = None,
) -> list[KRAWrite]:
    """Store that so much of an item is there. KRA is told the difference, then what is left.

    The difference is worked out when its turn comes, behind the movements that wait.
    """
    name = check_key(key)
    branch = branch_of(config)
    found = _goods(branch, "item", item)
    left = amount_of("quantity", quantity)
    line = {**line_of(found), "price": str(_price("price", price, found)), "quantity": "0"}
    document = {
        "movement": str(Movement.ADJUSTED_IN),
        "registration": MANUAL,
        "day": day_of("day", None),
        "remark": text_of("remark", remark, 400),
        "target": str(left),
        "lines": [line],
    }
    wish = {"target": str(left), "item": str(item), "price": str(price or "")}
    with transaction.atomic():
        return queue_movement(branch, name, document, wish=wish, business=config.business, by=by)


def _wished(lines: Any) -> list[dict[str, str]]:
    return [{str(name): str(value) for name, value in line.items()} for line in lines]


def queue_movement(
    branch: KRABranch,
    key: str,
    document: Mapping[str, Any],
    *,
    wish: Mapping[str, Any] | None = None,
    **more: Any,
) -> list[KRAWrite]:
    """The movement and, for each item in it, the report of what is left; in that order."""
    movement, is_new = queue_write(branch, WriteKind.STOCK_IO, key, document, wish=wish, **more)
    if not is_new:
        return [movement, *movement.followers.order_by("pk")]
    codes = dict.fromkeys(line["item_code"] for line in document["lines"])
    more["after"] = movement
    masters = [
        queue_write(branch, WriteKind.STOCK_MASTER, f"{key}:{code}", {"item_code": code}, **more)[0]
        for code in codes
    ]
    return [movement, *masters]


def line_of(item: KRAItem) -> dict[str, Any]:
    """What a line says of its item."""
    return {
        "item_code": item.item_code,
        "class_code": item.class_code,
        "name": item.name,
        "barcode": item.barcode,
        "packaging_unit": item.packaging_unit,
        "quantity_unit": item.quantity_unit,
        "tax_type": item.tax_type,
    }


def _movement(environment: str, value: object, *, incoming: bool) -> Movement:
    allowed = IN if incoming else OUT
    text = value.strip() if isinstance(value, str) else ""
    known = known_codes(environment, classes.STOCK_MOVEMENT)
    if text not in allowed or (known and text not in known):
        listed = ", ".join(f"{one} {one.name.lower()}" for one in Movement if one in allowed)
        raise InvalidInput("movement", f"must be one of {listed}.", code="unknown_code")
    return Movement(text)


def _lines(
    config: Snapshot, branch: KRABranch, lines: object
) -> tuple[dict[str, KRAItem], list[dict[str, Any]]]:
    if not isinstance(lines, Sequence) or isinstance(lines, str | bytes) or not lines:
        raise InvalidInput("lines", "must be a list of at least one line.")
    if len(lines) > MOST_LINES:
        raise InvalidInput("lines", f"has {len(lines)} lines; KRA takes {MOST_LINES}.")
    items: dict[str, KRAItem] = {}
    made: list[dict[str, Any]] = []
    for place, line in enumerate(lines):
        field = f"lines[{place}]"
        given = mapping_of(field, line, LINE_FIELDS)
        item = _goods(branch, f"{field}.item", given.get("item"))
        quantity = quantity_of_input(f"{field}.quantity", given.get("quantity"))
        price = _price(f"{field}.price", given.get("price"), item)
        expires = given.get("expires_on")
        base = {**line_of(item), "expires_on": _expiry(f"{field}.expires_on", expires)}
        made.extend(stock_line(base, quantity, price, config))
        items[item.item_code] = item
    return items, made


def _expiry(field: str, value: object) -> str:
    if value is None or value == "":
        return ""
    text = "".join(filter(str.isdigit, str(value)))
    if len(text) != 8:
        raise InvalidInput(field, "must be a date such as 2027-06-30.")
    return text


def _goods(branch: KRABranch, field: str, name: object) -> KRAItem:
    item = find_item(branch, field, name)
    if item.type_code == SERVICE:
        raise InvalidInput(field, f"{item.name[:60]} is a service, which has no stock.")
    if item.is_excluded:
        raise InvalidInput(field, f"{item.name[:60]} is excluded from eTIMS.")
    return item


def _price(field: str, value: object, item: KRAItem) -> Decimal:
    price = item.price if value is None or value == "" else amount_of(field, value)
    if price <= 0:
        # KRA's gateway refuses a movement without a value (section 5.3).
        raise InvalidInput(field, "must be more than zero: KRA takes no movement without a value.")
    return price


def _partner(partner: Mapping[str, Any] | None) -> dict[str, str]:
    given = mapping_of("partner", partner or {}, ("pin", "name", "branch"))
    pin = given.get("pin")
    return {
        "partner_pin": pin_of("partner.pin", pin) if pin else "",
        "partner_name": text_of("partner.name", given.get("name"), 100),
        "partner_branch": text_of("partner.branch", given.get("branch"), 2),
    }


def _refuse_more_than_there_is(
    branch: KRABranch, items: Mapping[str, KRAItem], lines: list[dict[str, Any]], key: str
) -> None:
    """Nothing can leave that KRA was not told to have come. A repeated key was checked before."""
    if KRAWrite.objects.filter(branch=branch, kind=WriteKind.STOCK_IO, key=key).exists():
        return
    # Locked, so that two that take the last one wait for each other.
    ids = sorted(item.pk for item in items.values())
    list(KRAItem.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
    for code in items:
        wanted = sum(Decimal(line["quantity"]) for line in lines if line["item_code"] == code)
        left = quantity_of(branch, code) + waiting_of(branch, code)
        if wanted > left:
            place = next(at for at, line in enumerate(lines) if line["item_code"] == code)
            raise InvalidInput(
                f"lines[{place}].quantity",
                f"{wanted} of {code} can't go out: KRA was told of {left}.",
                code="not_in_stock",
            )
