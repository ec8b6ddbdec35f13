"""Reading GavaConnect's answers: whatever their case, their envelopes and their stray spaces.

Source: eTIMS reference, section 11. Portal samples carry spaces around values (`" 82000"`), and
the case of keys differs from product to product.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from integrations.crypto import redact
from integrations.outbound import Response

_TOO_DEEP = 8
_LONGEST = 2000
_DATES = ("%d/%m/%Y", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%d-%m-%Y")


def tidy(value: Any, depth: int = 0) -> Any:
    """The value with keys and texts stripped, safe to store as JSON; numbers keep their digits."""
    if depth > _TOO_DEEP:
        return None
    if isinstance(value, Mapping):
        return {clean(key, 80): tidy(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [tidy(item, depth + 1) for item in value]
    if isinstance(value, str):
        return clean(value, _LONGEST)
    return str(value) if isinstance(value, Decimal) else value


def clean(value: object, limit: int) -> str:
    """A text as both databases can store it, without spaces around it, cut."""
    if value is None:
        return ""
    text = str(value).replace("\x00", "").encode("utf-8", "replace").decode()
    return text.strip()[:limit]


def told(body: Mapping[str, Any], *names: str) -> Any:
    """The value of the first of these keys that is there, in any case, with or without "_"."""
    known = {_plain(key): value for key, value in body.items()}
    for name in names:
        value = known.get(_plain(name))
        if value is not None:
            return value
    return None


def told_text(body: Mapping[str, Any], *names: str, limit: int = 200) -> str:
    """The same as text, "" where there is none."""
    value = told(body, *names)
    return "" if isinstance(value, Mapping | list) else clean(value, limit)


def told_date(body: Mapping[str, Any], *names: str) -> date | None:
    """The same as a date; None where there is none, or nobody can read it."""
    text = told_text(body, *names)
    for pattern in _DATES:
        try:
            return datetime.strptime(text, pattern).date()  # noqa: DTZ007 - a day, not a moment
        except ValueError:
            continue
    return None


def _plain(name: object) -> str:
    return str(name).strip().replace("_", "").lower()


@dataclass(frozen=True, slots=True)
class Parts:
    """What an answer holds, its envelope taken off."""

    http_status: int
    body: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    text: str = ""
    status: str = ""
    error_code: str = ""
    error_text: str = ""
    fault: str = ""
    request_id: str = ""

    @property
    def is_error(self) -> bool:
        """Whether it wears one of the three shapes of an error."""
        has_error = bool(self.error_code or self.error_text or self.fault)
        return has_error or (bool(self.status) and self.status.upper() != "OK")


def read_parts(response: Response) -> Parts:
    """The answer taken apart; raises TransportError (code "not_json") for no JSON object."""
    body = tidy(response.json())
    inner = told(body, "RESPONSE")
    if isinstance(inner, dict):
        body = {**{key: value for key, value in body.items() if value is not inner}, **inner}
    fault = told(body, "fault")
    fault = fault if isinstance(fault, dict) else {}
    detail = told(fault, "detail")
    detail = detail if isinstance(detail, dict) else {}
    return Parts(
        http_status=response.status,
        body=body,
        code=told_text(body, "ResponseCode", limit=40),
        text=words(told_text(body, "Message", "ResponseMsg", "ResponseDesc")),
        status=told_text(body, "Status", limit=20),
        error_code=told_text(body, "ErrorCode", limit=40) or told_text(detail, "errorcode"),
        error_text=words(told_text(body, "ErrorMessage")),
        fault=words(told_text(fault, "faultstring")),
        request_id=told_text(body, "RequestId", limit=120),
    )


def words(text: str) -> str:
    """KRA's own words, fit to be kept and shown."""
    return redact(text)[:200]
