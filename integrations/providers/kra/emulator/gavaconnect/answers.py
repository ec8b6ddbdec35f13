"""GavaConnect's shapes: yes, no, and the errors (section 11)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from integrations.providers.emulation import Answer
from integrations.providers.kra.emulator.envelopes import plain
from integrations.providers.kra.emulator.gavaconnect.register import Settings


class Refused(Exception):
    """Shape (b): an error code, or with `is_nok` shape (a): HTTP 200 and Status NOK."""

    def __init__(self, code: str, text: str, *, is_nok: bool = False) -> None:
        super().__init__(text)
        self.code, self.text, self.is_nok = code, text, is_nok


def error(settings: Settings, code: str, text: str, status: int | None = None) -> Answer:
    """Shape (b) [3+]."""
    names = ("ErrorCode", "ErrorMessage", "RequestId")
    if settings.is_camel_case:
        names = ("errorCode", "errorMessage", "requestId")
    body = dict(zip(names, (code, text, str(uuid.uuid4())), strict=True))
    return plain(status or settings.error_status, body)


def nok(settings: Settings, code: str, text: str) -> Answer:
    """Shape (a) [3+]: HTTP 200 and a Status that is not OK."""
    return spaced(settings, {"ResponseCode": code, "Message": text, "Status": "NOK"})


def spaced(settings: Settings, body: Mapping[str, Any]) -> Answer:
    """The answer, its texts with the stray spaces of the portal's samples (" 82000")."""
    return plain(200, _pad(body) if settings.is_spaced else body)


def _pad(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _pad(item, name) for name, item in value.items()}
    lowered = key.lower().replace("_", "")
    if isinstance(value, str) and lowered == "responsecode":
        return f" {value}"
    if isinstance(value, str) and lowered in ("message", "responsemsg", "status"):
        return f"{value} "
    return value


def masked(settings: Settings, text: str) -> str:
    """A name or PIN as it may be shown (`A***6B`) [1]."""
    if not settings.is_masked or len(text) < 4:
        return text
    return f"{text[0]}***{text[-2:]}"
