"""What the outcome of a try means."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest

from integrations.models import AttemptOutcome
from integrations.webhooks.classify import Fate, Verdict, judge

NOW = 1_767_225_600.0


def verdict(
    outcome: AttemptOutcome = AttemptOutcome.HTTP_ERROR, status: int | None = None, **values: Any
) -> Verdict:
    known: dict[str, Any] = {
        "error": "", "headers": {}, "tries": 1, "is_manual": False, "ended_at": NOW,
    }  # fmt: skip
    return judge(outcome, status=status, **{**known, **values})


def test_a_2xx_is_delivered_whatever_else_is_said() -> None:
    found = verdict(AttemptOutcome.DELIVERED, 204, error="The answer broke off.")
    assert found.fate is Fate.DELIVERED
    assert not found.is_unwell


@pytest.mark.parametrize(
    ("status", "is_unwell"),
    [(400, False), (401, False), (404, False), (408, True), (425, True), (429, True),
     (500, True), (503, True)],
)  # fmt: skip
def test_other_answers_are_tried_again(status: int, is_unwell: bool) -> None:
    found = verdict(status=status)
    assert found.fate is Fate.AGAIN
    assert found.error == f"HTTP {status}"
    assert found.is_unwell is is_unwell
    assert found.slow_down is (status == 429)
    assert (found.delay >= 60) is (status in (408, 425, 429))


def test_a_redirect_is_a_failure_that_names_its_target() -> None:
    found = verdict(AttemptOutcome.REDIRECT, 302, headers={"location": "https://b.example/"})
    assert found.fate is Fate.AGAIN
    assert "https://b.example/" in found.error


@pytest.mark.parametrize("name", ["TIMEOUT", "DNS", "CONNECT", "LOST", "TLS", "AUTH"])
def test_no_answer_is_tried_again_and_counts_for_the_breaker(name: str) -> None:
    found = verdict(AttemptOutcome[name], error="It did not answer.")
    assert found.fate is Fate.AGAIN
    assert found.is_unwell
    assert (found.delay >= 60) is (name == "TIMEOUT")


@pytest.mark.parametrize("name", ["BLOCKED", "CONFIGURATION"])
def test_what_cannot_help_is_not_repeated(name: str) -> None:
    found = verdict(AttemptOutcome[name], error="The address is not allowed.")
    assert found.fate is Fate.DEAD
    assert not found.is_unwell


def test_410_ends_delivery_and_endpoint() -> None:
    found = verdict(status=410)
    assert found.fate is Fate.DEAD
    assert found.is_gone


def test_the_last_try_and_a_try_by_hand_begin_nothing() -> None:
    assert verdict(status=500, tries=9).fate is Fate.AGAIN
    assert verdict(status=500, tries=10).fate is Fate.DEAD
    assert verdict(status=500, is_manual=True).fate is Fate.DEAD


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("3600", 3600, 3600),
        ("0", 5, 6),
        ("-1", 5, 6),
        (formatdate(NOW + 900, usegmt=True), 900, 900),
        ("tomorrow", 5, 6),
    ],
)
def test_retry_after_of_a_503(text: str, least: float, most: float) -> None:
    assert least <= verdict(status=503, headers={"retry-after": text}).delay <= most


def test_retry_after_is_heard_from_those_who_may_ask() -> None:
    asking = {"retry-after": "3600"}
    for status in (429, 502, 503, 504):
        assert verdict(status=status, headers=asking).delay == 3600
    for status in (400, 500):
        assert verdict(status=status, headers=asking).delay <= 6
