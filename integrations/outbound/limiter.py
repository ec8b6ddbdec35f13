"""Token bucket: no more calls per second than the provider bears."""

from __future__ import annotations

import math
from dataclasses import dataclass

from integrations.conf import hub_settings
from integrations.exceptions import ConfigurationError

DEFAULT_RATE = (10.0, 20.0)
# A provider that says "too many" halves the rate, at most once in BRAKE_GAP seconds: calls that
# were under way together are refused together. Each BRAKE_STEP seconds without it take one halving
# back.
BRAKE_GAP = 1.0
BRAKE_STEP = 10.0
BRAKE_MOST = 5


def configured_rate(provider: str, usual: tuple[float, float] | None = None) -> tuple[float, float]:
    """(calls per second, burst) of a provider: INTEGRATIONS_RATE_LIMITS, or `usual`, or 10 and 20.

    `usual` is what the settings of the credentials say. Raises ConfigurationError for a rate at
    which nothing could ever be sent.
    """
    per_second, burst = hub_settings.rate_limits.get(provider, usual or DEFAULT_RATE)
    if per_second <= 0 or burst < 1:
        raise ConfigurationError(
            f"INTEGRATIONS_RATE_LIMITS: {provider} needs a rate above 0 and a burst of at least 1."
        )
    return float(per_second), float(burst)


@dataclass(slots=True)
class Bucket:
    """`places` is what was left at `seen_at`; below zero it counts those who wait for theirs.

    `given` numbers the places in the order of asking. `brake` is how often the rate was halved, the
    last time at `braked_at`; `brakes` counts those times. `redis_gate.ADMIT` does the same sums.
    """

    places: float
    seen_at: float
    per_second: float
    burst: float
    given: int = 0
    brake: int = 0
    braked_at: float = 0.0
    brakes: int = 0

    def slowness(self, now: float) -> int:
        """How often the rate is halved at `now`."""
        return max(0, self.brake - math.floor(max(0.0, now - self.braked_at) / BRAKE_STEP))

    def pace(self, now: float) -> tuple[float, float]:
        """(calls per second, burst) at `now`."""
        factor = 2.0 ** -self.slowness(now)
        return self.per_second * factor, max(1.0, self.burst * factor)

    def left(self, now: float) -> float:
        """The places at `now`."""
        per_second, burst = self.pace(now)
        return min(burst, self.places + max(0.0, now - self.seen_at) * per_second)

    def reserve(self, now: float, *, max_wait: float) -> float | None:
        """Take a place, in the order of asking: the seconds to wait before using it.

        None, and nothing is taken, where that would be more than `max_wait` seconds.
        """
        left = self.left(now)
        wait = max(0.0, (1 - left) / self.pace(now)[0])
        if wait > max_wait:
            return None
        self.places, self.seen_at = left - 1, now
        self.given += 1
        return wait

    def wait_left(self, now: float, place: int) -> float:
        """The seconds before place number `place` can be used, for one who has waited already."""
        ahead = self.left(now) + max(0, self.given - place)
        return max(0.0, -ahead / self.pace(now)[0])

    def slow_down(self, now: float) -> None:
        """The provider said "too many": nothing for BRAKE_GAP seconds, then half the rate.

        Gateways may count what they refuse, so a rate alone would not end it. Source: Daraja
        reference, section 3 (back off for a second or more).
        """
        if self.brakes and 0 <= now - self.braked_at < BRAKE_GAP:
            return
        left = self.left(now)
        self.brake = min(BRAKE_MOST, self.slowness(now) + 1)
        self.braked_at = now
        self.brakes += 1
        self.places, self.seen_at = min(0.0, left) - self.pace(now)[0] * BRAKE_GAP, now
