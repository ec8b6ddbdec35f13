"""A lane that a dispatcher holds: what waits, what is under way, and how the receiver fares.

Breaker: FAILURES_TO_OPEN tries in a row by which the receiver as a whole seems unwell (no answer,
5xx, overloaded) open it for 30 s, doubling up to ten minutes. Nothing is claimed meanwhile, so no
try is burned. Then one delivery is the probe; any answer that is not unwell closes it.
"""

from __future__ import annotations

import time
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING

from integrations.webhooks.classify import Fate, Verdict
from integrations.webhooks.dispatch.pace import Pace
from integrations.webhooks.dispatch.records import Delivery, LaneChange, Result, Score

if TYPE_CHECKING:
    from integrations.models import WebhookEndpoint
    from integrations.webhooks.plan import EndpointPlan

FAILURES_TO_OPEN = 5
OPEN_SECONDS = 30.0
LONGEST_OPEN_SECONDS = 600.0
# A receiver that asks for a pause (Retry-After) gets it for the whole endpoint, up to this.
LONGEST_PAUSE = 60.0
# Requests at once to a receiver that is not known yet; each success allows one more.
FIRST_WINDOW = 2
FIRST_WANT, MOST_WANTED = 16, 400
# Bytes of bodies that may wait in one lane.
BYTES_WAITING = 4 * 1024 * 1024
# How often what merely moves on (the last attempt's time) is written.
NOTE_SECONDS = 1.0


class Health:
    """What is remembered of an endpoint in this process, also while its lane is not held."""

    __slots__ = ("failures", "open_until", "pace", "times_opened", "window")

    def __init__(self) -> None:
        self.window = FIRST_WINDOW
        self.failures = 0
        self.times_opened = 0
        self.open_until = 0.0
        self.pace = Pace()

    @property
    def is_half_open(self) -> bool:
        """Whether the next delivery is a probe."""
        return self.times_opened > 0

    def note(self, verdict: Verdict, now: float) -> bool:
        """Take a verdict in; whether the breaker opened or closed."""
        before = self.times_opened
        if verdict.is_unwell:
            self.failures += 1
            self.window = max(1, self.window // 2)
            if now >= self.open_until and (self.is_half_open or self.failures >= FAILURES_TO_OPEN):
                self.times_opened += 1
                wait = OPEN_SECONDS * 2 ** min(self.times_opened - 1, 10)
                self.open_until = now + min(wait, LONGEST_OPEN_SECONDS)
        elif now >= self.open_until:
            # While it is open, an answer is that of a request from before.
            self.failures, self.times_opened, self.open_until = 0, 0, 0.0
            self.window += verdict.fate is Fate.DELIVERED
        if verdict.slow_down:
            self.pace.lower(now)
        if verdict.pause:
            self.pace.hold(now + min(verdict.pause, LONGEST_PAUSE))
        return before != self.times_opened


class Track:
    """One endpoint's lane in the hands of this dispatcher."""

    plan: EndpointPlan

    def __init__(self, endpoint_id: int, token: str, lease_end: float, now: float) -> None:
        self.endpoint_id = endpoint_id
        self.token = token
        self.is_planned = False
        self.lease_end = lease_end
        self.held_since = now
        self.health = Health()
        self.updated_at: datetime | None = None
        self.is_ordered = False
        self.max_concurrency = 1
        self.waiting: deque[Delivery] = deque()
        self.waiting_bytes = 0
        self.in_flight = 0
        self.is_queued = False  # in the ring of those that can send
        self.is_delayed = False  # a timer will put it there
        self.is_claiming = False
        self.is_empty = False  # the last claim found fewer rows than it asked for
        self.is_leaving = False
        self.is_changed = False  # the breaker's columns are to be written
        self.is_news = False  # its score is to be told
        self.noted_at = 0.0
        self.want = FIRST_WANT
        self.claimed_at = 0.0
        self.idle_since = now
        self.blocked_until = 0.0  # the breaker, or a pause that the receiver asked for
        self.score = Score()
        self.was_failing = True  # until a success is told, so that the first one is

    @property
    def limit(self) -> int:
        """Requests that may be under way at once."""
        if self.is_ordered or self.health.is_half_open:
            return 1
        return max(1, min(self.max_concurrency, self.health.window))

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits, is under way or is being fetched, and nothing more was due."""
        return self.is_empty and not (self.waiting or self.in_flight or self.is_claiming)

    def configure(self, endpoint: WebhookEndpoint, plan: EndpointPlan) -> None:
        """Take over what the endpoint says now."""
        self.plan, self.is_planned = plan, True
        self.updated_at = endpoint.updated_at
        self.is_ordered = endpoint.is_ordered
        self.max_concurrency = endpoint.max_concurrency
        self.health.pace.rate = endpoint.rate_per_second

    def wanted(self, now: float, room: int) -> int:
        """How many rows to claim now; `room` is this lane's share of all that may wait."""
        if self.health.is_half_open:
            return 0 if self.waiting or self.in_flight else 1
        want = min(self.want, room)
        rate = self.health.pace.effective(now)
        if rate is not None:
            want = min(want, int(rate * 2) + 1)
        if self.waiting:
            average = self.waiting_bytes // len(self.waiting)
            want = min(want, max(1, BYTES_WAITING // max(average, 1)))
        return max(0, want - len(self.waiting))

    def add(self, rows: list[Delivery], asked: int, now: float) -> None:
        """Take in what a claim brought; a lane that empties quickly asks for more next time."""
        if rows:
            self.waiting.extend(rows)
            self.waiting_bytes += sum(row.message.size for row in rows if row.message)
        self.is_empty = len(rows) < asked
        if not self.is_empty and now - self.claimed_at < 0.5:
            self.want = min(self.want * 2, MOST_WANTED)
        elif now - self.claimed_at > 2.0:
            self.want = max(self.want // 2, FIRST_WANT)
        self.claimed_at = now

    def take(self) -> Delivery:
        """The next delivery that waits."""
        row = self.waiting.popleft()
        if row.message:
            self.waiting_bytes -= row.message.size
        return row

    def clear(self) -> list[Delivery]:
        """All that waits, to be given back."""
        rows = list(self.waiting)
        self.waiting.clear()
        self.waiting_bytes = 0
        return rows

    def note(self, result: Result, now: float) -> None:
        """Take in how a try ended, and decide what its rows must say soon."""
        verdict, score = result.verdict, self.score
        self.is_changed |= self.health.note(verdict, now)
        score.last_status = result.status
        score.started_at = result.started_at
        is_success = verdict.fate is Fate.DELIVERED
        if is_success:
            score.successes += 1
            score.last_error = ""
        else:
            score.failures += 1
            score.last_error = verdict.error
            score.is_gone |= verdict.is_gone
        self.is_news |= verdict.is_gone or is_success == self.was_failing
        pause = now + verdict.pause if verdict.pause >= 1 else 0.0
        self.blocked_until = max(self.health.open_until, min(pause, now + LONGEST_PAUSE))

    def cannot(self, error: str) -> None:
        """It can't be sent to as it is configured; no try was made."""
        self.score.failures += 1
        self.score.last_error, self.score.started_at = error, time.time()
        self.is_news = True

    def tell(self, now: float) -> Score | None:
        """The score, where it is news or a second old; None where it may wait."""
        if not self.is_news and now - self.noted_at < NOTE_SECONDS:
            return None
        return self.tell_all(now)

    def tell_all(self, now: float) -> Score | None:
        """The score since it was last told; None where nothing happened."""
        score, self.score = self.score, Score()
        self.is_news, self.noted_at = False, now
        if not score.successes and not score.failures:
            return None
        self.was_failing = bool(score.last_error)
        return score

    def change(self, now: float, *, is_release: bool = False) -> LaneChange:
        """What its row is to say now of breaker and rate."""
        self.is_changed = False
        health = self.health
        return LaneChange(
            endpoint_id=self.endpoint_id,
            token=self.token,
            at=now,
            times_opened=health.times_opened,
            open_for=health.open_until - now if health.open_until > now else None,
            next_send_in=health.pace.wait(now) or None,
            is_release=is_release,
        )
