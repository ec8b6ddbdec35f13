"""Connection tests on demand without flooding providers: one result serves some seconds.

A polling dashboard, or many of them, costs one provider call per integration and interval.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from integrations.config import freshness
from integrations.exceptions import ConfigurationUnavailable
from integrations.health import integration_status

FRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Tested:
    """A status dict, when it was found, and which settings (stamp) it speaks of."""

    status: dict[str, Any]
    at: datetime
    stamp: str
    until: float


class RecentStatus:
    """Status of integrations by (slug, business), at most FRESH_SECONDS old, single flight.

    A change of settings makes it test again at once. Holds words and flags, never secrets.
    `clock` counts seconds.
    """

    def __init__(
        self,
        check: Callable[[str, str], dict[str, Any]] = integration_status,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._check, self._clock = check, clock
        self.forget()

    def forget(self) -> None:
        """Test again at the next question. Also renews the locks, which a fork may have held."""
        self._tested: dict[tuple[str, str], Tested] = {}
        self._flights: dict[tuple[str, str], threading.Lock] = {}

    def get(self, slug: str, business: str = "") -> Tested:
        """The latest result, or a new test; callers at the same time share one test."""
        key, stamp = (slug, business), _stamp()
        found = self._fresh(key, stamp)
        if found is not None:
            return found
        with self._flights.setdefault(key, threading.Lock()):
            return self._fresh(key, stamp) or self._test(key, stamp)

    def status(self, slug: str, business: str = "") -> dict[str, Any]:
        """The status dict alone."""
        return self.get(slug, business).status

    def _fresh(self, key: tuple[str, str], stamp: str) -> Tested | None:
        found = self._tested.get(key)
        is_fresh = found is not None and found.stamp == stamp and self._clock() < found.until
        return found if is_fresh else None

    def _test(self, key: tuple[str, str], stamp: str) -> Tested:
        status = self._check(*key)
        tested = Tested(status, timezone.now(), stamp, self._clock() + FRESH_SECONDS)
        self._tested[key] = tested
        return tested


def _stamp() -> str:
    try:
        return freshness.version()
    except ConfigurationUnavailable:
        return ""  # The test itself says that the database is away.


recent = RecentStatus()
os.register_at_fork(after_in_child=recent.forget)
