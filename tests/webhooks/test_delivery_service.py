"""The documented service: the names of the original project, on the durable queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.db.models.functions import Now

from integrations import work
from integrations.exceptions import InvalidInput
from integrations.models import WebhookAttempt, WebhookEvent, WebhookLane, WebhookMessage
from integrations.services import WebhookDeliveryService as Service
from tests.outbound.servers import LoopbackServer, answer
from tests.webhooks.deliveries import is_due, make_delivery, make_endpoint, state_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def receiver(settings: Any) -> Iterator[LoopbackServer]:
    server = LoopbackServer(answer(200))
    settings.OUTBOUND_ALLOWED_HOSTS = [server.place]
    yield server
    server.stop()


@pytest.fixture
def event(receiver: LoopbackServer) -> WebhookEvent:
    return make_delivery(make_endpoint(receiver.url("/in")), "pending")


def test_the_documented_names_and_limits(settings: Any) -> None:
    assert (Service.MAX_ATTEMPTS, Service.TIMEOUT) == (10, 15)
    settings.INTEGRATIONS_WEBHOOK_SCHEDULE = [5, 60]
    assert Service.MAX_ATTEMPTS == 3
    for name in ("deliver_event", "schedule_delivery"):
        assert callable(getattr(Service, name))


def test_an_event_is_delivered_at_once(event: WebhookEvent, receiver: LoopbackServer) -> None:
    assert Service.deliver_event(event.pk) is True
    (request,) = receiver.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["x-webhook-event"] == "invoice.paid"
    assert {"x-webhook-timestamp", "x-webhook-signature", "webhook-id"} <= headers.keys()
    assert state_of(event) == ("delivered", "done", False)
    assert event.attempts == 1
    attempt = WebhookAttempt.objects.get()
    assert (attempt.trigger, attempt.outcome, attempt.number) == ("auto", "delivered", 1)
    assert WebhookLane.objects.get().last_success_at is not None
    assert Service.deliver_event(str(event.pk)) is True, "it was delivered before"
    assert len(receiver.requests) == 1


def test_an_event_is_made_as_the_original_made_it(receiver: LoopbackServer) -> None:
    endpoint = make_endpoint(receiver.url("/in"), business="branch-7")
    event = WebhookEvent.objects.create(
        endpoint=endpoint, event_type="order.shipped", payload={"order": "Wanjikũ"}
    )
    assert event.payload == {"order": "Wanjikũ"}
    assert WebhookEvent.objects.filter(status="pending").get().payload == event.payload
    Service.schedule_delivery(event.pk)
    work.drain("webhooks", budget_seconds=10)
    found = WebhookEvent.objects.filter(status="delivered").get()
    assert (found.attempts, found.last_error, found.message.business) == (1, None, "branch-7")
    assert json.loads(receiver.requests[0].body)["data"] == event.payload
    with pytest.raises(AttributeError):
        found.payload = {"order": "another"}
    found.save()
    assert WebhookMessage.objects.count() == 1


@pytest.mark.parametrize(
    ("event_type", "payload"), [("order.shipped", {"x": float("nan")}), ("a\r\nb", {})]
)
def test_what_can_not_be_sent_is_not_made(event_type: str, payload: Any) -> None:
    endpoint = make_endpoint()
    with pytest.raises(InvalidInput):
        WebhookEvent.objects.create(endpoint=endpoint, event_type=event_type, payload=payload)
    assert not WebhookEvent.objects.exists()
    assert not WebhookMessage.objects.exists()


def test_a_message_goes_with_the_row_that_could_not_be_stored() -> None:
    stored = make_delivery(make_endpoint())
    event = WebhookEvent(
        pk=stored.pk, endpoint=stored.endpoint, event_type="order.shipped", payload={}
    )
    with pytest.raises(DatabaseError):
        event.save(force_insert=True)
    assert WebhookMessage.objects.get() == stored.message


def test_one_that_failed_goes_on_by_the_schedule(
    event: WebhookEvent, receiver: LoopbackServer
) -> None:
    receiver.reply = answer(503)
    assert Service.deliver_event(event.pk) is False
    assert state_of(event) == ("retrying", "due", False)
    assert event.last_error
    assert not is_due(event), "the schedule decides when"
    assert WebhookLane.objects.get().consecutive_failures == 1


def test_one_that_had_ended_gets_a_single_try(
    event: WebhookEvent, receiver: LoopbackServer
) -> None:
    WebhookEvent.objects.update(status="failed", work_state="dead", next_attempt_at=None)
    receiver.reply = answer(500)
    assert Service.deliver_event(event.pk) is False
    assert state_of(event) == ("failed", "dead", True)
    assert WebhookAttempt.objects.get().trigger == "manual"


def test_what_can_not_be_delivered_is_false(receiver: LoopbackServer) -> None:
    off = make_delivery(make_endpoint(receiver.url(), is_active=False), "pending")
    paused = make_delivery(make_endpoint(receiver.url(), is_paused=True), "pending")
    gone = make_delivery(make_endpoint(receiver.url()), "pending")
    WebhookMessage.objects.filter(pk=gone.message_id).update(body=None)
    for pk in (off.pk, paused.pk, gone.pk, 0, "no number", None):
        assert Service.deliver_event(pk) is False
    assert not receiver.requests


def test_one_in_other_hands_is_waited_for_and_not_sent_twice(
    event: WebhookEvent, receiver: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    WebhookEvent.objects.update(**work.lease_expressions(60))

    def the_dispatcher_ends(_seconds: float) -> None:
        WebhookEvent.objects.update(status="delivered", work_state="done", next_attempt_at=None)

    monkeypatch.setattr("integrations.webhooks.delivery_service.time.sleep", the_dispatcher_ends)
    assert Service.deliver_event(event.pk) is True
    assert not receiver.requests


def test_inside_a_transaction_it_is_due_after_the_commit(
    event: WebhookEvent, receiver: LoopbackServer
) -> None:
    WebhookEvent.objects.update(status="retrying", next_attempt_at=Now() + timedelta(hours=1))
    with transaction.atomic():
        assert Service.deliver_event(event.pk) is False
    assert not receiver.requests
    assert is_due(event)


def test_scheduling_answers_a_job_and_a_worker_delivers(
    event: WebhookEvent, receiver: LoopbackServer
) -> None:
    job = Service.schedule_delivery(event.pk)
    assert isinstance(job, str)
    assert str(event.pk) in job
    assert not receiver.requests
    work.drain("webhooks", budget_seconds=10)
    assert state_of(event)[0] == "delivered"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("pk", [0, "x", None])
def test_an_unknown_event_can_not_be_scheduled(pk: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        Service.schedule_delivery(pk)
    assert refused.value.field == "event_id"


def test_an_ordered_endpoint_gets_its_events_in_order(
    receiver: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = make_endpoint(receiver.url(), is_ordered=True)
    first, second = make_delivery(endpoint, "pending"), make_delivery(endpoint, "pending")
    monkeypatch.setattr(
        "integrations.webhooks.delivery_service.time.sleep",
        lambda _seconds: work.drain("webhooks", budget_seconds=10),
    )
    assert Service.deliver_event(second.pk) is True
    sent = [request.headers["webhook-id"] for request in receiver.requests]
    assert sent == [first.message.message_id, second.message.message_id]
