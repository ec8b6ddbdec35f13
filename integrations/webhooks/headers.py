"""The headers that an operator adds to every delivery of an endpoint; their values may be secret.

Webhooks reference, section 6.4. Checked when they are typed and again when they are used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from integrations.crypto import MASK
from integrations.exceptions import InvalidInput

FIELD = "static_headers"
MOST_HEADERS = 20
LONGEST_VALUE = 4096
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
# Printable ASCII and inner spaces: what no proxy reads in another way.
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
# They frame the request, belong to the connection, or are ours.
_RESERVED = frozenset({
    "host", "content-length", "transfer-encoding", "connection", "content-type",
    "accept-encoding", "content-encoding", "expect", "keep-alive", "proxy-authorization",
    "proxy-connection", "te", "trailer", "upgrade",
    "x-webhook-timestamp", "x-webhook-signature", "x-webhook-event",
})  # fmt: skip
_RESERVED_BEGINNING = "webhook-"


def parse_static_headers(text: str, *, is_authorized: bool = False) -> dict[str, str]:
    """The stored JSON object as a dict; {} for "".

    `is_authorized` where the endpoint's own `auth` fills Authorization. Raises
    InvalidInput("static_headers") that never quotes a value.
    """
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidInput(FIELD, "must be a JSON object of header names and values")
    return check_static_headers(found, is_authorized=is_authorized)


def check_static_headers(
    headers: Mapping[Any, Any], *, is_authorized: bool = False
) -> dict[str, str]:
    """The same headers, if each may be sent; raises as `parse_static_headers` does."""
    if len(headers) > MOST_HEADERS:
        raise InvalidInput(FIELD, f"may be {MOST_HEADERS} at most")
    seen: set[str] = set()
    for name, value in headers.items():
        folded = _check_name(name, is_authorized)
        if folded in seen:
            raise InvalidInput(FIELD, f"{name} is there twice")
        seen.add(folded)
        _check_value(name, value)
    return dict(headers)


def _check_name(name: Any, is_authorized: bool) -> str:
    # The text is not quoted: whoever mixed up name and value typed a secret here.
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(FIELD, "a name is no header name")
    folded = name.lower()
    if folded in _RESERVED or folded.startswith(_RESERVED_BEGINNING):
        raise InvalidInput(FIELD, f"{name} is set by the hub and can't be replaced")
    if folded == "authorization" and is_authorized:
        raise InvalidInput(FIELD, "Authorization is filled by the endpoint's own authentication")
    return folded


def _check_value(name: str, value: Any) -> None:
    if not isinstance(value, str) or len(value) > LONGEST_VALUE or not _VALUE.fullmatch(value):
        reason = f"the value of {name} must be printable ASCII on one line"
        raise InvalidInput(FIELD, f"{reason}, {LONGEST_VALUE} characters at most")
    if MASK in value:  # not ASCII, but the rule must survive a change of the mask
        raise InvalidInput(
            FIELD, f"the value of {name} is the mask of a secret", code="mask_as_value"
        )
