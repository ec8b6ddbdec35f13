"""What is stored of a receiver's answer: never a cookie or a token of theirs."""

from __future__ import annotations

from collections.abc import Mapping

from integrations.crypto.masking import HIDDEN, redact

_SECRET = frozenset({
    "set-cookie", "set-cookie2", "authorization", "proxy-authorization", "www-authenticate",
    "authentication-info", "x-api-key", "x-auth-token", "x-csrf-token",
})  # fmt: skip
_LONGEST_VALUE = 500


def mask_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer as they may be stored."""
    return {
        name: HIDDEN if name.lower() in _SECRET else _clean(value)[:_LONGEST_VALUE]
        for name, value in headers.items()
    }


def mask_body(body: bytes) -> str:
    """The body as text; what is no UTF-8 is replaced, and PostgreSQL stores no NUL."""
    return _clean(body.decode("utf-8", "replace"))


def _clean(text: str) -> str:
    return redact(text.replace("\x00", ""))
