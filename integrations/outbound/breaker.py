"""Circuit breaker: after a row of transport failures, stop asking for a while."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# Failures in a row that open a circuit, and the seconds for which it then stays open.
THRESHOLD = 5
OPEN_SECONDS = 30.0


class BreakerState(StrEnum):
    """Closed lets calls through, open refuses them, half-open has one probe under way."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Verdict(StrEnum):
    """What a call that was let through told about the provider."""

    # An answer came, of whatever status.
    ANSWERED = "answered"
    # An answer came, and it said that there are too many calls.
    THROTTLED = "throttled"
    # The provider could not be reached or did not answer.
    FAILED = "failed"
    # The call ended before it could tell anything.
    NOTHING = "nothing"


@dataclass(slots=True)
class Circuit:
    """One circuit; `redis_gate.ADMIT` and `REPORT` follow the same rules.

    `turn` changes whenever it opens, closes, or lets a probe through. A call keeps the turn in
    which it was let through. A failure of an earlier turn is old news and changes nothing; an
    answer always ends a row of failures. An open circuit heeds its probe alone, and gives it up
    after OPEN_SECONDS.
    """

    failures: int = 0
    opened_at: float | None = None
    probe_since: float | None = None
    turn: int = 0

    @property
    def is_clean(self) -> bool:
        """Closed, and the last verdict was no failure: an answer would change nothing."""
        return self.opened_at is None and not self.failures

    @property
    def state(self) -> BreakerState:
        """As people call it."""
        if self.opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self.probe_since is None else BreakerState.HALF_OPEN

    def seconds_left(self, now: float) -> float:
        """Seconds until the next call may pass; 0 or less where one may now."""
        if self.opened_at is None:
            return 0.0
        since = self.opened_at if self.probe_since is None else self.probe_since
        # Redis tells the time of day, which may be set back.
        return since + OPEN_SECONDS - now if now >= since else 0.0

    def enter(self, now: float) -> int:
        """Let a call through, as the probe where the circuit is open; returns its turn."""
        if self.opened_at is not None:
            self.probe_since = now
            self.turn += 1
        return self.turn

    def heed(self, verdict: Verdict, turn: int, now: float) -> None:
        """Take in what a call of `turn` told."""
        is_probe = self.opened_at is not None and turn == self.turn
        if verdict in (Verdict.ANSWERED, Verdict.THROTTLED):
            if is_probe:
                self.close()
            elif self.opened_at is None:
                self.failures = 0
        elif is_probe and verdict is Verdict.NOTHING:
            self.probe_since = None
        elif turn == self.turn and verdict is Verdict.FAILED:
            self.failures += 1
            if is_probe or self.failures >= THRESHOLD:
                self.opened_at, self.probe_since = now, None
                self.turn += 1

    def close(self) -> None:
        """Forget all failures."""
        self.failures, self.opened_at, self.probe_since = 0, None, None
        self.turn += 1
