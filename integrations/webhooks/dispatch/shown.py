"""What is kept of an answer: chosen headers and the body as text, secrets taken out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

from integrations.crypto.masking import redact
from integrations.webhooks.echoes import hide

# What helps to find out why a receiver refused; never cookies or credentials.
_KEPT = frozenset(
    {
        "allow", "cf-ray", "content-encoding", "content-length", "content-type", "date",
        "location", "retry-after", "server", "via", "x-request-id", "x-correlation-id",
        "request-id", "www-authenticate",
    }
)  # fmt: skip
_LONGEST_VALUE = 500
_SHORT_BODY = 512
_ERROR_LENGTH = 500


def headers_json(headers: Mapping[str, str], secrets: Sequence[str] = ()) -> str:
    """The kept headers as JSON text, without any of these secrets."""
    kept = tuple((name, hide(value, secrets)) for name, value in headers.items() if name in _KEPT)
    return _headers_json(kept)


@lru_cache(maxsize=256)
def _headers_json(headers: tuple[tuple[str, str], ...]) -> str:
    return json.dumps({name: clean(value)[:_LONGEST_VALUE] for name, value in headers})


def request_json(headers: Mapping[str, str]) -> str:
    """Headers that may be shown, as JSON text."""
    return json.dumps(headers)


def body_text(body: bytes, secrets: Sequence[str] = ()) -> str:
    """The body as it may be stored and shown, without any of these secrets."""
    if not body:
        return ""
    if secrets or len(body) > _SHORT_BODY:
        return _text(body, secrets)
    return _short_text(body)


def _text(body: bytes, secrets: Sequence[str] = ()) -> str:
    # Before the hiding: a text in UTF-16 has a NUL after each letter.
    text = body.replace(b"\x00", b"").decode("utf-8", "replace")
    return clean(hide(text, secrets))


_short_text = lru_cache(maxsize=256)(_text)


def clean(text: str) -> str:
    """Text that every database stores, redacted."""
    return redact(text.replace("\x00", "").encode("utf-8", "replace").decode())


def error_text(text: str) -> str:
    """An error as it may be stored and shown."""
    return clean(text)[:_ERROR_LENGTH] if text else ""
