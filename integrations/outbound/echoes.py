"""Takes our own secrets out of an answer: gateways repeat requests in headers and error texts.

What an answer says is stored, logged and shown, so it must not hold what we sent to be trusted.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from requests.structures import CaseInsensitiveDict

from integrations.outbound.call import Call

HIDDEN = "[hidden]"
# A shorter text may be a part of any word, and taking it out would spoil the answer.
SHORTEST = 8
_HEADERS = re.compile(r"authorization|(?:api|cmc)[_-]?key|token|secret|password", re.IGNORECASE)
# Not tokens: an answer may have to bring the one that was sent.
_FIELDS = re.compile(
    r"password|passkey|passphrase|secret|credential|cmc[_-]?key|^pwd$", re.IGNORECASE
)


class Echoes:
    """The secrets that one request carries, to be taken out of what comes back."""

    def __init__(self, call: Call, headers: Mapping[str, str]) -> None:
        found = {text for text in _sent(call, headers) if len(text) >= SHORTEST}
        # Some servers write every slash of a JSON text as \/.
        found |= {text.replace("/", "\\/") for text in found}
        # The longest first: one may be a part of another.
        self._secrets = sorted(found, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """The text without any of them."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def hide_in_body(self, body: bytes) -> bytes:
        """The same for bytes in any encoding that has ASCII in it."""
        for secret in self._secrets:
            body = body.replace(secret.encode(), HIDDEN.encode())
        return body

    def hide_in_headers(self, headers: Mapping[str, str]) -> CaseInsensitiveDict[str]:
        """The same for the answer's headers."""
        return CaseInsensitiveDict({name: self.hide(value) for name, value in headers.items()})


def _sent(call: Call, headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if _HEADERS.search(name):
            yield from credentials_in(value)
    yield from _fields(call.json)
    yield from _fields(call.form)


def credentials_in(value: str) -> Iterator[str]:
    """What a header's value says without its scheme, and the parts of a Basic pair."""
    scheme, _, rest = value.rpartition(" ")
    yield rest
    if scheme.lower() == "basic":
        yield from _pair(rest)


def _pair(encoded: str) -> Iterator[str]:
    try:
        pair = base64.b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError):
        return
    yield pair
    yield from pair.split(":", 1)


def _fields(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _fields(item, str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _fields(item, name)
    elif isinstance(value, str) and _FIELDS.search(name):
        yield value
