"""Connection tests on demand without flooding providers: one result serves some seconds.

A polling dashboard, or many of them, costs one provider call per integration and interval.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connections
from django.utils import timezone

from integrations.config import freshness
from integrations.exceptions import ConfigurationUnavailable
from integrations.health import integration_status, late_status

FRESH_SECONDS = 5.0
# All tests of one question together: whoever has not answered by then is reported as late.
TOTAL_SECONDS = 8.0
THREADS = 16
# Businesses times integrations; beyond it, what has grown old is thrown away.
MOST_KEPT = 1000

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Tested:
    """A status dict, when it was found, and which settings (stamp) it speaks of."""

    status: dict[str, Any]
    at: datetime
    stamp: str
    until: float


@dataclass(slots=True)
class _Memory:
    """Everything that is known or under way; a new one forgets it all, locks and threads too."""

    tested: dict[_Key, Tested] = field(default_factory=dict)
    flights: dict[tuple[_Key, str], Future[Tested]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    # Starts no thread before the first test.
    pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="health")
    )


class RecentStatus:
    """Status of integrations by (slug, business), at most FRESH_SECONDS old, single flight.

    A change of settings makes it test again at once. Holds words and flags, never secrets.
    `clock` counts seconds. A test that is late goes on, and its result serves who asks next.
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
        """Test again at the next question. A forked child must not use its parent's threads."""
        self._memory = _Memory()

    def get(self, slug: str, business: str = "", *, seconds: float = TOTAL_SECONDS) -> Tested:
        """The latest result, or a new test; callers at the same time share one test."""
        return self.get_all([slug], business, seconds=seconds)[slug]

    def get_all(
        self, slugs: Iterable[str], business: str = "", *, seconds: float = TOTAL_SECONDS
    ) -> dict[str, Tested]:
        """Results by slug. What is not known is tested side by side, for `seconds` in all."""
        stamp = _stamp()
        wanted = {slug: self._fresh((slug, business), stamp) for slug in slugs}
        missing = [slug for slug, found in wanted.items() if found is None]
        if not missing:
            return {slug: found for slug, found in wanted.items() if found is not None}
        flights = {slug: self._flight((slug, business), stamp) for slug in missing}
        wait(flights.values(), timeout=seconds)
        return {
            slug: found or self._landed(flights[slug], slug, business, seconds)
            for slug, found in wanted.items()
        }

    def status(self, slug: str, business: str = "") -> dict[str, Any]:
        """The status dict alone."""
        return self.get(slug, business).status

    def _fresh(self, key: _Key, stamp: str) -> Tested | None:
        found = self._memory.tested.get(key)
        is_fresh = found is not None and found.stamp == stamp and self._clock() < found.until
        return found if is_fresh else None

    def _flight(self, key: _Key, stamp: str) -> Future[Tested]:
        """The test of these settings that is under way, or a new one."""
        memory = self._memory
        with memory.lock:
            flight = memory.flights.get((key, stamp))
            if flight is None:
                flight = memory.pool.submit(self._test, key, stamp, memory)
                memory.flights[key, stamp] = flight
            return flight

    def _landed(self, flight: Future[Tested], slug: str, business: str, seconds: float) -> Tested:
        if flight.done():
            return flight.result()
        status = late_status(slug, business, seconds)
        return Tested(status, timezone.now(), "", self._clock())

    def _test(self, key: _Key, stamp: str, memory: _Memory) -> Tested:
        """Run in a thread; `memory` is that of before a `forget`."""
        try:
            # Whoever asked a moment later may have missed the flight and not the result.
            known = self._fresh(key, stamp)
            if known is not None:
                return known
            found = Tested(self._check(*key), timezone.now(), stamp, self._clock() + FRESH_SECONDS)
            self._keep(key, found, memory)
            return found
        finally:
            connections.close_all()
            with memory.lock:
                memory.flights.pop((key, stamp), None)

    def _keep(self, key: _Key, found: Tested, memory: _Memory) -> None:
        with memory.lock:
            if len(memory.tested) >= MOST_KEPT:
                now = self._clock()
                fresh = {at: one for at, one in memory.tested.items() if one.until > now}
                memory.tested = fresh
            memory.tested[key] = found


def _stamp() -> str:
    try:
        return freshness.version()
    except ConfigurationUnavailable:
        return ""  # The test itself says that the database is away.


recent = RecentStatus()
os.register_at_fork(after_in_child=recent.forget)
