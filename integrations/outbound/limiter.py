"""Token bucket: no more calls per second than the provider bears."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from integrations.conf import hub_settings
from integrations.exceptions import ConfigurationError, TransportError

DEFAULT_RATE = (10.0, 20.0)


def configured_rate(provider: str) -> tuple[float, float]:
    """(calls per second, burst) of a provider: INTEGRATIONS_RATE_LIMITS, or 10/s and 20.

    Raises ConfigurationError for a rate at which nothing could ever be sent.
    """
    per_second, burst = hub_settings.rate_limits.get(provider, DEFAULT_RATE)
    if per_second <= 0 or burst < 1:
        raise ConfigurationError(
            f"INTEGRATIONS_RATE_LIMITS: {provider} needs a rate above 0 and a burst of at least 1."
        )
    return float(per_second), float(burst)


class Limiter(Protocol):
    """What the client needs; the in-process one below or one shared between processes."""

    def reserve(self, key: tuple[str, str], *, max_wait: float) -> float:
        """Take a place and return the seconds to wait before using it.

        Raises TransportError(sent=False, code "rate_limited"), and takes nothing, where that
        would be more than `max_wait` seconds.
        """


@dataclass(slots=True)
class _Bucket:
    tokens: float
    seen_at: float


class LocalLimiter:
    """Per process, one bucket per (provider, credential). `clock` is monotonic, in seconds.

    `rate` tells (calls per second, burst) of a provider and is asked at every call.
    """

    def __init__(
        self,
        *,
        rate: Callable[[str], tuple[float, float]] = configured_rate,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate, self._clock = rate, clock
        self.forget()

    def forget(self) -> None:
        """Fill all buckets; also the state of a process just forked."""
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def reserve(self, key: tuple[str, str], *, max_wait: float) -> float:
        """See `Limiter.reserve`. Places are given in the order of asking."""
        per_second, burst = self._rate(key[0])
        with self._lock:
            now = self._clock()
            bucket = self._buckets.setdefault(key, _Bucket(burst, now))
            # Below zero it counts the places already promised to waiting callers.
            tokens = min(burst, bucket.tokens + (now - bucket.seen_at) * per_second)
            wait = max(0.0, (1 - tokens) / per_second)
            if wait <= max_wait:
                bucket.tokens, bucket.seen_at = tokens - 1, now
                return wait
        raise TransportError(
            "Too many calls to this provider at once; nothing was sent.",
            sent=False,
            code="rate_limited",
        )


local = LocalLimiter()
os.register_at_fork(after_in_child=local.forget)
