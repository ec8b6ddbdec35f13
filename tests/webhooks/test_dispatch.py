"""Deliveries from the row to a real receiver and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import formatdate
from typing import Any

import pytest
from django.db import DataError, OperationalError
from django.utils import timezone
from standardwebhooks import Webhook

from integrations import metrics, work
from integrations.models import (
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    WebhookLane,
    WebhookMessage,
)
from integrations.outbound.tokens import tokens
from integrations.webhooks.dispatch import close_desk, storing
from integrations.webhooks.dispatch.desk import own_desk as own_desk_now
from integrations.webhooks.dispatch.turn import Turn
from integrations.webhooks.plan import EndpointPlan
from tests.hunt.plants import planted
from tests.outbound.servers import LoopbackServer, Reply, answer, drop, in_turn
from tests.webhooks.endpoints import make_endpoint
from tests.webhooks.receivers import (
    EVENT,
    dispatch,
    endpoint_at,
    make_due,
    numbers,
    publish_many,
    receiver,
)
from tests.webhooks.vectors import A

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def own_desk() -> Iterator[None]:
    yield
    close_desk()


@pytest.fixture
def shop(settings: Any) -> Iterator[LoopbackServer]:
    with receiver(settings) as server:
        yield server


def only() -> WebhookEvent:
    return WebhookEvent.objects.get()


def wait_of(row: WebhookEvent) -> float:
    assert row.next_attempt_at is not None
    return (row.next_attempt_at - timezone.now()).total_seconds()


def _wants(token: str) -> Reply:
    """A receiver that takes only this access token."""

    def reply(handler: Any, request: Any) -> None:
        is_right = request.headers["Authorization"] == f"Bearer {token}"
        answer(200 if is_right else 401)(handler, request)

    return reply


@contextmanager
def token_server(settings: Any, *names: str) -> Iterator[LoopbackServer]:
    """Gives out these tokens one after another."""
    tokens.forget()
    grants = [
        answer(body=json.dumps({"access_token": name, "expires_in": 3600}).encode())
        for name in names
    ]
    with receiver(settings, in_turn(*grants)) as server:
        yield server
    tokens.forget()


def client_of(shop: LoopbackServer, server: LoopbackServer) -> WebhookEndpoint:
    """An endpoint that wants a token of `server`."""
    return make_endpoint(
        url=shop.url("/hook"), auth="oauth2", token_url=server.url("/token"), client_id="hub",
        client_secret=planted("consumer secret"),
    )  # fmt: skip


def test_an_event_is_delivered_signed_and_its_rows_say_so(shop: LoopbackServer) -> None:
    endpoint = endpoint_at(shop)
    publish_many(1)
    dispatch()
    (request,) = shop.requests
    verified = Webhook(A).verify(request.body, {k.lower(): v for k, v in request.headers.items()})
    assert (verified["type"], verified["data"]) == (EVENT, {"number": 0})

    row = only()
    assert (row.status, row.work_state, row.attempts) == ("delivered", "done", 1)
    assert (row.last_error, row.next_attempt_at, row.claim_token) == (None, None, "")
    assert row.delivered_at is not None
    assert abs(timezone.now() - row.delivered_at) < timedelta(seconds=20)
    assert row.updated_at >= row.created_at

    attempt = WebhookAttempt.objects.get()
    assert (attempt.event_id, attempt.endpoint_id, attempt.number) == (row.pk, endpoint.pk, 1)
    assert (attempt.outcome, attempt.status_code, attempt.trigger) == ("delivered", 200, "auto")
    assert attempt.response_body == '{"ok": true}'
    assert attempt.response_bytes == 12
    assert attempt.request_headers["webhook-id"] == row.message.message_id
    assert "Authorization" not in json.dumps(attempt.request_headers)
    lane = WebhookLane.objects.get()
    assert (lane.claim_token, lane.lease_until, lane.last_status) == ("", None, 200)


def test_the_time_in_the_body_is_that_of_the_event(shop: LoopbackServer) -> None:
    endpoint_at(shop)
    publish_many(1)
    dispatch()
    told = datetime.fromisoformat(json.loads(shop.requests[0].body)["timestamp"])
    # To the microsecond, wherever this machine is.
    assert told == WebhookMessage.objects.get().occurred_at


def test_the_same_bytes_and_id_go_out_again(settings: Any) -> None:
    with receiver(settings, in_turn(answer(500), answer(200))) as server:
        endpoint_at(server)
        publish_many(1)
        dispatch()
        row = only()
        assert (row.status, row.work_state, row.attempts) == ("retrying", "due", 1)
        assert row.last_error == "Answered 500."
        assert 4 < wait_of(row) <= 6.5
        dispatch()
        assert len(server.requests) == 1
        make_due()
        dispatch()
        first, second = server.requests
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
    row = only()
    assert (row.status, row.attempts, row.last_error) == ("delivered", 2, None)
    rows = WebhookAttempt.objects.order_by("pk")
    assert [(a.number, a.status_code) for a in rows] == [(1, 500), (2, 200)]


def test_many_to_many(settings: Any) -> None:
    with receiver(settings) as one, receiver(settings) as two:
        for server in (one, two):
            endpoint_at(server)
        publish_many(120)
        dispatch()
        assert sorted(numbers(one)) == sorted(numbers(two)) == list(range(120))
    assert WebhookEvent.objects.filter(status="delivered").count() == 240
    assert WebhookAttempt.objects.count() == 240


def test_all_attempts_used_is_failed_and_a_dead_letter(settings: Any) -> None:
    settings.INTEGRATIONS_WEBHOOK_SCHEDULE = [1]
    with receiver(settings, answer(500)) as server:
        endpoint_at(server)
        publish_many(1)
        dispatch()
        make_due()
        dispatch()
    row = only()
    assert (row.status, row.work_state, row.attempts) == ("failed", "dead", 2)
    assert row.last_error == "Answered 500."
    assert row.next_attempt_at is None


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("3600", 3590, 3600),
        ("0", 55, 72),
        ("-1", 55, 72),
        (formatdate(4_000_000_000, usegmt=True), 35_990, 36_000),
        ("garbage", 55, 72),
    ],
)
def test_retry_after(settings: Any, text: str, least: float, most: float) -> None:
    with receiver(settings, answer(429, headers={"Retry-After": text})) as server:
        endpoint_at(server)
        publish_many(1)
        dispatch()
    assert least <= wait_of(only()) <= most


def test_410_fails_the_delivery_and_switches_the_endpoint_off(settings: Any) -> None:
    with receiver(settings, answer(410)) as server:
        endpoint = endpoint_at(server, max_concurrency=1)
        publish_many(3)
        dispatch()
        endpoint.refresh_from_db()
        assert (endpoint.is_active, endpoint.disabled_reason) == (False, "gone")
        dispatch()
        assert len(server.requests) == 1
    assert WebhookEvent.objects.filter(status="failed").count() == 1
    # The others wait for the endpoint.
    waiting = WebhookEvent.objects.filter(event_type=EVENT, status="pending", attempts=0)
    assert waiting.count() == 2


def test_a_forbidden_address_is_dead_and_names_no_address(settings: Any) -> None:
    with receiver(settings) as server:
        endpoint_at(server)
        publish_many(1)
        settings.OUTBOUND_ALLOWED_HOSTS = []
        dispatch()
        assert server.requests == []
    row = only()
    assert (row.status, row.work_state) == ("failed", "dead")
    assert row.last_error
    assert "127.0.0.1" not in row.last_error
    assert WebhookAttempt.objects.get().outcome == "blocked"


def test_a_receiver_that_closes_or_is_away_is_tried_again(settings: Any) -> None:
    with receiver(settings, drop) as server:
        endpoint_at(server)
        publish_many(1)
        dispatch()
        assert WebhookAttempt.objects.get().outcome == "lost"
    make_due()
    dispatch()
    assert WebhookAttempt.objects.latest("pk").outcome == "connect"
    assert only().status == "retrying"


@pytest.mark.parametrize("change", [{"is_paused": True}, {"is_active": False}])
def test_a_paused_or_disabled_endpoint_keeps_its_events(
    shop: LoopbackServer, change: dict[str, bool]
) -> None:
    endpoint = endpoint_at(shop)
    publish_many(2)
    WebhookEndpoint.objects.update(**change)
    dispatch()
    assert shop.requests == []
    assert WebhookEvent.objects.filter(status="pending", attempts=0).count() == 2
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(is_active=True, is_paused=False)
    dispatch()
    assert len(shop.requests) == 2


def test_a_try_by_hand_that_fails_begins_no_series(settings: Any) -> None:
    with receiver(settings, answer(500)) as server:
        endpoint_at(server)
        publish_many(1)
        WebhookEvent.objects.update(is_manual=True)
        dispatch()
    row = only()
    assert (row.status, row.work_state) == ("failed", "dead")
    assert WebhookAttempt.objects.get().trigger == "manual"


def test_a_body_that_is_no_longer_kept_is_dead(shop: LoopbackServer) -> None:
    endpoint_at(shop)
    publish_many(1)
    WebhookMessage.objects.update(body=None)
    dispatch()
    assert shop.requests == []
    row = only()
    assert (row.status, row.work_state) == ("failed", "dead")
    assert "no longer kept" in (row.last_error or "")


def test_odd_answers_are_stored(settings: Any) -> None:
    body = b"\x00\xff\xfe \xed\xa0\x80 password=hunter2 " + b"a" * 1000
    with receiver(
        settings, answer(500, body, {"Set-Cookie": "s=1", "X-Request-ID": "odd"})
    ) as server:
        endpoint_at(server)
        publish_many(1)
        dispatch()
    attempt = WebhookAttempt.objects.get()
    assert "\x00" not in attempt.response_body
    assert "hunter2" not in attempt.response_body
    assert attempt.response_headers["x-request-id"] == "odd"
    assert "set-cookie" not in attempt.response_headers


def test_an_endpoint_that_cannot_be_sent_to_burns_no_attempt(shop: LoopbackServer) -> None:
    # Its password was typed for another host.
    endpoint = endpoint_at(
        shop, auth="basic", username="hub", password=planted("initiator password")
    )
    publish_many(1)
    WebhookEndpoint.objects.update(secret_hosts=["elsewhere.example:443"])
    dispatch()
    assert shop.requests == []
    row = only()
    assert (row.status, row.attempts, row.work_state) == ("pending", 0, "due")
    lane = WebhookLane.objects.get(pk=endpoint.pk)
    assert lane.last_error
    assert lane.next_send_at is not None


def test_an_event_that_is_deleted_meanwhile_breaks_nothing(settings: Any) -> None:
    def reply(handler: Any, request: Any) -> None:
        WebhookEvent.objects.filter(pk=first).delete()
        answer(200)(handler, request)

    with receiver(settings, reply) as server:
        endpoint_at(server, max_concurrency=1)
        publish_many(2)
        first = WebhookEvent.objects.earliest("pk").pk
        dispatch()
    assert WebhookEvent.objects.filter(status="delivered").count() == 1
    assert WebhookAttempt.objects.count() == 1


def test_an_endpoint_that_is_deleted_meanwhile_breaks_nothing(settings: Any) -> None:
    def reply(handler: Any, request: Any) -> None:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).delete()
        answer(200)(handler, request)

    with receiver(settings, reply) as server:
        endpoint = endpoint_at(server, max_concurrency=1)
        publish_many(3)
        dispatch()
        assert len(server.requests) >= 1
    assert not WebhookEvent.objects.exists()
    assert not WebhookAttempt.objects.exists()


def test_what_is_stored_is_counted(shop: LoopbackServer) -> None:
    def count(outcome: str) -> float:
        return float(metrics.webhook_attempts.child((outcome,))._value.get())

    before = count("delivered")
    endpoint_at(shop)
    publish_many(3)
    dispatch()
    assert count("delivered") == before + 3


def test_a_result_that_comes_after_the_claim_was_lost_changes_no_row(settings: Any) -> None:
    def reply(handler: Any, request: Any) -> None:
        WebhookEvent.objects.update(claim_token="somebody-else", attempts=7)
        answer(200)(handler, request)

    with receiver(settings, reply) as server:
        endpoint_at(server)
        publish_many(1)
        dispatch()
    row = only()
    assert (row.status, row.attempts, row.claim_token) == ("pending", 7, "somebody-else")
    # The try was made all the same.
    assert WebhookAttempt.objects.count() == 1


def test_a_refused_access_token_is_renewed_and_the_delivery_tried_again_at_once(
    settings: Any,
) -> None:
    with receiver(settings, _wants("t2")) as shop, token_server(settings, "t1", "t2") as server:
        client_of(shop, server)
        publish_many(1)
        dispatch()
        assert [r.headers["Authorization"] for r in shop.requests] == ["Bearer t1", "Bearer t2"]
    assert (only().status, only().attempts) == ("delivered", 2)
    rows = WebhookAttempt.objects.order_by("pk")
    assert [(a.number, a.status_code) for a in rows] == [(1, 401), (2, 200)]


def test_an_endpoint_that_refuses_each_token_is_tried_by_the_schedule(settings: Any) -> None:
    with receiver(settings, answer(401)) as shop, token_server(settings, "t1", "t2") as server:
        client_of(shop, server)
        publish_many(1)
        dispatch()
        assert [r.headers["Authorization"] for r in shop.requests] == ["Bearer t1", "Bearer t2"]
    assert (only().status, only().attempts) == ("retrying", 2)
    assert wait_of(only()) > 200


def test_a_try_by_hand_gets_a_new_token_too(settings: Any) -> None:
    with receiver(settings, _wants("t2")) as shop, token_server(settings, "t1", "t2") as server:
        client_of(shop, server)
        publish_many(1)
        WebhookEvent.objects.update(is_manual=True)
        dispatch()
    assert only().status == "delivered"


def test_a_delivery_that_breaks_the_hub_holds_up_no_other(
    shop: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_at(shop)
    publish_many(3)
    bad = WebhookEvent.objects.earliest("pk")
    sound = EndpointPlan.build

    def build(self: EndpointPlan, message: Any, *, at: float) -> Any:
        if message.message_id == bad.message.message_id:
            raise ZeroDivisionError
        return sound(self, message, at=at)

    monkeypatch.setattr(EndpointPlan, "build", build)
    dispatch()
    assert WebhookEvent.objects.filter(status="delivered").count() == 2
    bad.refresh_from_db()
    assert (bad.work_state, bad.attempts) == ("dead", 1)
    assert bad.attempt_rows.get().outcome == "configuration"


def test_an_endpoint_that_breaks_the_hub_holds_up_no_other(
    shop: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = endpoint_at(shop)
    endpoint_at(shop)
    publish_many(2)
    sound = EndpointPlan.load

    def load(endpoint: WebhookEndpoint) -> EndpointPlan:
        if endpoint.pk == bad.pk:
            raise ZeroDivisionError
        return sound(endpoint)

    monkeypatch.setattr(EndpointPlan, "load", load)
    dispatch()
    assert WebhookEvent.objects.filter(status="delivered").count() == 2
    assert WebhookEvent.objects.filter(endpoint=bad, attempts=0, work_state="due").count() == 2
    assert WebhookLane.objects.get(pk=bad.pk).last_error


@pytest.mark.parametrize("error", [DataError, TypeError])
def test_a_result_that_the_database_refuses_takes_no_other_with_it(
    shop: LoopbackServer, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    endpoint_at(shop)
    publish_many(4)
    bad = WebhookEvent.objects.order_by("pk")[1]
    sound, away = storing.store_results, [OperationalError("away")]

    def store(results: Any, connection: Any) -> None:
        if bad.pk in [result.delivery.id for result in results]:
            raise error("value too long")
        if away and len(results) == 1:
            raise away.pop()
        sound(results, connection)

    monkeypatch.setattr(storing, "store_results", store)
    dispatch()
    assert WebhookEvent.objects.filter(status="delivered").count() == 3
    assert WebhookAttempt.objects.count() == 3
    assert WebhookLane.objects.get().lease_until is None


def test_a_turn_that_breaks_leaves_nothing_to_the_next(
    shop: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_at(shop)
    publish_many(3)
    monkeypatch.setattr(Turn, "_settle", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        dispatch()
    assert own_desk_now().courier.in_flight == 0
    monkeypatch.undo()
    WebhookLane.objects.update(lease_until=work.later(-1))
    make_due()
    dispatch()
    assert WebhookEvent.objects.filter(status="delivered").count() == 3


def test_nothing_due_is_no_turn(shop: LoopbackServer) -> None:
    endpoint_at(shop)
    assert dispatch() == 0


def test_the_claim_outlasts_the_longest_request() -> None:
    queue = work.get_queue("webhooks")
    assert queue.lease > queue.deadline_seconds
