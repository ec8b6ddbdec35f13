"""Replays of many: counted first, at a pace, resumable, cancelled, and with what was missed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db.models.functions import Now
from django.utils import timezone

from integrations import work
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.models import (
    AuditEntry,
    ReplayState,
    WebhookEndpoint,
    WebhookEvent,
    WebhookMessage,
    WebhookReplay,
)
from integrations.webhooks.again import CountChanged
from integrations.webhooks.replay import ReplayFilter, cancel_replay, count_replay, start_replay
from integrations.webhooks.replay_run import QUEUE, advance
from tests.webhooks.deliveries import is_due, make_delivery, make_endpoint, make_message, state_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def actor() -> Any:
    return get_user_model().objects.create_user("wanjiku")


def begin(chosen: ReplayFilter, **options: Any) -> WebhookReplay:
    given = {"expected_count": count_replay(chosen), "actor": None, "rate_per_second": 1000.0}
    return start_replay(chosen, **{**given, **options})


def turn(replay: WebhookReplay) -> work.Outcome:
    """One turn of a worker: claim, advance, store."""
    WebhookReplay.objects.filter(pk=replay.pk).update(next_attempt_at=Now() - timedelta(1))
    claim = work.claim_rows(work.get_queue(QUEUE), limit=1)
    outcome = advance(claim.rows[0]) or work.Done()
    work.finish(claim.rows[0], outcome)
    replay.refresh_from_db()
    return outcome


def run_out(replay: WebhookReplay) -> int:
    turns = 1
    while not isinstance(turn(replay), work.Done):
        turns += 1
        assert turns < 50
    return turns


def test_what_the_filter_finds_is_due_and_nothing_else() -> None:
    endpoint, other = make_endpoint(), make_endpoint()
    wanted = [make_delivery(endpoint, "failed", event_type="payment.failed") for _ in range(3)]
    rest = [
        make_delivery(endpoint, "delivered", event_type="payment.failed"),
        make_delivery(endpoint, "failed", event_type="invoice.paid"),
        make_delivery(other, "failed", event_type="payment.failed"),
    ]
    replay = begin(ReplayFilter(endpoint=endpoint, status="failed", event_type="payment.*"))
    assert (replay.total, replay.state) == (3, ReplayState.RUNNING)
    run_out(replay)
    assert (replay.state, replay.done, replay.work_state) == (ReplayState.FINISHED, 3, "done")
    assert replay.finished_at is not None
    assert all(state_of(event) == ("retrying", "due", True) for event in wanted)
    assert not any(is_due(event) for event in rest)


def test_tests_are_replayed_only_by_their_name() -> None:
    endpoint = make_endpoint()
    wanted = make_delivery(endpoint)
    tried = make_delivery(endpoint, event_type="webhook.test")
    for event_type, count in (("", 1), ("webhook.*", 0), ("webhook.test", 1)):
        assert count_replay(ReplayFilter(endpoint=endpoint, event_type=event_type)) == count
    run_out(begin(ReplayFilter(endpoint=endpoint, status="")))
    assert (is_due(wanted), is_due(tried)) == (True, False)


def test_a_time_range_is_that_of_publishing() -> None:
    endpoint = make_endpoint()
    for days in (1, 5, 9):
        make_delivery(endpoint, days=days)
    now = timezone.now()
    assert count_replay(ReplayFilter(endpoint=endpoint)) == 3
    assert count_replay(ReplayFilter(endpoint=endpoint, since=now - timedelta(days=6))) == 2
    chosen = ReplayFilter(
        endpoint=endpoint, since=now - timedelta(days=6), until=now - timedelta(days=2)
    )
    assert count_replay(chosen) == 1
    run_out(begin(chosen))
    assert WebhookEvent.objects.filter(work_state="due").count() == 1


def test_a_business_means_its_own_endpoints_only() -> None:
    own, another = make_endpoint(business="a"), make_endpoint(business="a")
    for endpoint in (own, another, make_endpoint(business="b"),
                     make_endpoint(business="a", every_business=True),
                     make_endpoint(business="a", is_active=False)):  # fmt: skip
        make_delivery(endpoint)
    replay = begin(ReplayFilter(business="a"))
    assert (replay.total, replay.business, replay.endpoint) == (2, "a", None)
    run_out(replay)
    due = WebhookEvent.objects.filter(work_state="due")
    assert set(due.values_list("endpoint", flat=True)) == {own.pk, another.pk}


def test_the_pace_is_that_of_the_replay() -> None:
    endpoint = make_endpoint()
    for _ in range(5):
        make_delivery(endpoint)
    replay = begin(ReplayFilter(endpoint=endpoint), rate_per_second=2.0)
    outcome = turn(replay)
    assert outcome == work.Again(1.0, count_attempt=False)
    assert (replay.done, WebhookEvent.objects.filter(work_state="due").count()) == (2, 2)
    assert replay.attempts == 0, "a long replay does not use up its attempts"
    assert begin_slow(make_endpoint()) == work.Again(10.0, count_attempt=False)


def begin_slow(endpoint: WebhookEndpoint) -> work.Outcome:
    make_delivery(endpoint)
    make_delivery(endpoint)
    WebhookReplay.objects.update(state=ReplayState.FINISHED, next_attempt_at=None)
    return turn(begin(ReplayFilter(endpoint=endpoint), rate_per_second=0.1))


def test_one_that_is_killed_goes_on_where_it_was() -> None:
    endpoint = make_endpoint()
    events = [make_delivery(endpoint) for _ in range(6)]
    replay = begin(ReplayFilter(endpoint=endpoint), rate_per_second=2.0)
    turn(replay)
    # The worker dies after the commit of its batch and before it gives the row back.
    WebhookReplay.objects.filter(pk=replay.pk).update(next_attempt_at=Now() - timedelta(1))
    advance(work.claim_rows(work.get_queue(QUEUE), limit=1).rows[0])
    first = WebhookEvent.objects.filter(pk__in=[event.pk for event in events[:4]])
    first.update(work_state="done", status="delivered", next_attempt_at=None)
    run_out(replay)
    assert replay.done == 6
    assert first.filter(status="delivered").count() == 4, "none of them went out twice"


def test_a_batch_of_somebody_who_lost_the_row_is_undone() -> None:
    endpoint = make_endpoint()
    event = make_delivery(endpoint)
    replay = begin(ReplayFilter(endpoint=endpoint))
    row = work.claim_rows(work.get_queue(QUEUE), limit=1).rows[0]
    WebhookReplay.objects.filter(pk=replay.pk).update(claim_token="another")
    advance(row)
    replay.refresh_from_db()
    assert replay.done == 0
    assert state_of(event) == ("failed", "dead", False)


def test_a_cancelled_one_stops_also_in_a_workers_hands(actor: Any) -> None:
    endpoint = make_endpoint()
    event = make_delivery(endpoint)
    replay = begin(ReplayFilter(endpoint=endpoint))
    row = work.claim_rows(work.get_queue(QUEUE), limit=1).rows[0]
    cancel_replay(replay, actor=actor)
    work.finish(row, advance(row))
    replay.refresh_from_db()
    assert (replay.state, replay.work_state, replay.next_attempt_at) == ("cancelled", "done", None)
    assert state_of(event) == ("failed", "dead", False)
    entry = AuditEntry.objects.get(action="webhook_replay.cancelled")
    assert (entry.actor, entry.detail) == (actor, "0 of 1 were due")
    with pytest.raises(IntegrationError) as refused:
        cancel_replay(replay, actor=actor)
    assert refused.value.code == "webhook_replay_over"


def test_only_the_number_that_was_shown_is_started(actor: Any) -> None:
    endpoint = make_endpoint()
    make_delivery(endpoint)
    with pytest.raises(CountChanged) as refused:
        begin(ReplayFilter(endpoint=endpoint), expected_count=2)
    assert (refused.value.count, refused.value.code) == (1, "webhook_replay_count")
    assert not WebhookReplay.objects.exists()
    replay = begin(ReplayFilter(endpoint=endpoint), expected_count=1, actor=actor)
    assert (replay.requested_by, replay.requested_by_name) == (actor, "wanjiku")
    entry = AuditEntry.objects.get(action="webhook_replay.started")
    assert (entry.actor, entry.detail) == (actor, "1 deliveries")


def test_what_is_published_after_the_count_is_not_counted() -> None:
    endpoint = make_endpoint()
    make_delivery(endpoint)
    chosen = ReplayFilter(endpoint=endpoint)
    assert count_replay(chosen) == 1
    make_delivery(endpoint)
    assert begin(chosen, expected_count=1).total == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, "webhook_replay_empty"),
        ({"is_active": False}, "webhook_endpoint_off"),
    ],
)
def test_refusals_in_words(change: dict[str, Any], code: str) -> None:
    endpoint = make_endpoint(**change)
    with pytest.raises(IntegrationError) as refused:
        begin(ReplayFilter(endpoint=endpoint))
    assert refused.value.code == code


def test_one_at_a_time_for_an_endpoint_and_few_in_an_hour(settings: Any) -> None:
    settings.INTEGRATIONS_WEBHOOK_REPLAYS_PER_HOUR = 2
    endpoint, other = make_endpoint(), make_endpoint()
    for one in (endpoint, other):
        make_delivery(one)
    begin(ReplayFilter(endpoint=endpoint))
    with pytest.raises(IntegrationError) as refused:
        begin(ReplayFilter(endpoint=endpoint), expected_count=1)
    assert refused.value.code == "webhook_replay_running"
    begin(ReplayFilter(endpoint=other))
    WebhookReplay.objects.update(state=ReplayState.FINISHED)
    with pytest.raises(IntegrationError) as refused:
        begin(ReplayFilter(endpoint=endpoint), expected_count=1)
    assert refused.value.code == "webhook_replay_limit"
    WebhookReplay.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert begin(ReplayFilter(endpoint=endpoint))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"status": "lost"}, "status"),
        ({"includes_missed": True}, "endpoint"),
        ({"since": timezone.now(), "until": timezone.now() - timedelta(1)}, "since"),
        ({"since": timezone.now().replace(tzinfo=None)}, "since"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ReplayFilter(**values)
    assert refused.value.field == field


@pytest.mark.parametrize("rate", [0, -1, 1001, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(InvalidInput):
        begin(ReplayFilter(endpoint=make_endpoint()), rate_per_second=rate)


def test_what_an_endpoint_missed_is_sent_in_a_series_of_its_own() -> None:
    endpoint = make_endpoint(business="a", event_types=["payment.*"])
    got = make_delivery(endpoint, event_type="payment.failed")
    missed = [make_message("payment.failed", business="a") for _ in range(2)]
    for event_type, business in (
        ("invoice.paid", "a"), ("payment.failed", "b"),
    ):  # fmt: skip
        make_message(event_type, business=business)
    make_message("payment.failed", business="a", is_directed=True)
    WebhookMessage.objects.filter(pk=make_message("payment.x", business="a").pk).update(body=None)
    assert count_replay(ReplayFilter(endpoint=endpoint)) == 1
    replay = begin(ReplayFilter(endpoint=endpoint, includes_missed=True), rate_per_second=1.0)
    assert replay.total == 3
    run_out(replay)
    assert (replay.done, replay.state) == (3, ReplayState.FINISHED)
    assert state_of(got) == ("retrying", "due", True)
    new = WebhookEvent.objects.exclude(pk=got.pk)
    assert {event.message_id for event in new} == {message.pk for message in missed}
    assert {state_of(event) for event in new} == {("pending", "due", False)}


def test_an_endpoint_of_every_business_missed_those_of_all() -> None:
    endpoint = make_endpoint(every_business=True)
    make_message(business="a")
    make_message(business="b")
    assert count_replay(ReplayFilter(endpoint=endpoint, includes_missed=True)) == 2


def test_one_whose_endpoint_is_switched_off_waits_for_it() -> None:
    endpoint = make_endpoint()
    make_delivery(endpoint)
    replay = begin(ReplayFilter(endpoint=endpoint))
    WebhookEndpoint.objects.update(is_active=False)
    outcome = turn(replay)
    assert isinstance(outcome, work.Again)
    assert (outcome.count_attempt, replay.state, replay.done) == (False, "running", 0)
    WebhookEndpoint.objects.update(is_active=True)
    run_out(replay)
    assert replay.done == 1
