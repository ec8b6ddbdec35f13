"""How fast requests may follow each other at one endpoint: GCRA, in the memory of its holder."""

from __future__ import annotations

LOWERED_SECONDS = 60.0
LOWEST_RATE = 0.2
# Answers of one burst lower the rate once.
SETTLE_SECONDS = 1.0
# An endpoint may get this many seconds' worth of requests at once.
BURST_SECONDS = 0.1


class Pace:
    """`rate` in requests per second, None for no limit; instants on `time.monotonic()`."""

    __slots__ = ("_count", "_lowered", "_lowered_at", "_previous", "_second", "_tat", "rate")

    def __init__(self, rate: float | None = None) -> None:
        self.rate = rate
        self._tat = 0.0
        self._lowered: float | None = None
        self._lowered_at = float("-inf")
        self._second, self._count, self._previous = 0, 0, 0

    def wait(self, now: float) -> float:
        """Seconds until the next request may leave."""
        interval = self._interval(now)
        if interval == 0.0:
            return max(0.0, self._tat - now)
        burst = max(1, int(BURST_SECONDS / interval))
        return max(0.0, self._tat - (burst - 1) * interval - now)

    def take(self, now: float) -> None:
        """A request leaves now."""
        second = int(now)
        if second != self._second:
            self._previous = self._count if second == self._second + 1 else 0
            self._second, self._count = second, 0
        self._count += 1
        interval = self._interval(now)
        if interval:
            self._tat = max(self._tat, now) + interval

    def hold(self, until: float) -> None:
        """Let nothing leave before `until`."""
        self._tat = max(self._tat, until)

    def resume(self, now: float) -> None:
        """The database says that a request may leave now."""
        interval = self._interval(now)
        burst = max(1, int(BURST_SECONDS / interval)) if interval else 1
        self._tat = min(self._tat, now + (burst - 1) * interval)

    def lower(self, now: float) -> None:
        """The receiver said "too many": half the present rate, for a minute."""
        if now - self._lowered_at < SETTLE_SECONDS:
            return
        present = self.effective(now) or float(max(self._count, self._previous, 1))
        self._lowered = max(LOWEST_RATE, present / 2)
        self._lowered_at = now
        self._tat = max(self._tat, now + 1 / self._lowered)

    def effective(self, now: float) -> float | None:
        """The limit that holds now, in requests per second."""
        if self._lowered is not None and now - self._lowered_at >= LOWERED_SECONDS:
            self._lowered = None
        if self._lowered is None:
            return self.rate
        return self._lowered if self.rate is None else min(self.rate, self._lowered)

    def _interval(self, now: float) -> float:
        rate = self.rate if self._lowered is None else self.effective(now)
        return 1 / rate if rate else 0.0
