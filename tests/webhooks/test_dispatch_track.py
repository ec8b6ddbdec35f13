"""Breaker, window and rate of one endpoint, by a clock that the test turns."""

from __future__ import annotations

from integrations.webhooks.classify import DELIVERED, Fate, Verdict
from integrations.webhooks.dispatch.pace import Pace
from integrations.webhooks.dispatch.track import FAILURES_TO_OPEN, Health

UNWELL = Verdict(Fate.AGAIN, delay=5, error="HTTP 500", is_unwell=True)
REFUSED = Verdict(Fate.AGAIN, delay=5, error="HTTP 404")
TOO_MANY = Verdict(Fate.AGAIN, delay=60, error="HTTP 429", is_unwell=True, slow_down=True)


def fail(health: Health, times: int, now: float, verdict: Verdict = UNWELL) -> None:
    for _ in range(times):
        health.note(verdict, now)


def sent_within(pace: Pace, seconds: float, start: float = 1000.0) -> int:
    now, sent = start, 0
    while now < start + seconds:
        if pace.wait(now) <= 0:
            pace.take(now)
            sent += 1
        else:
            now += 0.001
    return sent


def test_the_breaker_opens_after_failures_in_a_row() -> None:
    health = Health()
    fail(health, FAILURES_TO_OPEN - 1, 100.0)
    health.note(DELIVERED, 100.0)
    fail(health, FAILURES_TO_OPEN - 1, 100.0)
    assert health.open_until == 0.0
    fail(health, 1, 100.0)
    assert health.open_until == 130.0


def test_answers_of_requests_from_before_neither_lengthen_nor_close_it() -> None:
    health = Health()
    fail(health, FAILURES_TO_OPEN + 20, 100.0)
    health.note(DELIVERED, 101.0)
    assert (health.open_until, health.times_opened) == (130.0, 1)


def test_a_probe_that_fails_doubles_the_pause_up_to_ten_minutes() -> None:
    health, now, pauses = Health(), 100.0, []
    fail(health, FAILURES_TO_OPEN, now)
    for _ in range(7):
        pauses.append(health.open_until - now)
        now = health.open_until
        fail(health, 1, now)
    assert pauses == [30, 60, 120, 240, 480, 600, 600]


def test_a_probe_that_is_answered_closes_it() -> None:
    for answer in (DELIVERED, REFUSED):
        health = Health()
        fail(health, FAILURES_TO_OPEN, 100.0)
        assert health.is_half_open
        health.note(answer, 130.0)
        assert not health.is_half_open
        assert health.open_until == 0.0


def test_a_receiver_that_refuses_single_events_is_not_unwell() -> None:
    health = Health()
    fail(health, 100, 100.0, REFUSED)
    assert health.open_until == 0.0


def test_an_unknown_receiver_gets_more_requests_with_each_success() -> None:
    health = Health()
    assert health.window == 2
    for _ in range(8):
        health.note(DELIVERED, 1.0)
    assert health.window == 10
    health.note(UNWELL, 1.0)
    assert health.window == 5


def test_a_rate_is_kept_without_bursts() -> None:
    assert 9 <= sent_within(Pace(10.0), 1.0) <= 11
    assert sent_within(Pace(0.5), 10.0) == 5
    assert 95 <= sent_within(Pace(100.0), 1.0) <= 111


def test_no_rate_is_no_wait() -> None:
    pace = Pace()
    for _ in range(1000):
        pace.take(1.0)
    assert pace.wait(1.0) == 0.0


def test_too_many_halves_the_rate_once_for_a_burst_and_for_a_minute() -> None:
    health = Health()
    health.pace.rate = 100.0
    fail(health, 20, 1000.0, TOO_MANY)
    assert health.pace.effective(1000.0) == 50.0
    fail(health, 1, 1002.0, TOO_MANY)
    assert health.pace.effective(1002.0) == 25.0
    assert health.pace.effective(1063.0) == 100.0


def test_too_many_without_a_rate_halves_what_was_sent() -> None:
    pace = Pace()
    for _ in range(40):
        pace.take(1000.2)
    pace.lower(1000.5)
    assert pace.effective(1000.5) == 20.0
    assert pace.effective(1061.0) is None
