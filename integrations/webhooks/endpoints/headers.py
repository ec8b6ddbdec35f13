"""Static headers: what an endpoint's owner may add to every request, and what is the hub's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from integrations.crypto.masking import MASK
from integrations.exceptions import InvalidInput

FIELD = "static_headers"
MOST_HEADERS = 20
LONGEST_NAME, LONGEST_VALUE = 100, 4096
# Characters of all names and values; receivers refuse requests with larger heads.
MOST_CHARACTERS = 8192
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Visible ASCII, with spaces inside only.
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
# The connection's own, those of the body, and those by which receivers verify.
_RESERVED = frozenset(
    {
        "accept-encoding", "connection", "content-encoding", "content-length", "content-type",
        "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
        "user-agent", "x-webhook-event", "x-webhook-signature", "x-webhook-timestamp",
    }
)  # fmt: skip
_RESERVED_BEGINNINGS = ("webhook-", "proxy-")


def read_headers(value: Any) -> dict[str, str]:
    """The headers of a mapping, or of the text of a JSON object; "" and None are none.

    Raises InvalidInput, whose text names the header and never its value.
    """
    if value in ("", None):
        return {}
    found = _parse(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping):
        raise _refuse("must be a JSON object of names and texts")
    if len(found) > MOST_HEADERS:
        raise _refuse(f"are at most {MOST_HEADERS}")
    for name, text in found.items():
        _check(name, text)
    if len({name.lower() for name in found}) < len(found):
        raise _refuse("name one header twice")
    if sum(len(name) + len(text) for name, text in found.items()) > MOST_CHARACTERS:
        raise _refuse(f"have more than {MOST_CHARACTERS} characters together")
    return dict(found)


def write_headers(value: Any) -> str:
    """The text that is stored, "" for none; raises as `read_headers`."""
    found = read_headers(value)
    return json.dumps(found, separators=(",", ":")) if found else ""


def _parse(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        # The parser's own words may quote the text, and that holds secrets.
        raise _refuse("must be a JSON object of names and texts, each name once") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _check(name: object, text: object) -> None:
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise _refuse("hold a name that is no header name")
    folded = name.lower()
    if folded in _RESERVED or folded.startswith(_RESERVED_BEGINNINGS):
        raise _refuse(f"must leave {name} to the hub")
    if not isinstance(text, str) or not _VALUE.fullmatch(text) or len(text) > LONGEST_VALUE:
        told = f"the value of {name} must be 1 to {LONGEST_VALUE} visible ASCII characters"
        raise _refuse(told)
    if MASK in text:
        raise InvalidInput(FIELD, f"{name} is a mask, not a value", code="mask_as_value")


def _refuse(reason: str) -> InvalidInput:
    return InvalidInput(FIELD, reason)
