"""Retention: bodies, attempts, deliveries by age, in batches, and never what still waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from integrations import work
from integrations.models import (
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    WebhookFormerSecret,
    WebhookMessage,
    WebhookReplay,
)
from integrations.webhooks import retention
from integrations.webhooks.retention import Run, purge_webhooks
from tests.webhooks.deliveries import SECRET, make_delivery, make_endpoint, make_message, state_of

pytestmark = pytest.mark.django_db


def quick(**options: Any) -> Run:
    return Run(sleep=lambda _seconds: None, **options)


def purge() -> dict[str, int]:
    return purge_webhooks(quick())


def attempt(event: WebhookEvent, *, days: float) -> WebhookAttempt:
    return WebhookAttempt.objects.create(
        event=event, endpoint_id=event.endpoint_id, number=1, trigger="auto", outcome="delivered",
        duration_ms=1, started_at=timezone.now() - timedelta(days=days),
    )  # fmt: skip


def test_bodies_go_first_then_attempts_then_everything(settings: Any) -> None:
    settings.INTEGRATIONS_WEBHOOK_BODY_DAYS = 10
    settings.INTEGRATIONS_WEBHOOK_ATTEMPT_DAYS = 20
    settings.INTEGRATIONS_WEBHOOK_DELIVERY_DAYS = 30
    endpoint = make_endpoint()
    events = {days: make_delivery(endpoint, "delivered", days=days) for days in (35, 25, 15, 5)}
    for days, event in events.items():
        attempt(event, days=days)
    counts = purge()
    assert counts == {
        "given_up": 0, "bodies": 3, "attempts": 2, "deliveries": 1, "messages": 1, "replays": 0,
        "former_keys": 0,
    }  # fmt: skip
    left = WebhookEvent.objects.values_list("pk", flat=True)
    assert set(left) == {events[25].pk, events[15].pk, events[5].pk}
    with_attempt = WebhookAttempt.objects.values_list("event", flat=True)
    assert set(with_attempt) == {events[15].pk, events[5].pk}
    with_body = WebhookMessage.objects.exclude(body=None).values_list("pk", flat=True)
    assert set(with_body) == {events[5].message_id}
    assert set(purge().values()) == {0}


def test_a_dead_letter_goes_as_what_was_delivered_does() -> None:
    make_delivery(make_endpoint(), "failed", days=100)
    assert purge()["deliveries"] == 1


@pytest.mark.parametrize("status", ["pending", "retrying"])
def test_what_waits_stays_with_its_body(status: str) -> None:
    for endpoint in (make_endpoint(is_paused=True), make_endpoint()):
        make_delivery(endpoint, status, days=400)
    assert set(purge().values()) == {0}
    assert WebhookEvent.objects.count() == WebhookMessage.objects.exclude(body=None).count() == 2


def test_what_a_dispatcher_has_in_hand_stays() -> None:
    endpoint = make_endpoint(is_active=False)
    make_delivery(endpoint, "retrying", days=400, **work.lease_expressions(60))
    assert set(purge().values()) == {0}


def test_a_message_stays_while_one_of_its_deliveries_waits() -> None:
    message = make_message(days=400)
    done = make_delivery(make_endpoint(), "delivered", message=message, days=400)
    waiting = make_delivery(make_endpoint(), "retrying", message=message, days=400)
    purge()
    assert not WebhookEvent.objects.filter(pk=done.pk).exists()
    waiting.refresh_from_db()
    assert waiting.message.body is not None


def test_what_an_endpoint_held_that_is_off_is_given_up_in_words() -> None:
    endpoint = make_endpoint(is_active=False, disabled_reason="failing")
    then = timezone.now() - timedelta(days=31)
    old = make_delivery(endpoint, "pending", next_attempt_at=then, days=31)
    young = make_delivery(endpoint, "pending")
    counts = purge()
    assert (counts["given_up"], counts["bodies"]) == (1, 1)
    assert state_of(old) == ("failed", "dead", False)
    expected = "Given up by retention: the endpoint was off, it failed for too long."
    assert old.last_error == old.work_error == expected
    assert state_of(young) == ("pending", "due", False)


def test_messages_that_nobody_wanted_go_too() -> None:
    make_message(days=100)
    make_message(days=1)
    assert purge()["messages"] == 1


def test_replays_that_ended_go_by_age() -> None:
    old = timezone.now() - timedelta(days=100)
    for state in ("finished", "cancelled", "running"):
        row = WebhookReplay.objects.create(state=state)
        WebhookReplay.objects.filter(pk=row.pk).update(created_at=old)
    assert purge()["replays"] == 2
    assert WebhookReplay.objects.get().state == "running"


def test_keys_that_sign_no_more_go() -> None:
    for hours in (-1, 1):
        WebhookFormerSecret.objects.create(
            endpoint=make_endpoint(), kind="v1", key=SECRET,
            expires_at=timezone.now() + timedelta(hours=hours),
        )  # fmt: skip
    assert purge()["former_keys"] == 1
    assert WebhookFormerSecret.objects.get().expires_at > timezone.now()


def test_many_batches_pass_over_what_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    endpoint = make_endpoint()
    for number in range(9):
        make_delivery(endpoint, "retrying" if number % 3 == 0 else "delivered", days=100)
    counts = purge()
    assert (counts["bodies"], counts["deliveries"], counts["messages"]) == (6, 6, 6)
    assert set(WebhookEvent.objects.values_list("status", flat=True)) == {"retrying"}
    assert set(purge().values()) == {0}


def test_bodies_of_one_instant_are_all_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for number in range(5):
        status = "retrying" if number < 3 else "delivered"
        make_delivery(make_endpoint(), status, days=100)
    # By the database's clock, which has fewer digits on SQLite than Python's.
    WebhookMessage.objects.update(created_at=Now() - timedelta(days=50))
    assert purge()["bodies"] == 2


def test_a_run_has_an_end_and_leaves_the_rest_to_the_next() -> None:
    for _ in range(3):
        make_delivery(make_endpoint(), "delivered", days=100)
    ticks = iter(range(1000))
    run = quick(seconds=5, clock=lambda: float(next(ticks)))
    assert sum(purge_webhooks(run).values()) < 9
    assert set(purge().values()) != {0}


def test_others_get_a_turn_after_each_batch() -> None:
    make_delivery(make_endpoint(), "delivered", days=100)
    pauses: list[float] = []
    purge_webhooks(Run(sleep=pauses.append))
    assert len(pauses) == 3, "one batch of bodies, deliveries and messages each"
    assert min(pauses) >= retention.SHORTEST_PAUSE


def test_it_is_a_periodic_job() -> None:
    assert "purge-webhooks" in {job.name for job in work.periodic_jobs()}


def test_what_was_revived_meanwhile_stays() -> None:
    endpoint = make_endpoint()
    event = make_delivery(endpoint, "failed", days=100)
    work.retry_dead(WebhookEvent.objects.all())
    assert retention._remove_deliveries([event.pk]) == 0
    assert WebhookEndpoint.objects.get().events.get() == event
