"""Circuit breaker: after a row of transport failures, stop asking for a while."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from integrations.exceptions import TransportError

# (provider, credential digest)
Key = tuple[str, str]


class BreakerState(StrEnum):
    """Closed lets calls through, open refuses them, half-open has one probe under way."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker(Protocol):
    """What the client needs; the in-process one below or one shared between processes."""

    def check(self, key: Key) -> None:
        """Raise TransportError(sent=False, code "breaker_open") if no call may be made now.

        A check that passes must be followed by exactly one of the three verdicts.
        """

    def success(self, key: Key) -> None:
        """An answer came, of whatever status."""

    def failure(self, key: Key) -> None:
        """The provider could not be reached or did not answer."""

    def release(self, key: Key) -> None:
        """The call ended before it could tell anything about the provider."""

    def states(self) -> dict[Key, BreakerState]:
        """All keys that ever failed, for people to look at."""


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    opened_at: float | None = None
    probe_since: float | None = None


class LocalBreaker:
    """Per process. Opens after `threshold` failures in a row, for `open_seconds`.

    Then one probe decides; a probe that never reports is given up after another `open_seconds`.
    `clock` is a monotonic clock in seconds.
    """

    def __init__(
        self,
        *,
        threshold: int = 5,
        open_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold, self._open_seconds, self._clock = threshold, open_seconds, clock
        self.forget()

    def forget(self) -> None:
        """Close all circuits; also the state of a process just forked."""
        self._lock = threading.Lock()
        self._circuits: dict[Key, _Circuit] = {}

    def check(self, key: Key) -> None:
        """See `Breaker.check`."""
        now = self._clock()
        with self._lock:
            circuit = self._circuits.get(key)
            if circuit is None or circuit.opened_at is None:
                return
            since = circuit.opened_at if circuit.probe_since is None else circuit.probe_since
            if now - since >= self._open_seconds:
                circuit.probe_since = now
                return
        raise TransportError(
            "The provider did not answer several times in a row; it is asked again shortly.",
            sent=False,
            code="breaker_open",
        )

    def success(self, key: Key) -> None:
        """See `Breaker.success`."""
        circuit = self._circuits.get(key)
        if circuit is not None:
            with self._lock:
                circuit.failures, circuit.opened_at, circuit.probe_since = 0, None, None

    def failure(self, key: Key) -> None:
        """See `Breaker.failure`."""
        with self._lock:
            circuit = self._circuits.setdefault(key, _Circuit())
            circuit.failures += 1
            if circuit.failures >= self._threshold:
                circuit.opened_at, circuit.probe_since = self._clock(), None

    def release(self, key: Key) -> None:
        """See `Breaker.release`."""
        circuit = self._circuits.get(key)
        if circuit is not None:
            with self._lock:
                circuit.probe_since = None

    def states(self) -> dict[Key, BreakerState]:
        """See `Breaker.states`."""
        with self._lock:
            return {key: self._state(circuit) for key, circuit in self._circuits.items()}

    def _state(self, circuit: _Circuit) -> BreakerState:
        if circuit.opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if circuit.probe_since is None else BreakerState.HALF_OPEN


local = LocalBreaker()
os.register_at_fork(after_in_child=local.forget)


def breaker_states() -> dict[Key, BreakerState]:
    """State by (provider, credential digest) of this process's breaker."""
    return local.states()
