"""What is stuck, since when, why: each cause in words, in bounded queries, within one's scope."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from integrations import work
from integrations.access import EVERYTHING, NOTHING, Scope
from integrations.models import (
    AuditEntry,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    WebhookLane,
    WebhookMessage,
    acting,
)
from integrations.webhooks import status
from integrations.webhooks.figures import read_webhooks
from tests.webhooks.deliveries import make_delivery, make_endpoint, make_message

pytestmark = pytest.mark.django_db


def only_row(**lane: Any) -> status.Stuck:
    (row,) = status.stuck(EVERYTHING)
    return row


def waits_since(endpoint: WebhookEndpoint, minutes: float, count: int = 1) -> None:
    then = timezone.now() - timedelta(minutes=minutes)
    for _ in range(count):
        event = make_delivery(endpoint, "pending", next_attempt_at=then)
        WebhookEvent.objects.filter(pk=event.pk).update(created_at=then)


def fares(endpoint: WebhookEndpoint, **values: Any) -> None:
    WebhookLane.objects.filter(pk=endpoint.pk).update(**values)


def a_dispatcher_works() -> None:
    fares(make_endpoint(name="Somebody else"), lease_until=Now() + timedelta(minutes=1))


def test_nothing_waits() -> None:
    make_delivery(make_endpoint(), "delivered")
    assert status.stuck(EVERYTHING) == []


def test_without_a_dispatcher_it_says_so() -> None:
    endpoint = make_endpoint()
    waits_since(endpoint, 10, count=2)
    row = only_row()
    assert (row.endpoint, row.waiting, row.is_more, row.kind) == (endpoint, 2, False, "unserved")
    assert row.since is not None
    assert timedelta(minutes=9) < timezone.now() - row.since < timedelta(minutes=11)
    assert row.why == "No dispatcher is at work."
    assert "manage.py worker" in row.remedy


CAUSES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "gone": ({"is_active": False, "disabled_reason": "gone"}, {}, "it answered 410 Gone"),
    "failed": (
        {"is_active": False, "disabled_reason": "failing"}, {"last_error": "No answer."},
        "it failed for too long. The last answer: No answer.",
    ),
    "off": ({"is_active": False, "disabled_reason": "by_hand"}, {}, "Switched off"),
    "paused": ({"is_paused": True}, {}, "Paused."),
    "breaker": (
        {}, {"open_until": Now() + timedelta(minutes=5), "last_status": 503},
        "failed too often. The last answer: status 503.",
    ),
    "asked": (
        {}, {"next_send_at": Now() + timedelta(minutes=5), "last_status": 429},
        "The last answer: status 429.",
    ),
    "rate": ({"rate_per_second": 0.5}, {}, "Its own limit is 0.5 per second"),
    "busy": ({}, {}, "More comes than the receiver takes"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CAUSES)
def test_each_cause_is_told_in_words(kind: str) -> None:
    values, lane, words = CAUSES[kind]
    endpoint = make_endpoint(**values)
    fares(endpoint, **lane)
    waits_since(endpoint, 10, count=2)
    a_dispatcher_works()
    row = only_row()
    assert row.kind == kind
    assert words in row.why
    assert row.remedy


def test_what_waits_for_its_next_try_tells_when_and_the_last_error() -> None:
    endpoint = make_endpoint()
    fares(endpoint, failing_since=timezone.now() - timedelta(hours=3), last_error="Answered 500.")
    make_delivery(endpoint, "retrying")
    a_dispatcher_works()
    row = only_row()
    assert row.kind == "retry"
    assert "Failing since" in row.why
    assert "The next try is at" in row.why
    assert row.why.endswith("The last answer: Answered 500.")


def test_an_ordered_endpoint_waits_behind_its_first() -> None:
    endpoint = make_endpoint(is_ordered=True)
    make_delivery(endpoint, "retrying")
    waits_since(endpoint, 3)
    a_dispatcher_works()
    assert only_row().kind == "order"


def test_what_is_on_its_way_is_not_complained_about() -> None:
    make_delivery(make_endpoint(), "pending")
    a_dispatcher_works()
    row = only_row()
    assert (row.kind, row.remedy) == ("moving", "Nothing.")


def test_one_that_the_system_switched_off_is_told_without_anything_waiting() -> None:
    make_endpoint(is_active=False, disabled_reason="by_hand")
    gone = make_endpoint(is_active=False, disabled_reason="gone")
    assert [row.endpoint for row in status.stuck(EVERYTHING)] == [gone]


def test_who_paused_it_is_named() -> None:
    endpoint = make_endpoint(is_paused=True, paused_at=timezone.now())
    waits_since(endpoint, 1)
    with acting(get_user_model().objects.create_user("wanjiku")):
        AuditEntry.objects.record("webhook_endpoint.paused", target=endpoint)
    assert "Paused by wanjiku" in only_row().why


def test_the_longest_stuck_comes_first() -> None:
    ages = {1: make_endpoint(), 30: make_endpoint(), 5: make_endpoint()}
    for minutes, endpoint in ages.items():
        waits_since(endpoint, minutes)
    assert [row.endpoint for row in status.stuck(EVERYTHING)] == [ages[30], ages[5], ages[1]]


def test_a_scope_sees_its_own_businesses_only() -> None:
    own = make_endpoint(business="a")
    for endpoint in (own, make_endpoint(business="b"),
                     make_endpoint(business="a", every_business=True)):  # fmt: skip
        waits_since(endpoint, 1)
        make_delivery(endpoint, "failed")
        attempt(endpoint, "timeout")
    told = status.overview(Scope(businesses=frozenset({"a"})))
    assert [row.endpoint for row in told.rows] == [own]
    assert (told.waiting, told.dead, told.recent.failed) == (1, 1, 1)
    assert sum(told.endpoints.values()) == 1
    assert status.overview(NOTHING).rows == []
    assert status.overview(EVERYTHING).dead == 3


def attempt(endpoint: WebhookEndpoint, outcome: str, minutes: float = 0) -> None:
    WebhookAttempt.objects.create(
        event=make_delivery(endpoint, "delivered"), endpoint=endpoint, number=1, trigger="auto",
        outcome=outcome, duration_ms=1, started_at=timezone.now() - timedelta(minutes=minutes),
    )  # fmt: skip


def test_the_last_minutes_are_counted() -> None:
    endpoint = make_endpoint()
    for outcome, minutes in (("delivered", 0), ("delivered", 14), ("timeout", 1), ("dns", 16)):
        attempt(endpoint, outcome, minutes)
    assert status.recent_attempts(EVERYTHING) == status.Recent(2, 1, is_more=False)


def test_of_very_many_attempts_the_newest_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "ATTEMPT_BOUND", 3)
    endpoint = make_endpoint()
    for _ in range(4):
        attempt(endpoint, "delivered")
    assert status.recent_attempts(EVERYTHING) == status.Recent(3, 0, is_more=True)


def fill(endpoint: WebhookEndpoint, count: int) -> None:
    message = make_message()
    messages = WebhookMessage.objects.bulk_create(
        [WebhookMessage(event_type="a.b", occurred_at=timezone.now(), body=b"{}")
         for _ in range(count - 1)], batch_size=1000,
    )  # fmt: skip
    WebhookEvent.objects.bulk_create(
        [WebhookEvent(endpoint=endpoint, message=each, event_type="a.b")
         for each in (message, *messages)], batch_size=1000,
    )  # fmt: skip


def test_a_long_backlog_is_counted_to_a_bound() -> None:
    endpoint = make_endpoint(is_paused=True)
    fill(endpoint, status.BOUND + 50)
    row = only_row()
    assert (row.waiting, row.is_more) == (status.BOUND, True)
    assert row.waiting_text == "more than 1,000"
    assert status.overview(EVERYTHING).waiting_is_more


def test_one_row_more_than_are_looked_at_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "LOOKED_AT", 2)
    endpoint = make_endpoint(is_paused=True)
    waits_since(endpoint, 5, count=3)
    waits_since(endpoint, 50)
    row = only_row()
    assert row.waiting == 4
    assert row.since is not None
    assert timezone.now() - row.since > timedelta(minutes=49)


def test_a_backlog_is_read_from_the_index_of_its_lane(
    django_assert_max_num_queries: Callable[[int], Any],
) -> None:
    endpoint = make_endpoint(is_paused=True)
    fill(endpoint, 1500)
    fill(make_endpoint(is_paused=True), 1500)
    rows = status.waiting_of(endpoint.pk).values("pk")[: status.BOUND + 1]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    plan = rows.explain()
    assert "lane_webhookevent" in plan, plan
    with django_assert_max_num_queries(10):
        status.stuck(EVERYTHING)


def test_gauges_leave_out_what_is_held_on_purpose() -> None:
    waits_since(make_endpoint(is_paused=True), 60)
    waits_since(make_endpoint(is_active=False, disabled_reason="gone"), 60)
    waits_since(make_endpoint(), 2)
    fares(make_endpoint(), failing_since=timezone.now())
    fares(make_endpoint(), open_until=Now() + timedelta(minutes=5))
    figures = read_webhooks()
    assert 110 < figures.oldest_due < 600
    assert figures.endpoints == {
        "active": 1, "failing": 1, "breaker_open": 1, "paused": 1, "off_gone": 1,
        "off_failing": 0, "off_by_hand": 0,
    }  # fmt: skip


def test_what_is_not_due_yet_has_no_age() -> None:
    make_delivery(make_endpoint(), "retrying")
    assert read_webhooks().oldest_due == 0.0
    assert work.has_due_rows(work.get_queue("webhook-replays")) is False
