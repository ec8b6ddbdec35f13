"""Every change of state as one entry of the journal, applied the same way when it is replayed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from integrations.providers.kra.emulator.oauth import App
from integrations.providers.kra.emulator.units import Sale, Unit
from integrations.providers.kra.emulator.wire import digest, read
from integrations.providers.kra.emulator.world import World

Entry = Mapping[str, Any]


def commit(world: World, kind: str, **entry: Any) -> Any:
    """Write one journal line, flushed, and apply it; what the change came to. The lock is held.

    Bodies travel as their text, so that numbers keep their digits.
    """
    line = {"kind": kind, **entry}
    world.surroundings.record(line)
    return apply(world, line)


def apply(world: World, entry: Entry) -> Any:
    """Carry out one entry, new or replayed."""
    return _APPLY[str(entry["kind"])](world, entry)


def _unit(world: World, entry: Entry) -> Unit:
    return world.unit(str(entry["tin"]), str(entry["branch"]))


def _stamp(world: World, entry: Entry) -> str:
    stamp = str(entry["stamp"])
    world.newest_row = max(world.newest_row, stamp)
    return stamp


def _device(world: World, entry: Entry) -> Unit:
    unit = _unit(world, entry)
    for name, value in entry["change"].items():
        setattr(unit, name, value)
    return unit


def _sale(world: World, entry: Entry) -> Sale:
    unit, body = _unit(world, entry), read(entry["body"])
    world.order += 1
    unit.last_invoice = int(body["invcNo"])
    unit.last_total += 1
    kind = body["rcptTyCd"]
    unit.receipts[kind] = unit.receipts.get(kind, 0) + 1
    sale = Sale(
        order=world.order,
        number=unit.last_invoice,
        body=body,
        digest=digest(body),
        receipt_number=unit.receipts[kind],
        total_number=unit.last_total,
        signature=entry["signature"],
        internal_data=entry["internal_data"],
        signed=entry["at"],
        door=entry["door"],
    )
    unit.sales[sale.number] = sale
    return sale


def _refused(world: World, entry: Entry) -> None:
    world.refused.append({name: value for name, value in entry.items() if name != "kind"})


def _confirmed(world: World, entry: Entry) -> None:
    _unit(world, entry).confirmed.add(int(entry["number"]))


def _item(world: World, entry: Entry) -> None:
    taxpayer, body = world.taxpayer(str(entry["tin"])), read(entry["body"])
    row = body | {"regBhfId": entry["branch"], "at": _stamp(world, entry)}
    taxpayer.items[body["itemCd"]] = {name: each for name, each in row.items() if name != "cmcKey"}
    if body["itemCd"][-7:].isdigit():
        taxpayer.last_item = max(taxpayer.last_item, int(body["itemCd"][-7:]))


def _composition(world: World, entry: Entry) -> None:
    world.taxpayer(str(entry["tin"])).compositions.append(read(entry["body"]))


def _movement(world: World, entry: Entry) -> None:
    unit, body = _unit(world, entry), read(entry["body"])
    unit.last_stock = int(body["sarNo"])
    unit.movements[unit.last_stock] = body
    for line in body["itemList"]:
        unit.stock.setdefault(line["itemCd"], Decimal(0))


def _stock(world: World, entry: Entry) -> None:
    unit = _unit(world, entry)
    for code, quantity in entry["quantities"].items():
        unit.stock[code] = Decimal(quantity)


def _purchase(world: World, entry: Entry) -> None:
    unit, body = _unit(world, entry), read(entry["body"])
    unit.last_purchase = int(body["invcNo"])
    unit.purchases[unit.last_purchase] = body


def _import(world: World, entry: Entry) -> None:
    body = read(entry["body"])
    for each in _unit(world, entry).feeds.get("imports", []):
        if each["taskCd"] == body["taskCd"] and each["itemSeq"] == body["itemSeq"]:
            each.update(imptItemsttsCd=body["imptItemSttsCd"], at=_stamp(world, entry))
            each["decision"] = body


def _person(world: World, entry: Entry) -> None:
    unit = _unit(world, entry)
    unit.people.setdefault(entry["list"], {})[entry["key"]] = read(entry["body"])


def _feed(world: World, entry: Entry) -> None:
    told = read(entry["body"]) | {"at": _stamp(world, entry)}
    if entry["list"] == "notices":
        world.notices.append(told)
    else:
        _unit(world, entry).feeds.setdefault(entry["list"], []).append(told)


def _code(world: World, entry: Entry) -> None:
    _stamp(world, entry)
    world.extra_codes.append({name: value for name, value in entry.items() if name != "kind"})


def _taxpayer(world: World, entry: Entry) -> None:
    taxpayer = world.taxpayer(str(entry["tin"]))
    taxpayer.name, taxpayer.status = entry["name"], entry["status"]


def _unwanted(world: World, entry: Entry) -> None:
    world.unwanted.add(str(entry["trader_number"]))


def _app(world: World, entry: Entry) -> App:
    app = App(
        entry["key"], entry["secret"], entry["app_id"], frozenset(entry["products"]),
        is_refused=bool(entry["refused"]),
    )  # fmt: skip
    world.office.apps[app.key] = app
    return app


def _settings(world: World, entry: Entry) -> None:
    for name, value in entry["change"].items():
        setattr(world.settings, name, value)


def _outage(world: World, entry: Entry) -> None:
    world.outage = (entry["start"], entry["end"])


def _line(world: World, entry: Entry) -> None:
    world.line_cut_at = entry["cut_at"]


_APPLY: dict[str, Callable[[World, Entry], Any]] = {
    "device": _device,
    "sale": _sale,
    "refused": _refused,
    "confirmed": _confirmed,
    "item": _item,
    "composition": _composition,
    "movement": _movement,
    "stock": _stock,
    "purchase": _purchase,
    "import": _import,
    "person": _person,
    "feed": _feed,
    "code": _code,
    "taxpayer": _taxpayer,
    "app": _app,
    "unwanted": _unwanted,
    "settings": _settings,
    "outage": _outage,
    "line": _line,
}
