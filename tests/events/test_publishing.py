"""Publishing: with the change or not at all, once per id, and nothing that can't be sent."""

from __future__ import annotations

import json
import math
import threading
import uuid
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections, transaction

from integrations.conf import hub_settings
from integrations.events import NewEvent, publish, publish_many
from integrations.exceptions import InvalidInput
from integrations.models import DomainEvent, WebhookEvent, WebhookMessage
from integrations.work import doorbell
from tests.events.makers import deliveries, make_endpoint

ID = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def rings() -> Any:
    heard: list[str] = []
    doorbell.listen(heard.append)
    yield heard
    doorbell.unlisten(heard.append)


@pytest.mark.django_db
def test_the_body_is_stored_once_in_the_given_order_and_as_utf_8() -> None:
    make_endpoint("first")
    make_endpoint("second")
    payload = OrderedDict(name="Wanjikũ", note="Ksh 1,000 ✓", amount="1.00", list=(1, 2), empty={})
    event = publish("invoice.sent", payload)
    message = WebhookMessage.objects.get()
    body = '{"name":"Wanjikũ","note":"Ksh 1,000 ✓","amount":"1.00","list":[1,2],"empty":{}}'
    assert bytes(message.body or b"") == body.encode()
    assert message.event_id == event.event_id
    assert (message.event_type, message.version, message.business) == ("invoice.sent", 1, "")
    assert message.occurred_at == event.created_at
    assert message.payload == json.loads(body)
    rows = WebhookEvent.objects.all()
    assert {row.message_id for row in rows} == {message.pk}
    assert [(row.status, row.work_state, row.attempts) for row in rows] == [
        ("pending", "due", 0)
    ] * 2
    event.refresh_from_db()
    assert event.payload == json.loads(body)


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_was_never_published(rings: list[str]) -> None:
    make_endpoint()
    for number in range(20):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            publish("invoice.sent", {"number": number})
            publish("invoice.sent", {"number": number}, event_id=uuid.uuid4())
            publish_many([NewEvent("invoice.sent", {"number": number})])
            raise ZeroDivisionError
    assert rings == []
    for model in (DomainEvent, WebhookMessage, WebhookEvent):
        assert not model.objects.exists()
    with transaction.atomic():
        publish("invoice.sent", {})
        assert rings == []
    assert sorted(rings) == ["events", "webhooks"]


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_all_of_it_is_stored_or_nothing(rings: list[str]) -> None:
    make_endpoint()
    publish("invoice.sent", {}, event_id=ID)
    DomainEvent.objects.all().delete()
    rings.clear()
    with pytest.raises(InvalidInput, match="event_id"):
        publish("invoice.sent", {"other": 1}, event_id=ID)
    assert (DomainEvent.objects.count(), rings) == (1, [])


@pytest.mark.django_db(transaction=True)
def test_without_an_endpoint_no_doorbell_of_webhooks_rings(rings: list[str]) -> None:
    publish("invoice.sent", {})
    make_endpoint(event_types=["payment.*"])
    publish("invoice.sent", {})
    assert rings == ["events", "events"]
    assert not WebhookMessage.objects.exists()


@pytest.mark.django_db
def test_the_same_id_with_the_same_content_is_one_event() -> None:
    make_endpoint()
    first = publish("invoice.sent", {"number": 1, "rows": (1, 2)}, "b1", ID)
    make_endpoint("later")
    for event_id in (ID, uuid.UUID(ID), ID.upper()):
        again = publish("invoice.sent", {"rows": [1, 2], "number": 1}, "b1", event_id)
        assert again.pk == first.pk
    assert DomainEvent.objects.count() == WebhookMessage.objects.count() + 1 == 1
    make_endpoint("theirs", business="b1")
    publish("invoice.sent", {"number": 2}, "b1")
    assert deliveries() == [("invoice.sent", "theirs")]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("event_type", "payload", "business"),
    [("invoice.paid", {"n": 1}, "b1"), ("invoice.sent", {"n": 2}, "b1"),
     ("invoice.sent", {"n": 1}, "b2")],
)  # fmt: skip
def test_the_same_id_with_other_content_is_refused(
    event_type: str, payload: dict[str, int], business: str
) -> None:
    make_endpoint(every_business=True)
    publish("invoice.sent", {"n": 1}, "b1", ID)
    with transaction.atomic(), pytest.raises(InvalidInput) as refused:
        publish(event_type, payload, business, ID)
    assert refused.value.field == "event_id"
    assert DomainEvent.objects.count() == WebhookEvent.objects.count() == 1


@pytest.mark.django_db
def test_an_id_whose_event_was_purged_is_still_known_by_its_message() -> None:
    make_endpoint()
    publish("invoice.sent", {"n": 1}, event_id=ID)
    DomainEvent.objects.all().delete()
    event = publish("invoice.sent", {"n": 1}, event_id=ID)
    assert (event.work_state, event.next_attempt_at) == ("done", None)
    assert deliveries() == [("invoice.sent", "accounting")]
    assert publish("invoice.sent", {"n": 1}, event_id=ID).pk == event.pk
    WebhookMessage.objects.update(body=None)
    DomainEvent.objects.all().delete()
    assert publish("invoice.sent", {"n": 1}, event_id=ID).work_state == "done"


@pytest.mark.django_db(transaction=True)
def test_two_at_once_with_one_id_are_one_event() -> None:
    make_endpoint()
    start = threading.Barrier(4)

    def tell(number: int) -> int:
        try:
            connection.ensure_connection()
            start.wait(timeout=30)
            with transaction.atomic():
                return publish("invoice.sent", {"n": 1}, event_id=ID).pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(tell, range(4)))
    assert len(keys) == 1
    assert DomainEvent.objects.count() == WebhookEvent.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "event_type",
    ["", ".", "a.", ".a", "a..b", "a b", "a-b", "payment.*", "é.b", "a\n", "a" * 101, None, 7],
)
def test_a_name_that_no_receiver_could_rely_on_is_refused(event_type: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        publish(event_type, {})
    assert refused.value.field == "event_type"
    assert not DomainEvent.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("event_type", ["a", "Invoice.sent_2", "a.b.c.d", "a" * 100, "1.2"])
def test_names_of_dotted_segments_are_taken(event_type: str) -> None:
    assert publish(event_type, {}).event_type == event_type


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {"in": found}
    return found


ROUND: dict[str, Any] = {}
ROUND["itself"] = ROUND


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({"amount": Decimal("1.00")}, "Decimal"),
        ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, "datetime"),
        ({"body": b"x"}, "bytes"),
        ({(1, 2): 3}, "tuple"),
        ({"rate": math.nan}, "NaN"),
        ({"rate": [1, {"deep": math.inf}]}, "NaN"),
        ({"name": "\ud800"}, "surrogate"),
        ({"name": "a\x00b"}, "U\\+0000"),
        ({"a\x00b": 1}, "U\\+0000"),
        ({"name": "\\\x00"}, "U\\+0000"),
        ({"number": 10**5000}, "too long"),
        (nested(100_000), "nested"),
        (ROUND, "contains itself"),
        ([1, 2], "object"),
        ("text", "object"),
        (None, "object"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_payload_that_can_not_be_sent_is_refused_before_anything_is_stored(
    payload: Any, why: str
) -> None:
    make_endpoint()
    with transaction.atomic():
        with pytest.raises(InvalidInput, match=f"payload: .*{why}") as refused:
            publish("invoice.sent", payload)
        # The caller's transaction lives on.
        assert not DomainEvent.objects.exists()
    assert refused.value.field == "payload"


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["\\u0000", "a\\\\u0000", "\\\\\\u0000", "\u2028", "\x1f", "😀"])
def test_text_that_only_looks_odd_comes_back_as_it_was(text: str) -> None:
    make_endpoint()
    event = publish("invoice.sent", {"name": text})
    event.refresh_from_db()
    assert event.payload == WebhookMessage.objects.get().payload == {"name": text}


@pytest.mark.django_db
def test_the_largest_payload_is_a_setting(settings: Any) -> None:
    assert hub_settings.event_max_bytes == 256 * 1024
    settings.INTEGRATIONS_EVENT_MAX_BYTES = 100
    publish("invoice.sent", {"name": "x" * 89})
    # Bytes, not characters.
    for text in ("x" * 90, "é" * 45):
        with pytest.raises(InvalidInput, match="101 bytes") as refused:
            publish("invoice.sent", {"name": text})
        assert refused.value.field == "payload"


@pytest.mark.django_db
@pytest.mark.parametrize("event_id", ["x", "msg_1", 7, "1111"])
def test_an_id_that_is_none_is_refused(event_id: Any) -> None:
    with pytest.raises(InvalidInput, match="event_id: must be a UUID"):
        publish("invoice.sent", {}, event_id=event_id)


@pytest.mark.django_db
@pytest.mark.parametrize("business", ["b" * 65, "b\x00", None, 7])
def test_a_business_that_no_column_holds_is_refused(business: Any) -> None:
    with pytest.raises(InvalidInput, match="business"):
        publish("invoice.sent", {}, business)


@pytest.mark.django_db
def test_many_are_stored_together_or_not_at_all() -> None:
    make_endpoint(business="b1")
    make_endpoint("all", every_business=True)
    events = publish_many(
        NewEvent("invoice.sent", {"n": number}, f"b{number % 2}") for number in range(6)
    )
    assert [event.payload["n"] for event in events] == list(range(6))
    assert len({event.event_id for event in events}) == 6
    assert DomainEvent.objects.count() == WebhookMessage.objects.count() == 6
    assert (
        sorted(deliveries()) == [("invoice.sent", "accounting")] * 3 + [("invoice.sent", "all")] * 6
    )
    with pytest.raises(InvalidInput):
        publish_many([NewEvent("invoice.sent", {}), NewEvent("invoice.sent", {"n": math.nan})])
    assert DomainEvent.objects.count() == 6
    assert publish_many([]) == []
