"""The control API: how tests, the demo and the panel steer the sandbox. JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from integrations.providers.emulation import Answer, Rejected
from integrations.sandbox.faults import read_fault

if TYPE_CHECKING:
    from integrations.sandbox.exchange import Mount
    from integrations.sandbox.server import Sandbox

PREFIX = "/_control/"
_SETTLE_LIMIT = 60.0  # seconds
_YEARS = 3.2e8  # ten years in seconds: further the clock does not travel


def answer_control(sandbox: Sandbox, method: str, target: str, body: bytes) -> Answer:
    """Carry out one control request; problems are answered in words with 400, 404 or 405."""
    path, _, asked = target.partition("?")
    parts = path.removeprefix(PREFIX).strip("/").split("/")
    result: dict[str, Any] | Answer | None
    try:
        payload = _read(body)
        if method == "GET":
            result = _show(sandbox, parts, parse_qs(asked, keep_blank_values=True))
        elif method == "POST":
            result = _act(sandbox, parts, payload)
        else:
            return _json(405, {"error": "GET or POST."})
    except Rejected as refusal:
        return _json(400, {"error": str(refusal)})
    if result is None:
        return _json(404, {"error": f"There is no {method} {path}."})
    return result if isinstance(result, Answer) else _json(200, result)


def _show(
    sandbox: Sandbox, parts: list[str], query: Mapping[str, list[str]]
) -> dict[str, Any] | Answer | None:
    match parts:
        case ["counters"]:
            return sandbox.counters()
        case ["clock"]:
            return _clock(sandbox)
        case ["book"]:
            return {slug: mount.emulator.book() for slug, mount in sandbox.mounts.items()}
        case ["faults"]:
            return {
                slug: mount.surroundings.plan.as_list() for slug, mount in sandbox.mounts.items()
            }
        case [slug, "book"] if slug in sandbox.mounts:
            return sandbox.mounts[slug].emulator.book()
        case [slug, name] if slug in sandbox.mounts:
            return sandbox.mounts[slug].emulator.show(name, query)
        case _:
            return None


def _act(sandbox: Sandbox, parts: list[str], payload: Mapping[str, Any]) -> dict[str, Any] | None:
    match parts:
        case ["reset"]:
            sandbox.reset()
            return {"reset": True}
        case ["clock"]:
            sandbox.timetable.advance(_number(payload, "advance", 0.0))
            return _clock(sandbox)
        case ["settle"]:
            timeout = min(_number(payload, "timeout", 5.0), _SETTLE_LIMIT)
            return {"settled": sandbox.timetable.settle(timeout)}
        case ["faults"]:
            return _plan_fault(_mount(sandbox, payload), payload)
        case [slug, action] if slug in sandbox.mounts:
            return sandbox.mounts[slug].emulator.control(action, payload)
        case _:
            return None


def _plan_fault(mount: Mount, payload: Mapping[str, Any]) -> dict[str, Any]:
    if payload.get("clear"):
        mount.surroundings.plan.clear()
    else:
        fault = read_fault(payload, mount.emulator.fault_kinds)
        if fault.kind in mount.emulator.fault_kinds:
            mount.emulator.check_fault(fault)
        mount.surroundings.plan.add(fault)
    return {"faults": mount.surroundings.plan.as_list()}


def _mount(sandbox: Sandbox, payload: Mapping[str, Any]) -> Mount:
    slug = payload.get("emulator") or next(iter(sandbox.mounts))
    mount = sandbox.mounts.get(str(slug))
    if mount is None:
        raise Rejected(f"emulator: one of {', '.join(sandbox.mounts)}.")
    return mount


def _clock(sandbox: Sandbox) -> dict[str, Any]:
    return {"now": sandbox.timetable.now().isoformat(), "speed": sandbox.timetable.speed}


def _number(payload: Mapping[str, Any], name: str, default: float) -> float:
    value = payload.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _YEARS:
        raise Rejected(f"{name}: a number of seconds.")
    return float(value)


def _read(body: bytes) -> Mapping[str, Any]:
    if not body:
        return {}
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise Rejected("The body is not JSON.") from None
    if not isinstance(payload, dict):
        raise Rejected("The body must be a JSON object.")
    return payload


def _json(status: int, body: Mapping[str, Any]) -> Answer:
    return Answer(status, json.dumps(body).encode())
