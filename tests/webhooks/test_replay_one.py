"""One delivery made again by hand, and dead letters that begin anew."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db.models.functions import Now

from integrations import work
from integrations.exceptions import IntegrationError
from integrations.models import AuditEntry, DisabledReason, WebhookEvent, WebhookMessage
from integrations.webhooks.again import CountChanged, dead_letters, retry_dead
from integrations.webhooks.replay import deliver_again
from tests.webhooks.deliveries import is_due, make_delivery, make_endpoint, state_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def actor() -> Any:
    return get_user_model().objects.create_user("wanjiku")


@pytest.mark.parametrize("status", ["delivered", "failed"])
def test_one_that_has_ended_gets_a_single_try_by_hand(status: str, actor: Any) -> None:
    event = make_delivery(make_endpoint(), status)
    answer = deliver_again(event, actor=actor)
    assert answer.is_due
    assert state_of(event) == ("retrying", "due", True)
    assert event.attempts == 3, "the tries that were made go on being counted"
    assert is_due(event)


@pytest.mark.parametrize("status", ["pending", "retrying"])
def test_one_that_waits_goes_now_and_keeps_its_series(status: str, actor: Any) -> None:
    event = make_delivery(make_endpoint(), status)
    assert deliver_again(event, actor=actor).is_due
    assert state_of(event) == (status, "due", False)
    assert is_due(event)


def test_one_that_is_due_keeps_its_place(actor: Any) -> None:
    event = make_delivery(make_endpoint(), "pending")
    before = WebhookEvent.objects.get(pk=event.pk).next_attempt_at
    deliver_again(event, actor=actor)
    event.refresh_from_db()
    assert event.next_attempt_at == before


def test_one_in_a_dispatchers_hands_is_left_alone(actor: Any) -> None:
    event = make_delivery(make_endpoint(), "retrying", **work.lease_expressions(60))
    before = WebhookEvent.objects.filter(pk=event.pk).values().get()
    answer = deliver_again(event, actor=actor)
    assert (answer.is_due, answer.sentence) == (False, "It is being delivered right now.")
    assert WebhookEvent.objects.filter(pk=event.pk).values().get() == before
    assert not AuditEntry.objects.filter(action="webhook_event.delivered_again").exists()


def test_the_trail_names_who_wanted_it(actor: Any) -> None:
    event = make_delivery(make_endpoint(business="branch-7"))
    deliver_again(event, actor=actor)
    entry = AuditEntry.objects.get(action="webhook_event.delivered_again")
    assert (entry.actor, entry.business, entry.object_id) == (actor, "branch-7", str(event.pk))


def test_an_endpoint_that_is_off_refuses_in_words(actor: Any) -> None:
    endpoint = make_endpoint(is_active=False, disabled_reason=DisabledReason.GONE)
    event = make_delivery(endpoint)
    with pytest.raises(IntegrationError, match="it answered 410 Gone") as refused:
        deliver_again(event, actor=actor)
    assert refused.value.code == "webhook_endpoint_off"
    assert state_of(event) == ("failed", "dead", False)


def test_a_body_that_retention_took_can_not_be_sent(actor: Any) -> None:
    event = make_delivery(make_endpoint())
    WebhookMessage.objects.update(body=None)
    with pytest.raises(IntegrationError) as refused:
        deliver_again(event, actor=actor)
    assert refused.value.code == "webhook_body_dropped"


def test_a_paused_endpoint_says_that_it_waits(actor: Any) -> None:
    event = make_delivery(make_endpoint(is_paused=True))
    assert "resumed" in deliver_again(event, actor=actor).sentence


def test_an_open_breaker_says_until_when(actor: Any) -> None:
    event = make_delivery(make_endpoint(lane={"open_until": Now() + timedelta(minutes=9)}))
    assert "breaker closes, at" in deliver_again(event, actor=actor).sentence


def test_dead_letters_begin_anew_with_their_status() -> None:
    endpoint = make_endpoint()
    dead = [make_delivery(endpoint, is_manual=True) for _ in range(3)]
    rest = make_delivery(endpoint, "delivered")
    assert work.retry_dead(WebhookEvent.objects.all()) == 3
    for event in dead:
        assert state_of(event) == ("pending", "due", False)
        assert event.attempts == 0
    assert state_of(rest) == ("delivered", "done", False)


def test_a_row_that_waits_keeps_its_status_when_it_is_scheduled_sooner() -> None:
    event = make_delivery(make_endpoint(), "retrying", is_manual=True)
    work.schedule(event)
    assert state_of(event) == ("retrying", "due", True)
    assert event.attempts == 3


def test_dead_letters_are_tried_again_only_by_the_number_that_was_shown() -> None:
    on, off = make_endpoint(), make_endpoint(is_active=False)
    dead = make_delivery(on)
    make_delivery(off)
    gone = make_delivery(on)
    WebhookMessage.objects.filter(pk=gone.message_id).update(body=None)
    rows = dead_letters(None)
    with pytest.raises(CountChanged, match="There are 1 of them now"):
        retry_dead(rows, expected_count=2, actor=None)
    assert retry_dead(rows, expected_count=1, actor=None) == 1
    assert state_of(dead) == ("pending", "due", False)
    assert AuditEntry.objects.filter(action="webhook_event.retried").count() == 1
