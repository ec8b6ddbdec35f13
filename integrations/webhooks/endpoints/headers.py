"""Static headers as they are typed: an object, or the text of one. The rules are the sender's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.webhooks.headers import FIELD, check_static_headers

# Characters of all names and values; receivers refuse requests with larger heads.
MOST_CHARACTERS = 8192


def read_headers(value: Any, *, is_authorized: bool = False) -> dict[str, str]:
    """The headers of a mapping, or of the text of a JSON object; "" and None are none.

    `is_authorized` where the endpoint's own `auth` fills Authorization. Raises InvalidInput, whose
    text never holds a value.
    """
    if value in ("", None):
        return {}
    found = _parse(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping):
        raise InvalidInput(FIELD, "must be a JSON object of header names and values")
    headers = check_static_headers(found, is_authorized=is_authorized)
    if sum(len(name) + len(text) for name, text in headers.items()) > MOST_CHARACTERS:
        raise InvalidInput(FIELD, f"have more than {MOST_CHARACTERS} characters together")
    return headers


def write_headers(value: Any) -> str:
    """The text that is stored, "" for none; raises as `read_headers`."""
    found = read_headers(value)
    return json.dumps(found, separators=(",", ":")) if found else ""


def _parse(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        # The parser's own words may quote the text, and that holds secrets.
        told = "must be a JSON object of header names and values, each name once"
        raise InvalidInput(FIELD, told) from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found
