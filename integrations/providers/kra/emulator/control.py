"""The control actions: what tests, the demo and the panel may ask of KRA."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from integrations.providers.emulation import Rejected
from integrations.providers.kra.emulator import feeds
from integrations.providers.kra.emulator.catalogue import stock_catalogue
from integrations.providers.kra.emulator.devices import commission
from integrations.providers.kra.emulator.entries import commit
from integrations.providers.kra.emulator.oauth import EVERY_PRODUCT
from integrations.providers.kra.emulator.switches import change_settings
from integrations.providers.kra.emulator.units import Unit
from integrations.providers.kra.emulator.world import DEFAULT_PIN, World

Payload = Mapping[str, Any]
Action = Callable[[World, Payload], dict[str, Any]]


def place(payload: Payload) -> dict[str, str]:
    """PIN and branch of a control request; the default taxpayer's head office where not told."""
    return {
        "tin": text(payload, "tin", DEFAULT_PIN), "branch": text(payload, "branch", "00")
    }  # fmt: skip


def text(payload: Payload, name: str, default: str = "") -> str:
    """A text of a control request; raises Rejected."""
    value = payload.get(name, default)
    if not isinstance(value, str):
        raise Rejected(f"{name}: text.")
    return value


def approve(world: World, payload: Payload) -> dict[str, Any]:
    """KRA approves a device: `tin`, `branch`, `serial`, `software` (oscu or vscu)."""
    software = text(payload, "software", "oscu")
    if software not in ("oscu", "vscu"):
        raise Rejected("software: oscu or vscu.")
    change: dict[str, Any] = {
        "serial": text(payload, "serial", "KRASERIAL0001"),
        "approved_as": software,
        "is_initialised": False,
        "key": "",
    }
    if "name" in payload:
        change["name"] = text(payload, "name")
    unit: Unit = commit(world, "device", **place(payload), change=change)
    return {"device": unit.as_dict()}


def device(world: World, payload: Payload) -> dict[str, Any]:
    """Approve and initialise a device at once; the answer has the key, as no other has.

    `tin`, `branch`, `serial`, `software`; `key`, `control_unit_id`, `mrc_no` where wanted;
    `next_invoice`, `next_stock`, `next_purchase` for a device that was used before.
    """
    with world.lock:
        approve(world, payload)
        where = place(payload)
        unit = commission(
            world, world.unit(where["tin"], where["branch"]), key=text(payload, "key"),
            sdc_id=text(payload, "control_unit_id"), mrc_no=text(payload, "mrc_no"),
        )  # fmt: skip
        numbers(world, payload)
    return {
        "communication_key": unit.key,
        "control_unit_id": unit.sdc_id,
        "mrc_no": unit.mrc_no,
        "serial": unit.serial,
    }


def numbers(world: World, payload: Payload) -> dict[str, Any]:
    """Which number KRA wants next: `next_invoice`, `next_stock`, `next_purchase`."""
    change = {}
    for name in ("invoice", "stock", "purchase"):
        value = payload.get(f"next_{name}")
        if value is not None:
            if type(value) is not int or value < 1:
                raise Rejected(f"next_{name}: a whole number from 1.")
            change[f"last_{name}"] = value - 1
    unit = commit(world, "device", **place(payload), change=change)
    return {"device": unit.as_dict()}


def issue_app(world: World, payload: Payload) -> dict[str, Any]:
    """The portal issues credentials: `products` (default: all), or `key` and `secret` as given.

    `refused` withdraws a key.
    """
    products = payload.get("products", [EVERY_PRODUCT])
    if not isinstance(products, list) or not all(isinstance(each, str) for each in products):
        raise Rejected("products: a list of names.")
    app = commit(
        world,
        "app",
        key=text(payload, "key") or secrets.token_urlsafe(24),
        secret=text(payload, "secret") or secrets.token_urlsafe(32),
        app_id=text(payload, "app_id") or secrets.token_hex(8),
        products=products,
        refused=bool(payload.get("refused", False)),
    )
    return {"client_id": app.key, "client_secret": app.secret, "apigee_app_id": app.app_id}


def tokens(world: World, payload: Payload) -> dict[str, Any]:
    """Forget tokens: `invalidate` (true, or the key of one app)."""
    wanted = payload.get("invalidate", True)
    return {"invalidated": world.office.invalidate(wanted if isinstance(wanted, str) else "")}


def catalogue(world: World, payload: Payload) -> dict[str, Any]:
    """Enter items and stock at once: `tin`, `branch`, `items`, `stock`."""
    return stock_catalogue(world, place(payload), payload)


def settings(world: World, payload: Payload) -> dict[str, Any]:
    """Turn switches; a rate that is named alone leaves the others."""
    return {"settings": change_settings(world, payload)}


def taxpayer(world: World, payload: Payload) -> dict[str, Any]:
    """A PIN that KRA knows: `tin`, `name`, `status` (A or D)."""
    pin, status = text(payload, "tin", DEFAULT_PIN), text(payload, "status", "A")
    if status not in ("A", "D"):
        raise Rejected("status: A or D.")
    name = text(payload, "name", f"TRADER {pin}")
    commit(world, "taxpayer", tin=pin, name=name, status=status)
    return {"tin": pin, "name": name, "status": status}


def rates(world: World, payload: Payload) -> dict[str, Any]:
    """The rates that KRA insists on (`rates`), and those it lists too unless `listed` is false."""
    change = {"rates": payload.get("rates", {})}
    if payload.get("listed", True):
        change["listed_rates"] = change["rates"]
    return {"settings": change_settings(world, change)}


def line(world: World, payload: Payload) -> dict[str, Any]:
    """The VSCUs' line to KRA: `cut` true or false; with `tin` or `branch`, of that unit alone."""
    is_one = "tin" in payload or "branch" in payload
    return feeds.line_to_kra(world, place(payload) if is_one else None, payload)


def refuse(world: World, payload: Payload) -> dict[str, Any]:
    """KRA refuses the paper with this `trader_number`, whenever it comes and by whichever way."""
    commit(world, "unwanted", trader_number=text(payload, "trader_number"))
    return {"refused": sorted(world.unwanted)}


def _feed(enter: Callable[[World, Mapping[str, str], Payload], dict[str, Any]]) -> Action:
    return lambda world, payload: enter(world, place(payload), payload)


ACTIONS: dict[str, Action] = {
    "approve": approve,
    "device": device,
    "numbers": numbers,
    "catalogue": catalogue,
    "settings": settings,
    "rates": rates,
    "refuse": refuse,
    "taxpayer": taxpayer,
    "purchase": _feed(feeds.purchase),
    "import": _feed(feeds.imported),
    "move": _feed(feeds.moved),
    "notice": _feed(feeds.notice),
    "code": feeds.code,
    "outage": feeds.outage,
    "line": line,
    "apps": issue_app,
    "tokens": tokens,
}
