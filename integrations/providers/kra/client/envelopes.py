"""Unwrapping what eTIMS answers, in all its envelopes. Source: eTIMS reference, 2.1, 2.2 and 3."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from integrations.exceptions import TransportError
from integrations.outbound import Response
from integrations.providers.kra.client.wire import clean_keys, read_number, read_text
from integrations.providers.kra.codes import SUCCESS
from integrations.providers.kra.codes.texts import THROTTLED, says

# A proxy that gave up waiting: what lay behind it is not known.
_GAVE_UP = frozenset({408, 425, 499})
_TOKEN_WORDS = ("expired", "invalid", "unauthori")


@dataclass(frozen=True, slots=True)
class Envelope:
    """An answer unwrapped. `code` is the result code, or the status of a refusal without one.

    `is_lost` says that the answer proves nothing about what was done: a fault of the server, a
    page, or nothing at all. `body` and `data` may hold the communication key.
    """

    code: str
    text: str
    data: dict[str, Any] = field(repr=False)
    body: dict[str, Any] = field(repr=False)
    result_at: str = ""
    request_id: str = ""
    is_lost: bool = False

    @property
    def is_success(self) -> bool:
        """Whether KRA said that it did what it was asked."""
        return not self.is_lost and self.code in SUCCESS


def open_envelope(response: Response) -> Envelope:
    """The answer unwrapped: `responseBody` where there is one, else the flat envelope.

    Never raises: what can't be read is an envelope that is lost.
    """
    try:
        body = clean_keys(response.json())
    except TransportError:  # HTML, empty, not an object
        return Envelope(str(response.status), "", {}, {}, is_lost=True)
    header, inner = _parts(body)
    told = _status_of(header)
    status = response.status if response.status >= 400 else (told or response.status)
    result = _code_of(inner) or _code_of(body)
    text = _text_of(body, header, inner, result)
    is_bad = status >= 400 or not 200 <= response.status < 300
    # A refusal by status whose body says "000": the status holds (section 2.2).
    code = str(status) if is_bad and (not result or result in SUCCESS) else result
    data = inner.get("data")
    return Envelope(
        code=code,
        text=text,
        data=data if isinstance(data, dict) else {},
        body=body,
        result_at=read_text(inner.get("resultDt"), 20),
        request_id=read_text(header.get("responseRefID") or body.get("requestId"), 120),
        is_lost=status >= 500 or status in _GAVE_UP or not (result or is_bad),
    )


def rejects_token(response: Response) -> bool:
    """Whether the gateway refuses the access token, in any of its dresses (2.2, 3).

    401, or a fault in HTTP 500 or elsewhere whose text says that the token is expired or invalid.
    """
    if response.status == 401:
        return True
    try:
        body = clean_keys(response.json())
    except TransportError:
        return False
    if _status_of(_parts(body)[0]) == 401:
        return True
    return tells_of_token(_gateway_text(body))


def tells_of_token(text: str) -> bool:
    """Whether a gateway's words refuse the access token; a parser's "unexpected token" does not."""
    said = text.lower()
    return "token" in said and any(word in said for word in _TOKEN_WORDS)


def is_throttled(response: Response) -> bool:
    """Whether the answer says "asked too often": 429, code 990, or the gateway's own fault."""
    if response.status == 429:
        return True
    opened = open_envelope(response)
    if opened.code == "990":
        return True
    return says(THROTTLED, _gateway_text(opened.body))


def _parts(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(header, inner body) of the gateway's envelope; the flat one is its own inner body."""
    header = body.get("responseHeader")
    inner = body.get("responseBody")
    if not isinstance(header, dict):
        other = body.get("header")
        header = other if isinstance(other, dict) else {}
    return header, inner if isinstance(inner, dict) else body


def _status_of(header: dict[str, Any]) -> int:
    """The status inside the envelope, 0 for none: it may differ from HTTP's (section 2.2)."""
    number = read_number(header.get("responseCode"))
    return number if number is not None and 100 <= number <= 599 else 0


def _code_of(part: dict[str, Any]) -> str:
    value = part.get("resultCd")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:03d}"
    return read_text(value, 40)


def _text_of(
    body: dict[str, Any], header: dict[str, Any], inner: dict[str, Any], result: str
) -> str:
    """The most useful words: those with the result, else the debug message (section 2.2)."""
    told = read_text(inner.get("resultMsg") or body.get("resultMsg"))
    if told and result and result not in SUCCESS:
        return told
    for name in ("debugMessage", "customerMessage"):
        said = read_text(header.get(name))
        if said:
            return said
    return told or _gateway_text(body)


def _gateway_text(body: dict[str, Any]) -> str:
    """What the gateway itself says, in one of its shapes; "" where it is no such answer."""
    fault = body.get("fault")
    if isinstance(fault, dict):
        detail = fault.get("detail")
        code = detail.get("errorcode") if isinstance(detail, dict) else ""
        return read_text(f"{read_text(fault.get('faultstring'))} {read_text(code)}")
    header = body.get("header")
    if isinstance(header, dict):
        names = ("debugMessage", "customerMessage", "message", "responseMessage")
        return next((text for name in names if (text := read_text(header.get(name)))), "")
    for name in ("errorMessage", "ErrorMessage", "error_description", "error", "message"):
        if text := read_text(body.get(name)):
            return text
    return ""
