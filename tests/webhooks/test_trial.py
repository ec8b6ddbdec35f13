"""A test is one real request, at once, whatever state the endpoint is in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from standardwebhooks import Webhook

from integrations.models import (
    AuditEntry,
    DomainEvent,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    WebhookLane,
    act_as,
    acting,
)
from integrations.outbound.tokens import tokens
from integrations.webhooks.trial import describe, send_test
from tests.hunt.plants import planted
from tests.outbound.servers import LoopbackServer, answer, drop, in_turn
from tests.webhooks.deliveries import SECRET, make_endpoint
from tests.webhooks.endpoints import make_endpoint as endpoint_with_host

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def receiver(settings: Any) -> Iterator[LoopbackServer]:
    server = LoopbackServer(answer(200, b"thanks", {"Set-Cookie": "session=1234567890"}))
    settings.OUTBOUND_ALLOWED_HOSTS = [server.place]
    yield server
    server.stop()


@pytest.fixture
def at(receiver: LoopbackServer) -> Callable[..., WebhookEndpoint]:
    """Makes an endpoint at the receiver."""

    def make(**values: Any) -> WebhookEndpoint:
        return make_endpoint(receiver.url("/in"), **values)

    return make


def stored() -> tuple[WebhookEvent, WebhookAttempt]:
    return WebhookEvent.objects.get(), WebhookAttempt.objects.get()


def test_it_is_signed_sent_and_stored(at: Any, receiver: LoopbackServer) -> None:
    actor = get_user_model().objects.create_user("wanjiku")
    endpoint = at(business="branch-7")
    with acting(actor):
        act_as(actor, through="API token till (bit_abcd…)")
        result = send_test(endpoint, actor=actor)
    (request,) = receiver.requests
    told = Webhook(SECRET).verify(request.body, {k.lower(): v for k, v in request.headers.items()})
    assert told["type"] == "webhook.test"
    assert (told["data"]["endpoint_id"], told["data"]["requested_by"]) == (endpoint.pk, "wanjiku")
    event, attempt = stored()
    assert event.message.is_directed, "no other endpoint has missed it"
    assert attempt == result
    assert (attempt.trigger, attempt.outcome, attempt.status_code, attempt.number) == (
        "test", "delivered", 200, 1,
    )  # fmt: skip
    assert attempt.response_body == "thanks"
    assert "session=" not in json.dumps([attempt.response_headers, attempt.request_headers])
    assert attempt.request_headers["webhook-id"] == event.message.message_id
    assert (event.status, event.work_state, event.attempts) == ("delivered", "done", 1)
    assert event.delivered_at is not None
    assert (event.lease_until, event.claim_token, event.next_attempt_at) == (None, "", None)
    assert describe(attempt).startswith("Delivered with status 200 in ")
    entry = AuditEntry.objects.get(action="webhook_endpoint.tested")
    assert (entry.actor, entry.business) == (actor, "branch-7")


@pytest.mark.parametrize(
    "values",
    [
        {"is_active": False, "disabled_reason": "gone"},
        {"is_paused": True},
        {"event_types": ["payment.*"]},
    ],
    ids=["off", "paused", "does not want it"],
)
def test_neither_switch_nor_filter_are_asked(
    values: dict[str, Any], at: Any, receiver: LoopbackServer
) -> None:
    assert send_test(at(**values), actor=None).outcome == "delivered"
    assert len(receiver.requests) == 1


def test_no_other_endpoint_and_no_listener_hears_of_it(at: Any, receiver: LoopbackServer) -> None:
    at(every_business=True)
    send_test(at(), actor=None)
    assert len(receiver.requests) == WebhookEvent.objects.count() == 1
    assert not DomainEvent.objects.exists()


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [(answer(500), "http_error"), (answer(410), "http_error"), (drop, "lost")],
    ids=["500", "410", "dropped"],
)
def test_a_failed_one_is_told_and_never_tried_again(
    reply: Any, outcome: str, at: Any, receiver: LoopbackServer
) -> None:
    receiver.reply = reply
    endpoint = at()
    attempt = send_test(endpoint, actor=None)
    assert attempt.outcome == outcome
    event = WebhookEvent.objects.get()
    assert (event.status, event.work_state, event.next_attempt_at) == ("failed", "done", None)
    assert event.last_error
    endpoint.refresh_from_db()
    assert endpoint.is_active, "a test changes nothing about how the endpoint fares"
    assert WebhookLane.objects.get().consecutive_failures == 0


def test_the_address_is_guarded_as_everywhere(
    at: Any, receiver: LoopbackServer, settings: Any
) -> None:
    settings.OUTBOUND_ALLOWED_HOSTS = []
    attempt = send_test(at(), actor=None)
    assert attempt.outcome == "blocked"
    assert not receiver.requests
    assert "127.0.0.1" not in attempt.error


def test_settings_that_can_not_be_sent_with_are_an_outcome_too(
    at: Any, receiver: LoopbackServer
) -> None:
    endpoint = at(auth="basic", username="erp", password="s3cret-word")  # typed for no host
    attempt = send_test(endpoint, actor=None)
    assert attempt.outcome == "configuration"
    assert not receiver.requests
    assert attempt.error
    assert "s3cret" not in attempt.error


def test_a_refused_access_token_is_replaced_within_the_test(
    receiver: LoopbackServer, settings: Any
) -> None:
    tokens.forget()
    grants = [answer(body=b'{"access_token": "%s"}' % name) for name in (b"t1", b"t2", b"t3")]
    server = LoopbackServer(in_turn(*grants))
    settings.OUTBOUND_ALLOWED_HOSTS = [receiver.place, server.place]
    receiver.reply = in_turn(answer(401), answer(200), answer(401))
    endpoint = endpoint_with_host(
        url=receiver.url("/in"), auth="oauth2", token_url=server.url("/token"), client_id="hub",
        client_secret=planted("consumer secret"),
    )  # fmt: skip
    try:
        assert send_test(endpoint, actor=None).outcome == "delivered"
        assert send_test(endpoint, actor=None).status_code == 401
    finally:
        server.stop()
        tokens.forget()
    used = [request.headers["Authorization"] for request in receiver.requests]
    assert used == ["Bearer t1", "Bearer t2", "Bearer t2", "Bearer t3"]


def test_inside_a_transaction_nothing_is_sent(at: Any, receiver: LoopbackServer) -> None:
    endpoint = at()
    with transaction.atomic(), pytest.raises(RuntimeError):
        send_test(endpoint, actor=None)
    assert not receiver.requests
    assert not WebhookEvent.objects.exists()


def test_no_dispatcher_takes_it_meanwhile(at: Any, receiver: LoopbackServer) -> None:
    seen: list[dict[str, Any]] = []

    def look(handler: Any, request: Any) -> None:
        seen.append({})
        answer(200)(handler, request)

    receiver.reply = look
    endpoint = at()
    before = WebhookEvent.objects.filter(next_attempt_at__isnull=False)
    send_test(endpoint, actor=None)
    assert len(seen) == 1
    assert not before.exists()
