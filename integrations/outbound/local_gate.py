"""Limiter and breaker of this process alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from integrations.outbound.admission import Key, Rate, Standing, Ticket, Wait, refusal
from integrations.outbound.breaker import Circuit, Verdict
from integrations.outbound.limiter import Bucket


class LocalState:
    """`admission.State` in memory. `clock` is monotonic, in seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Fill all buckets and close all circuits; also the state of a process just forked."""
        self._lock = threading.Lock()
        self._buckets: dict[Key, Bucket] = {}
        self._circuits: dict[Key, Circuit] = {}

    def admit(
        self, key: Key, rate: Rate | None, *, max_wait: float, held: Wait | None = None
    ) -> Ticket | Wait:
        """See `State.admit`."""
        with self._lock:
            now = self._clock()
            circuit = self._circuits.setdefault(key, Circuit())
            if circuit.seconds_left(now) > 0:
                raise refusal("breaker_open")
            if rate is not None:
                wait = self._wait(key, rate, now, max_wait, held)
                if wait is not None:
                    return wait
            is_clean = circuit.is_clean
            return Ticket(key, circuit.enter(now), is_clean)

    def _wait(
        self, key: Key, rate: Rate, now: float, max_wait: float, held: Wait | None
    ) -> Wait | None:
        """None where a place can be used at once."""
        bucket = self._buckets.setdefault(key, Bucket(rate[1], now, *rate))
        bucket.per_second, bucket.burst = rate
        seconds: float | None
        if held is None:
            seconds = bucket.reserve(now, max_wait=max_wait)
            place = bucket.given
        elif held.brakes == bucket.brakes:
            return None
        else:
            seconds, place = bucket.wait_left(now, held.place), held.place
        if seconds is None or seconds > max_wait:
            raise refusal("rate_limited")
        return Wait(seconds, place, bucket.brakes) if seconds > 0 else None

    def heed(self, ticket: Ticket, verdict: Verdict) -> None:
        """See `State.heed`."""
        with self._lock:
            circuit = self._circuits.setdefault(ticket.key, Circuit())
            circuit.heed(verdict, ticket.turn, self._clock())
            bucket = self._buckets.get(ticket.key)
            if verdict is Verdict.THROTTLED and bucket is not None:
                bucket.slow_down(self._clock())

    def close(self, key: Key) -> None:
        """See `State.close`."""
        with self._lock:
            circuit = self._circuits.get(key)
            if circuit is not None:
                circuit.close()

    def standings(self) -> dict[Key, Standing]:
        """See `State.standings`."""
        with self._lock:
            now = self._clock()
            return {
                key: Standing(self._copy(key), replace(circuit), now)
                for key, circuit in self._circuits.items()
            }

    def _copy(self, key: Key) -> Bucket | None:
        bucket = self._buckets.get(key)
        return None if bucket is None else replace(bucket)
