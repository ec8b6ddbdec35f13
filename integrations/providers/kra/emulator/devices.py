"""Initialisation of a control unit (section 4)."""

from __future__ import annotations

import secrets
from typing import Any

from integrations.providers.emulation import Request
from integrations.providers.kra.emulator.entries import commit
from integrations.providers.kra.emulator.fields import check, fields
from integrations.providers.kra.emulator.refusals import Refusal
from integrations.providers.kra.emulator.routes import GATEWAY, VSCU, Route
from integrations.providers.kra.emulator.units import Unit
from integrations.providers.kra.emulator.visits import read_body
from integrations.providers.kra.emulator.world import World

INIT = fields("tin C11 M; bhfId C2 M; dvcSrlNo C100 M")


def initialise(world: World, request: Request, route: Route) -> dict[str, Any]:
    """Hand out the key, once (but see `gateway_second_init`).

    Raises Refusal (901, 902, 903, 905, 910).
    """
    body = read_body(request)
    check(body, INIT)
    unit = world.units.get((body["tin"], body["bhfId"]))
    wanted = "vscu" if route.door == VSCU else "oscu"
    if unit is None or unit.serial != body["dvcSrlNo"] or not unit.approved_as:
        # Section 4 [2]: 901, or 905 on the live sandbox for a serial not approved as OSCU.
        raise Refusal("901" if wanted == "vscu" else world.settings.unapproved_code)
    if unit.approved_as != wanted:
        raise Refusal("903" if wanted == "vscu" else world.settings.unapproved_code)
    if unit.is_initialised:
        if route.door == GATEWAY and world.settings.gateway_second_init == "same":
            return info(world, unit)
        raise Refusal("902")  # section 4 [2, live]: with data null
    return info(world, commission(world, unit))


def commission(world: World, unit: Unit, **given: str) -> Unit:
    """Make the unit ready, with a key that is handed out now and never again. Lock held."""
    running = sum(1 for each in world.units.values() if each.is_initialised) + 1
    change = {
        "is_initialised": True,
        # Section 4 [3+]: like 32 hex characters; like KRACU0100000001.
        "key": given.get("key") or secrets.token_hex(16).upper(),
        "sdc_id": given.get("sdc_id") or f"KRACU01{running:08d}",
        "mrc_no": given.get("mrc_no") or f"WIS01{running:06d}",
    }
    done: Unit = commit(world, "device", tin=unit.tin, branch=unit.bhf_id, change=change)
    return done


def info(world: World, unit: Unit) -> dict[str, Any]:
    """`data.info` (section 4 [3+])."""
    taxpayer = world.taxpayer(unit.tin)
    is_head = unit.bhf_id == "00"
    return {
        "info": {
            "tin": unit.tin, "taxprNm": taxpayer.name, "bsnsActv": "Retail trade",
            "bhfId": unit.bhf_id, "bhfNm": unit.name, "bhfOpenDt": unit.opened,
            "prvncNm": "NAIROBI", "dstrtNm": "WESTLANDS", "sctrNm": "PARKLANDS",
            "locDesc": "Westlands Towers", "hqYn": "Y" if is_head else "N",
            "mgrNm": "Manager", "mgrTelNo": "0712000001", "mgrEmail": "manager@example.co.ke",
            "dvcId": f"{unit.tin}{unit.bhf_id}1", "sdcId": unit.sdc_id, "mrcNo": unit.mrc_no,
            "cmcKey": unit.key,
        }
    }  # fmt: skip
