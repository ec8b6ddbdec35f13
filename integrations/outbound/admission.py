"""The words in which limiter and breaker are asked and answer, in this process or in Redis."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from integrations.exceptions import TransportError
from integrations.outbound.breaker import Circuit, Verdict
from integrations.outbound.limiter import Bucket

# (provider, credential digest)
Key = tuple[str, str]
# (calls per second, burst)
Rate = tuple[float, float]


class Ticket(NamedTuple):
    """A call that was let through. `turn`: see `Circuit`."""

    key: Key
    turn: int
    is_clean: bool


class Wait(NamedTuple):
    """A place that can be used after some seconds; then ask again, holding it.

    `place` is its number, `brakes` how often the bucket was slowed down when the seconds were
    worked out: slowed down again meanwhile, they are not enough.
    """

    seconds: float
    place: int = 0
    brakes: int = 0


class Standing(NamedTuple):
    """Limiter and breaker of one key; their times count as `now` does."""

    bucket: Bucket | None
    circuit: Circuit
    now: float


class State(Protocol):
    """The state of all keys, wherever it lies."""

    def admit(
        self, key: Key, rate: Rate | None, *, max_wait: float, held: Wait | None = None
    ) -> Ticket | Wait:
        """Ask the circuit and take a place at `rate`; None where only the circuit counts.

        Whoever holds a place after a wait takes no other one, and may have to wait on.

        Raises `refusal`s; then no place was taken. A ticket is to be followed by one `heed`.
        """

    def heed(self, ticket: Ticket, verdict: Verdict) -> None:
        """Take in what the call told about the provider."""

    def close(self, key: Key) -> None:
        """Close the circuit; nothing happens where there is none."""

    def standings(self) -> dict[Key, Standing]:
        """All that is known, for people to look at."""


_REASONS = {
    "breaker_open": "The provider did not answer several times in a row; "
    "it is asked again shortly.",
    "rate_limited": "Too many calls to this provider at once; nothing was sent.",
}


def refusal(code: str) -> TransportError:
    """The error for a call that was not let through: "breaker_open" or "rate_limited"."""
    return TransportError(_REASONS[code], sent=False, code=code)
