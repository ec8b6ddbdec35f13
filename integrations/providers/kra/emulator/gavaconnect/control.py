"""What tests, the demo and the panel may ask of the desk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

from integrations.providers.emulation import Answer, Rejected
from integrations.providers.kra.emulator.envelopes import plain
from integrations.providers.kra.emulator.gavaconnect.answers import error, nok
from integrations.providers.kra.emulator.gavaconnect.register import (
    STATUSES,
    Certificate,
    Register,
    Settings,
    Taxpayer,
)

Payload = Mapping[str, Any]
_SHAPES = ("error", "nok", "fault", "html", "empty", "code")
_HTML = b"<html><body><h1>Service temporarily unavailable</h1></body></html>"


@dataclass(slots=True)
class Planned:
    """An answer that is given instead of the product's, so many times."""

    operation: str
    answer: Answer
    times: int


class Desk(Protocol):
    """What the actions change."""

    register: Register
    planned: list[Planned]

    def write(self, kind: str, values: Mapping[str, Any]) -> None:
        """Change the state, written down first."""


def take(planned: list[Planned], operation: str) -> Answer | None:
    """The first planned answer for an operation, used up once."""
    for each in planned:
        if each.operation in ("", operation):
            each.times -= 1
            if each.times <= 0:
                planned.remove(each)
            return each.answer
    return None


def taxpayer(desk: Desk, payload: Payload) -> dict[str, Any]:
    """Enter or change one: `pin`, `name`, `kind`, `status`, `ids`, `station`, `obligations`."""
    _check(payload, Taxpayer, "pin")
    if payload.get("status", "Active") not in STATUSES:
        raise Rejected(f"status: one of {', '.join(STATUSES)}.")
    desk.write("taxpayer", payload)
    return {"taxpayer": payload["pin"]}


def certificate(desk: Desk, payload: Payload) -> dict[str, Any]:
    """Enter or change one: `number`, `pin`, `status`, `issued`, `expires` (ISO days)."""
    _check(payload, Certificate, "number", "pin")
    desk.write("certificate", payload)
    return {"certificate": payload["number"]}


def record(desk: Desk, payload: Payload) -> dict[str, Any]:
    """Enter what a checker tells: `list` (invoice, itexemption, vatexemption, import, excise,
    declaration, prn, eslip), `key` (its number or PIN), `answer` (an object)."""
    if not isinstance(payload.get("answer"), Mapping) or not payload.get("key"):
        raise Rejected("answer: an object; key: a text.")
    values = {"list": str(payload.get("list")), "key": str(payload["key"])}
    desk.write("record", {**values, "answer": dict(payload["answer"])})
    return {"record": payload["key"]}


def settings(desk: Desk, payload: Payload) -> dict[str, Any]:
    """Turn switches."""
    _check(payload, Settings)
    desk.write("settings", payload)
    return {"settings": dict(payload)}


def plan(desk: Desk, payload: Payload) -> dict[str, Any]:
    """Answer otherwise: `operation` ("" for all), `shape`, `code`, `text`, `status`, `times`."""
    shape = payload.get("shape", "error")
    if shape not in _SHAPES:
        raise Rejected(f"shape: one of {', '.join(_SHAPES)}.")
    code, text = str(payload.get("code", "")), str(payload.get("text", "Refused"))
    status = int(payload.get("status", 400))
    known = desk.register.settings
    answers: dict[str, Callable[[], Answer]] = {
        "error": lambda: error(known, code, text, status),
        "nok": lambda: nok(known, code, text),
        "fault": lambda: plain(status, {"fault": {"faultstring": text}}),
        "html": lambda: Answer(status, _HTML, "text/html; charset=utf-8"),
        "empty": lambda: Answer(status),
        "code": lambda: plain(status, {"ResponseCode": code, "Message": text}),
    }
    times = int(payload.get("times", 1))
    desk.planned.append(Planned(str(payload.get("operation", "")), answers[shape](), times))
    return {"planned": len(desk.planned)}


def _check(payload: Payload, shape: type[Any], *needed: str) -> None:
    names = {each.name for each in fields(shape)}
    unknown = set(payload) - names
    if unknown or any(not payload.get(name) for name in needed):
        raise Rejected(f"known are {', '.join(sorted(names))}; needed {', '.join(needed) or '-'}.")


Action = Callable[[Any, Payload], dict[str, Any]]
ACTIONS: dict[str, Action] = {
    "gava-taxpayers": taxpayer,
    "gava-certificates": certificate,
    "gava-records": record,
    "gava-settings": settings,
    "gava-answers": plan,
}
