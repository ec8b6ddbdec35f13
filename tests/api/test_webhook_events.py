"""Deliveries and replays over HTTP: read, never edited, made again on purpose."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.api.webhook_event_views import OWN_TYPES
from integrations.api.webhook_times import first_key
from integrations.events.catalogue import event_types
from integrations.models import (
    AuditEntry,
    DomainEvent,
    WebhookEndpoint,
    WebhookEvent,
    WebhookReplay,
)
from tests.api.webhook_clients import API, delivery, endpoint, program

pytestmark = pytest.mark.django_db(transaction=True)
LIST, REPLAY = f"{API}/webhook-events/", f"{API}/webhook-events/replay/"
SHIPPED = {"event_type": "order.shipped", "payload": {"order": "SO-17"}}
FAILED: dict[str, Any] = {"status": "failed", "work_state": "dead", "next_attempt_at": None}


def test_a_delivery_has_the_documented_keys() -> None:
    event = delivery(endpoint(business="a"))
    shown = program("a").get(f"{LIST}{event.pk}/").data
    assert shown["payload"] == {"amount": "10.00"}
    assert shown["endpoint"]["name"] == "ERP"
    assert {"id", "event_type", "status", "attempts", "last_error", "created_at", "updated_at"} <= (
        set(shown)
    )
    assert shown["message_id"] == event.message.message_id


def test_filters_narrow() -> None:
    row, other = endpoint(), endpoint()
    old, event = delivery(other, **FAILED), delivery(row)
    long_ago = timezone.now() - timedelta(days=9)
    WebhookEvent.objects.filter(pk=old.pk).update(created_at=long_ago)
    hub = program()
    day_ago = (timezone.now() - timedelta(days=1)).isoformat().replace("+", "%2B")
    both = [event.pk, old.pk]
    for query, expected in (
        ("", both), (f"endpoint={row.pk}", [event.pk]), ("status=failed", [old.pk]),
        ("status=failed&status=pending", both), ("event_type=payment.failed", []),
        (f"since={day_ago}", [event.pk]), (f"until={day_ago}", [old.pk]),
        ("business=", both), ("business=b", []), ("endpoint=99999999999999999999", []),
        ("endpoint=0.5", []),
    ):  # fmt: skip
        found = hub.get(f"{LIST}?{query}")
        assert found.status_code == 200, (query, found.data)
        assert [each["id"] for each in found.data["results"]] == expected, query
    for query in ("status=lost", "since=yesterday", "colour=red", "endpoint=x"):
        assert hub.get(f"{LIST}?{query}").status_code == 400, query


def test_a_span_of_time_is_found_by_keys() -> None:
    row = endpoint()
    events = [delivery(row) for _ in range(8)]
    begin = timezone.now() - timedelta(days=8)
    for number, event in enumerate(events):
        at = begin + timedelta(days=number)
        WebhookEvent.objects.filter(pk=event.pk).update(created_at=at)
    events[3].delete()
    for number, event in enumerate(events):
        expected = events[4] if number == 3 else event
        assert first_key(begin + timedelta(days=number, hours=-1)) <= expected.pk
        assert first_key(begin + timedelta(days=number, hours=1)) > (event.pk or 0)
    assert first_key(timezone.now()) == events[-1].pk + 1


def test_what_was_sent_is_never_edited() -> None:
    event = delivery(endpoint())
    hub = program()
    for path in (LIST, f"{LIST}{event.pk}/"):
        for method in ("put", "patch", "delete"):
            answer = getattr(hub, method)(path, {"payload": {}})
            assert answer.status_code == 405
            assert "never edited" in answer.data["error"]["detail"]
    assert "GET" in hub.delete(f"{LIST}{event.pk}/").headers["Allow"]


def test_publishing_reaches_that_endpoint_only() -> None:
    row = endpoint(business="a", event_types=["payment.*"])
    endpoint(business="a")
    hub = program("a")
    wish = {**SHIPPED, "endpoint_id": row.pk}
    answer = hub.post(LIST, wish, headers={"Idempotency-Key": "a"})
    assert answer.status_code == 201, answer.data
    again = hub.post(LIST, wish, headers={"Idempotency-Key": "a"})
    assert again.data["id"] == answer.data["id"]
    event = WebhookEvent.objects.get()
    assert (event.endpoint, event.payload) == (row, {"order": "SO-17"})
    assert bytes(event.message.body or b"") == b'{"order":"SO-17"}'
    assert DomainEvent.objects.get(event_type="order.shipped").business == "a"
    entry = AuditEntry.objects.get(action="webhook_event.published")
    assert (entry.business, entry.object_id) == ("a", str(event.pk))
    assert event.message.message_id in entry.detail and entry.actor is not None


def test_nobody_makes_up_an_event_of_the_hub() -> None:
    row = endpoint()
    hub = program()
    for name in ("payment.succeeded", "webhook.test", "payment"):
        answer = hub.post(LIST, {**SHIPPED, "event_type": name, "endpoint_id": row.pk})
        assert (answer.status_code, answer.data["error"]["code"]) == (400, "webhook_own_type")
    assert not WebhookEvent.objects.exists()
    assert {each.name.partition(".")[0] for each in event_types()} <= OWN_TYPES


def test_publishing_is_refused_with_the_field() -> None:
    row, theirs = endpoint(business="a"), endpoint(business="b")
    hub = program("a")
    assert hub.post(LIST, {**SHIPPED, "endpoint_id": theirs.pk}).status_code == 404
    for wrong in (
        {"payload": "text"}, {"payload": None}, {"event_type": "no type!"}, {"event_type": ""},
        {"endpoint_id": "x"}, {"colour": "red"}, {"payload": {"a": "x\x00"}},
    ):  # fmt: skip
        answer = hub.post(LIST, {**SHIPPED, "endpoint_id": row.pk, **wrong})
        assert answer.status_code == 400, wrong
        assert answer.data["error"]["field"] in wrong, wrong


def test_delivering_again_is_audited_and_bound_to_the_endpoint() -> None:
    row = endpoint()
    event = delivery(row, **FAILED)
    hub = program()
    answer = hub.post(f"{LIST}{event.pk}/deliver/")
    assert (answer.status_code, answer.data["success"]) == (200, True)
    assert answer.data["job_id"].endswith(str(event.pk))
    event.refresh_from_db()
    assert (event.work_state, event.is_manual) == ("due", True)
    assert AuditEntry.objects.filter(action="webhook_event.delivered_again").count() == 1
    WebhookEndpoint.objects.filter(pk=row.pk).update(is_active=False)
    answer = hub.post(f"{LIST}{event.pk}/deliver/")
    assert (answer.status_code, answer.data["error"]["code"]) == (409, "webhook_endpoint_off")


def test_attempts_are_told_in_full_with_their_event() -> None:
    event = delivery(endpoint())
    [shown] = program().get(f"{LIST}{event.pk}/attempts/").data["results"]
    assert (shown["status_code"], shown["response_body"]) == (503, "busy")


def test_a_replay_is_counted_confirmed_and_followed() -> None:
    row = endpoint(business="a")
    for _ in range(3):
        delivery(row, **FAILED)
    delivery(row, status="delivered", work_state="done", next_attempt_at=None)
    hub = program("a")
    counted = hub.post(REPLAY, {"endpoint_id": row.pk, "dry_run": True})
    assert (counted.status_code, counted.data["count"], counted.data["replay"]) == (200, 3, None)
    wish = {"endpoint_id": row.pk, "until": counted.data["until"]}
    assert hub.post(REPLAY, wish).data["error"]["field"] == "expected_count"
    refused = hub.post(REPLAY, {**wish, "expected_count": 9})
    assert (refused.status_code, refused.data["count"]) == (409, 3)
    assert refused.data["error"]["code"] == "webhook_replay_count"
    started = hub.post(REPLAY, {**wish, "expected_count": 3}, headers={"Idempotency-Key": "r"})
    assert (started.status_code, started.data["replay"]["total"]) == (201, 3)
    again = hub.post(REPLAY, {**wish, "expected_count": 3}, headers={"Idempotency-Key": "r"})
    assert again.data["replay"] == started.data["replay"]
    replay = f"{API}/webhook-replays/{started.data['replay']['replay_id']}/"
    assert hub.get(replay).data["state"] == "running"
    assert program("b").get(replay).status_code == 404
    assert hub.post(f"{replay}cancel/").data["state"] == "cancelled"
    assert hub.post(f"{replay}cancel/").data["error"]["code"] == "webhook_replay_over"


def test_a_replay_stays_in_the_business() -> None:
    theirs = endpoint(business="b")
    delivery(theirs, **FAILED)
    everyones = endpoint(every_business=True)
    hub = program("a")
    for wish, status in (
        ({"endpoint_id": theirs.pk}, 404), ({"endpoint_id": everyones.pk}, 404),
        ({"business": "b"}, 403), ({"endpoint_id": theirs.pk, "business": "a"}, 400),
    ):  # fmt: skip
        assert hub.post(REPLAY, {**wish, "dry_run": True}).status_code == status, wish
    assert hub.post(REPLAY, {"dry_run": True}).data["count"] == 0
    replay = WebhookReplay.objects.create(endpoint=everyones, business="", total=1)
    path = f"{API}/webhook-replays/{replay.public_id}/"
    assert program("").get(path).status_code == 404
    assert program("*").get(path).status_code == 200
    for text in ("x", "00000000-0000-0000-0000-000000000000"):
        assert hub.get(f"{API}/webhook-replays/{text}/").status_code == 404


def test_the_catalogue_is_served_with_schema_and_example() -> None:
    found = program().get(f"{API}/webhook-event-types/").data
    [paid] = [each for each in found if each["name"] == "payment.succeeded"]
    assert paid["version"] == 1
    assert set(paid["schema"]["required"]) <= set(paid["example"])


def test_what_is_stuck_is_told_to_its_business_only() -> None:
    row = endpoint(business="a", name="Accounting", is_paused=True)
    delivery(row)
    [shown] = program("a").get(f"{API}/webhook-status/").data["rows"]
    assert (shown["endpoint"]["name"], shown["kind"], shown["waiting"]) == (
        "Accounting",
        "paused",
        1,
    )
    assert program("b").get(f"{API}/webhook-status/").data["rows"] == []
