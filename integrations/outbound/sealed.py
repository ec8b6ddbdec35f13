"""Tokens, and the failures to get one, as the ciphertext in which processes share them.

Each text names the key it was made for: whoever can write to Redis could otherwise lay one
credential's token under another's key.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from integrations.crypto.keyring import decrypt_text, encrypt_text
from integrations.exceptions import (
    ConfigurationError,
    DecryptionError,
    IntegrationError,
    ProviderError,
    TransportError,
)

# Their attributes are the arguments that make them.
_KINDS: dict[str, Callable[..., IntegrationError]] = {
    kind.__name__: kind for kind in (ConfigurationError, ProviderError, TransportError)
}


@dataclass(frozen=True, slots=True)
class Held:
    """A token; its times are of the wall clock, in seconds."""

    token: str = field(repr=False)
    usable_until: float
    fetched_at: float


def seal_token(key: str, held: Held) -> str:
    """Ciphertext of a token. Raises ConfigurationError without a usable encryption key."""
    return _seal("token", key, held.token, held.usable_until, held.fetched_at)


def open_token(key: str, text: str) -> Held | None:
    """What was sealed for `key`; None for anything else, such as text of a key that is gone."""
    try:
        token, usable_until, fetched_at = _open("token", key, text)
        return Held(str(token), float(usable_until), float(fetched_at))
    except (DecryptionError, TypeError, ValueError):
        return None


def seal_failure(key: str, error: Exception) -> str:
    """Ciphertext of a failure; "" for one of no kind that another process could tell again."""
    kind = type(error).__name__
    if kind not in _KINDS:
        return ""
    try:
        return _seal("failure", key, kind, vars(error))
    except (IntegrationError, TypeError, ValueError):
        return ""


def open_failure(key: str, text: str) -> IntegrationError | None:
    """The failure that was sealed for `key`; None for anything else."""
    try:
        kind, values = _open("failure", key, text)
        return _KINDS[kind](**values)
    except (DecryptionError, LookupError, TypeError, ValueError):
        return None


def _seal(kind: str, key: str, *values: Any) -> str:
    return encrypt_text(json.dumps([kind, key, *values]))


def _open(kind: str, key: str, text: str) -> list[Any]:
    found_kind, found_key, *values = json.loads(decrypt_text(text))
    if (found_kind, found_key) != (kind, key):
        raise ValueError
    return list(values)
