"""The second tier: what the rows say, as signed JSON with ciphertext, in Django's cache.

Redis or LocMem. Losing it costs a query. It is signed because whoever can write to the cache
could otherwise point the secrets at a host of their own; the signature covers the key, or they
could give one business the answer of another.
"""

from __future__ import annotations

import hashlib
import logging
import time
from typing import Any

from django.core import signing
from django.core.cache import cache

from integrations.metrics import config_reads

logger = logging.getLogger(__name__)
# Seconds. Whatever went wrong with the stamp, nothing here is older.
LIFETIME = 60
PAUSE = 5.0
_SALT = "integrations.config"


class SharedTier:
    """A cache that may be away: one log line, a pause, and the database instead."""

    def __init__(self) -> None:
        self._paused_until = 0.0
        self._is_away = False

    def get(self, key: str) -> dict[str, Any] | None:
        """The stored answer, or None: missing, forged or unreachable are the same."""
        if time.monotonic() < self._paused_until:
            return None
        found, result = None, "miss"
        try:
            text = cache.get(_hashed(key))
            self._is_away = False
            if isinstance(text, str):
                found, result = signing.loads(text, salt=_salt(key)), "hit"
        except signing.BadSignature:
            logger.warning("A cached configuration has a bad signature and was ignored.")
            result = "forged"
        except Exception as error:  # noqa: BLE001 - any cache backend, any failure
            self._pause(error)
            result = "away"
        config_reads.add("shared", result)
        return found

    def set(self, key: str, answer: dict[str, Any]) -> None:
        """Store an answer; failures only pause the tier."""
        if time.monotonic() < self._paused_until:
            return
        try:
            cache.set(_hashed(key), signing.dumps(answer, salt=_salt(key)), LIFETIME)
            self._is_away = False
        except Exception as error:  # noqa: BLE001 - any cache backend, any failure
            self._pause(error)

    def _pause(self, error: Exception) -> None:
        self._paused_until = time.monotonic() + PAUSE
        if not self._is_away:
            self._is_away = True
            logger.warning(
                "The cache does not answer (%s); reading the database.", type(error).__name__
            )


def _hashed(key: str) -> str:
    """Any text may name a business; cache backends are choosier."""
    return f"{_SALT}:{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()}"


def _salt(key: str) -> str:
    return f"{_SALT}:{key}"


shared = SharedTier()
