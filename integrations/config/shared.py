"""The second tier: what the rows say, as signed JSON with ciphertext, in Django's cache.

Redis or LocMem. Losing it costs a query. It is signed because whoever can write to the cache
could otherwise point the secrets at a host of their own.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from django.core import signing
from django.core.cache import cache

logger = logging.getLogger(__name__)
LIFETIME = 3600
PAUSE = 5.0
_SALT = "integrations.config"


class SharedTier:
    """A cache that may be away: one log line, a pause, and the database instead."""

    def __init__(self) -> None:
        self._paused_until = 0.0

    def get(self, key: str) -> dict[str, Any] | None:
        """The stored answer, or None: missing, forged or unreachable are the same."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            text = cache.get(key)
            return signing.loads(text, salt=_SALT) if isinstance(text, str) else None
        except signing.BadSignature:
            logger.warning("A cached configuration has a bad signature and was ignored.")
            return None
        except Exception as error:  # noqa: BLE001 - any cache backend, any failure
            self._pause(error)
            return None

    def set(self, key: str, answer: dict[str, Any]) -> None:
        """Store an answer; failures only pause the tier."""
        if time.monotonic() < self._paused_until:
            return
        try:
            cache.set(key, signing.dumps(answer, salt=_SALT), LIFETIME)
        except Exception as error:  # noqa: BLE001 - any cache backend, any failure
            self._pause(error)

    def _pause(self, error: Exception) -> None:
        self._paused_until = time.monotonic() + PAUSE
        logger.warning(
            "The cache does not answer (%s); reading the database.", type(error).__name__
        )


shared = SharedTier()
