"""What can be read beside the book: the last receipts, and one invoice whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.providers.emulation import Answer, Rejected
from integrations.providers.kra.emulator.envelopes import plain
from integrations.providers.kra.emulator.units import Sale
from integrations.providers.kra.emulator.world import DEFAULT_PIN, World

_RECENT = 20


def show(world: World, name: str, query: Mapping[str, list[str]]) -> Answer | None:
    """The document of this name, or None; raises Rejected. The lock is held."""
    if name == "recent":
        return plain(200, recent(world))
    if name == "invoice":
        return plain(200, invoice(world, query))
    if name == "bodies":
        return plain(200, bodies(world, query))
    return None


def recent(world: World) -> dict[str, Any]:
    """The last receipts of all units, newest first, and how the lines are."""
    sales = [
        {"tin": unit.tin, "branch": unit.bhf_id, **sale.as_dict()}
        for unit in world.units.values()
        for sale in list(unit.sales.values())[-_RECENT:]
    ]
    sales.sort(key=lambda sale: -sale["order"])
    return {
        "receipts": sales[:_RECENT],
        "accepted": sum(len(unit.sales) for unit in world.units.values()),
        "refused": [
            {name: each[name] for name in ("tin", "branch", "operation", "code", "text")}
            for each in world.refused[: -_RECENT - 1 : -1]
        ],
        "is_away": world.is_away(),
        "is_line_cut": bool(world.line_cut_at),
    }


def bodies(world: World, query: Mapping[str, list[str]]) -> dict[str, Any]:
    """The bodies of all accepted sales of a unit, by number: `tin`, `branch`."""
    told = {name: values[0] for name, values in query.items()}
    unit = world.units.get((told.get("tin", DEFAULT_PIN), told.get("branch", "00")))
    sales = unit.sales if unit is not None else {}
    return {"bodies": {str(number): _without_key(sale) for number, sale in sales.items()}}


def _without_key(sale: Sale) -> dict[str, Any]:
    return {name: value for name, value in sale.body.items() if name != "cmcKey"}


def invoice(world: World, query: Mapping[str, list[str]]) -> dict[str, Any]:
    """One accepted invoice with its body: `tin`, `branch`, `number`."""
    told = {name: values[0] for name, values in query.items()}
    unit = world.units.get((told.get("tin", DEFAULT_PIN), told.get("branch", "00")))
    number = told.get("number", "")
    sale = unit.sales.get(int(number)) if unit and number.isdigit() else None
    if sale is None:
        raise Rejected("number: KRA has none of it.")
    return sale.as_dict() | {"body": _without_key(sale)}
