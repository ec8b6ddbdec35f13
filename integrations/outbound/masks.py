"""Refuses requests that carry the mask of a secret in place of the secret."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from integrations.crypto.masking import MASK
from integrations.exceptions import InvalidInput
from integrations.outbound.call import Call

_BASE64 = re.compile(r"(?:basic\s+)?([A-Za-z0-9+/]{16,}={0,2})", re.IGNORECASE)


def refuse_masks(call: Call) -> None:
    """Raise InvalidInput if the mask is in the URL, a header or the body, plain or in base64.

    A mask that came back from a form would otherwise be sent as the password.
    """
    for field in ("url", "headers", "json", "form"):
        value = getattr(call, field)
        if _holds_mask(value):
            raise InvalidInput(field, "holds the mask of a secret instead of the secret")


def _holds_mask(value: Any) -> bool:
    if isinstance(value, str):
        return MASK in value or ("%" in value and MASK in unquote(value)) or _hides_mask(value)
    if isinstance(value, Mapping):
        return any(_holds_mask(key) or _holds_mask(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return any(_holds_mask(item) for item in value)
    return False


def _hides_mask(text: str) -> bool:
    match = _BASE64.fullmatch(text)
    if match is None:
        return False
    try:
        return MASK.encode() in base64.b64decode(match[1])
    except binascii.Error:
        return False
