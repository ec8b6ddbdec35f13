"""One request on its way through KRA: who asks, by which way, for what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.providers.emulation import Request
from integrations.providers.kra.emulator.refusals import Refusal, missing
from integrations.providers.kra.emulator.routes import GATEWAY, VSCU, Route
from integrations.providers.kra.emulator.units import Taxpayer, Unit
from integrations.providers.kra.emulator.wire import read
from integrations.providers.kra.emulator.world import World


@dataclass(frozen=True, slots=True)
class Visit:
    """What a handler needs. The lock of the world is held."""

    world: World
    route: Route
    unit: Unit
    body: Mapping[str, Any]
    text: str  # the body as it came
    now: datetime

    @property
    def door(self) -> str:
        """Direct, gateway or VSCU."""
        return self.route.door

    @property
    def is_gateway(self) -> bool:
        """Whether it came through the gateway, which is the strictest."""
        return self.route.door == GATEWAY

    @property
    def taxpayer(self) -> Taxpayer:
        """Whose unit it is."""
        return self.world.taxpayer(self.unit.tin)

    @property
    def where(self) -> dict[str, str]:
        """What an entry of the journal says about the place and the time."""
        return {"tin": self.unit.tin, "branch": self.unit.bhf_id, "at": self.now.isoformat()}

    def row_stamp(self) -> str:
        """When a row of a list appears."""
        return self.world.row_stamp()


class Found:
    """What a read came to; nothing found is 001 with the list empty (section 2.1 [3+])."""

    def __init__(self, name: str, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.data = {name: rows}


Handler = Callable[[Visit], Any]


def read_body(request: Request) -> Mapping[str, Any]:
    """The body as an object; raises Refusal (911) for anything else (section 13)."""
    try:
        body = read(request.body)
    except ValueError:
        raise Refusal("911") from None
    if not isinstance(body, dict):
        raise Refusal("911")
    return body


def whose(request: Request, door: str) -> tuple[str, str]:
    """PIN and branch as the request tells, for faults and before any check; "" where it does not.

    Headers for the OSCU, the body for the VSCU and for the initialisation (sections 1 and 4).
    """
    try:
        parsed = read(request.body)
    except ValueError:
        parsed = None
    body = parsed if isinstance(parsed, dict) else {}
    headers = {} if door == VSCU else request.headers
    tin = headers.get("tin") or body.get("tin") or ""
    branch = headers.get("bhfid") or body.get("bhfId") or ""
    return str(tin), str(branch)


def identify(world: World, request: Request, route: Route, body: Mapping[str, Any]) -> Unit:
    """The initialised unit that a request is about; raises Refusal (900, 901, 910)."""
    if route.door == VSCU:
        return _by_body(world, body)
    # Section 1 [3+]: the headers tin, bhfId and cmcKey, which 900 misses (section 8).
    tin, branch, key = (request.headers.get(name, "") for name in ("tin", "bhfid", "cmckey"))
    if not (tin and branch and key):
        raise Refusal("900")
    unit = world.units.get((tin, branch))
    if unit is None or not unit.is_initialised or unit.approved_as != "oscu" or unit.key != key:
        raise Refusal("901")
    for name, value in (("tin", tin), ("bhfId", branch), ("cmcKey", key)):
        # Section 2 [2]: also as fields of the body, and then the same.
        if body.get(name, value) not in (value, None):
            raise Refusal("901")
    return unit


def _by_body(world: World, body: Mapping[str, Any]) -> Unit:
    # Section 1 [2]: nothing beyond tin and bhfId in the body.
    for name in ("tin", "bhfId"):
        if not body.get(name):
            raise missing(name)
    unit = world.units.get((str(body["tin"]), str(body["bhfId"])))
    if unit is None or not unit.is_initialised or unit.approved_as != "vscu":
        raise Refusal("901")
    return unit
