"""When a failed delivery is tried again."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest

from integrations.webhooks import schedule
from integrations.webhooks.schedule import next_delay, retry_after

NOW = 1_767_225_600.0
DAY = 86_400.0


def longest(_low: float, high: float) -> float:
    return high


def shortest(low: float, _high: float) -> float:
    return low


def test_the_default_schedule_is_the_one_of_standard_webhooks() -> None:
    steps = [next_delay(tries, uniform=shortest) for tries in range(1, 11)]
    assert steps == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400, None]
    assert schedule.longest_series() == 10


def test_jitter_only_adds_and_at_most_a_fifth() -> None:
    assert next_delay(2, uniform=longest) == 360
    for _ in range(200):
        assert 300 <= (next_delay(2) or 0) <= 360


def test_a_setting_replaces_the_schedule(settings: Any) -> None:
    settings.INTEGRATIONS_WEBHOOK_SCHEDULE = [1, 2]
    assert [next_delay(tries, uniform=shortest) for tries in (1, 2, 3)] == [1, 2, None]


def test_an_overloaded_receiver_has_a_minute() -> None:
    assert next_delay(1, is_overload=True, uniform=shortest) == 60
    assert next_delay(2, is_overload=True, uniform=shortest) == 300


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("3600", 3600.0),
        (" 7 ", 7.0),
        ("0", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣٦٠٠", None),
        ("9" * 9, 999_999_999.0),
        ("9" * 40, None),
        (formatdate(NOW + 120, usegmt=True), 120.0),
        (formatdate(NOW - 120, usegmt=True), None),
        ("Wed, 99 Foo 2026 00:00:00 GMT", None),
        ("Thu, 01 Jan 2026 00:02:00", 120.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_to_come(text: str, asked: float | None) -> None:
    assert retry_after(text, now=NOW) == asked


@pytest.mark.parametrize(
    ("tries", "asked", "wait"),
    [
        (1, 3600.0, 3600.0),  # later than the schedule: granted
        (2, 10.0, 300.0),  # earlier: the schedule holds
        (1, 365 * DAY, 36_000.0),  # nobody parks a delivery for a year
        (9, 365 * DAY, 2 * DAY),  # a long step may be doubled
        (1, None, 5.0),
    ],
)
def test_what_is_asked_for_only_lengthens_the_wait_and_is_bounded(
    tries: int, asked: float | None, wait: float
) -> None:
    assert next_delay(tries, asked=asked, uniform=shortest) == wait
