"""Fan-out: whose endpoints get an event, in how many statements, and what a deletion does."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.events import publish
from integrations.events.fan_out import check_event_patterns, matches
from integrations.exceptions import InvalidInput
from integrations.models import DomainEvent, WebhookEndpoint, WebhookEvent, WebhookMessage
from tests.conftest import wait_for_lock
from tests.events.makers import deliveries, make_endpoint

SENT = "invoice.sent"


def names() -> list[str]:
    return [name for _, name in deliveries()]


@pytest.mark.django_db
def test_each_business_hears_of_its_own() -> None:
    make_endpoint("installation")
    make_endpoint("mine", business="b1")
    make_endpoint("theirs", business="b2")
    make_endpoint("all", business="b3", every_business=True)
    publish(SENT, {}, "b1")
    assert names() == ["mine", "all"]
    publish(SENT, {})
    assert names() == ["mine", "all", "installation", "all"]
    publish(SENT, {}, "nobody")
    assert names()[4:] == ["all"]


@pytest.mark.django_db
def test_what_an_endpoint_does_not_want_is_not_stored_for_it() -> None:
    make_endpoint("payments", event_types=["payment.*"])
    make_endpoint("one", event_types=["payment.failed", SENT])
    make_endpoint("everything", event_types=[])
    publish(SENT, {})
    publish("payment.failed", {})
    publish("payment", {})
    assert deliveries() == [
        (SENT, "one"), (SENT, "everything"),
        ("payment.failed", "payments"), ("payment.failed", "one"), ("payment.failed", "everything"),
        ("payment", "everything"),
    ]  # fmt: skip


@pytest.mark.django_db
def test_one_that_waits_misses_nothing_and_one_switched_off_by_hand_gets_nothing() -> None:
    off = {"is_active": False, "disabled_at": timezone.now()}
    make_endpoint("gone", disabled_reason="gone", **off)
    make_endpoint("failing", disabled_reason="failing", **off)
    make_endpoint("paused", is_paused=True)
    make_endpoint("by hand", disabled_reason="by_hand", **off)
    make_endpoint("never on", is_active=False)
    make_endpoint("deleted", disabled_reason="deleted", **off)
    publish(SENT, {})
    assert names() == ["gone", "failing", "paused"]


@pytest.mark.django_db
def test_what_one_switched_off_by_hand_missed_is_kept_for_a_replay() -> None:
    endpoint = make_endpoint("by hand", is_active=False, disabled_reason="by_hand")
    publish(SENT, {"n": 1})
    assert (names(), WebhookMessage.objects.get().payload) == ([], {"n": 1})
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(disabled_reason="deleted")
    publish(SENT, {"n": 2})
    publish(SENT, {"n": 3}, only_endpoint=endpoint)
    assert WebhookMessage.objects.count() == 1


@pytest.mark.django_db
def test_an_event_for_one_endpoint_goes_there_whatever_it_wants() -> None:
    make_endpoint("other")
    target = make_endpoint("target", event_types=["x"], is_active=False, disabled_reason="by_hand")
    publish("webhook.test", {}, only_endpoint=target)
    publish("webhook.test", {}, only_endpoint=target.pk)
    publish("webhook.test", {}, only_endpoint=0)
    assert deliveries() == [("webhook.test", "target")] * 2
    publish(SENT, {}, except_endpoint=target)
    publish(SENT, {}, except_endpoint=WebhookEndpoint.objects.get(name="other").pk)
    assert names()[2:] == ["other"]


@pytest.mark.django_db
def test_the_endpoints_of_everybody_else_are_not_read() -> None:
    WebhookEndpoint.objects.bulk_create(
        WebhookEndpoint(name=f"e{number}", url="https://e.ke", business=f"b{number}")
        for number in range(2000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE integrations_webhookendpoint")
    with CaptureQueriesContext(connection) as queries:
        publish(SENT, {}, "b7")
    (asked,) = [query["sql"] for query in queries if "every_business" in query["sql"]]
    with connection.cursor() as cursor:
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {asked}")
        plan = str(cursor.fetchall())
    assert "webhookendpoint_business" in plan and "webhookendpoint_every" in plan, plan


@pytest.mark.django_db
def test_a_dozen_endpoints_cost_no_more_statements_than_one(
    django_assert_num_queries: Any,
) -> None:
    def statements() -> int:
        with django_assert_num_queries(4, info="event, endpoints, message, deliveries"):
            publish(SENT, {})
        return WebhookEvent.objects.count()

    make_endpoint("first")
    assert statements() == 1
    for number in range(11):
        make_endpoint(f"endpoint-{number}")
    assert statements() == 13


@pytest.mark.django_db(transaction=True)
def test_deleting_an_endpoint_waits_for_a_publisher_and_fails_nobody() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer.")
    endpoint = make_endpoint()

    def delete() -> None:
        try:
            with transaction.atomic():
                WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk).delete()
        finally:
            connections.close_all()

    thread = threading.Thread(target=delete)
    with transaction.atomic():
        publish(SENT, {})
        thread.start()
        wait_for_lock()
    thread.join(30)
    assert not thread.is_alive()
    assert not WebhookEndpoint.objects.exists()
    assert (WebhookMessage.objects.count(), WebhookEvent.objects.count()) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_a_publisher_waits_for_a_deletion_and_does_without_the_endpoint() -> None:
    """It would fail at its commit otherwise, and a payment with it."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer.")
    endpoint = make_endpoint()
    thread = threading.Thread(target=_publish_alone)
    with transaction.atomic():
        WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk).delete()
        thread.start()
        wait_for_lock()
    thread.join(30)
    assert (DomainEvent.objects.count(), WebhookMessage.objects.count()) == (1, 0)


def _publish_alone() -> None:
    try:
        publish(SENT, {})
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_an_edit_of_an_endpoint_keeps_no_publisher_waiting() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer.")
    endpoint = make_endpoint()
    done = threading.Event()

    def tell() -> None:
        _publish_alone()
        done.set()

    with transaction.atomic():
        WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(name="renamed")
        thread = threading.Thread(target=tell)
        thread.start()
        assert done.wait(30)
    thread.join(30)
    assert WebhookEvent.objects.count() == 1


@pytest.mark.stackless
@pytest.mark.parametrize(
    ("patterns", "event_type", "fits"),
    [
        ([], "payment.failed", True),
        (["*"], "payment.failed", True),
        (["payment.failed"], "payment.failed", True),
        (["payment.failed"], "payment.failed_too", False),
        (["payment.*"], "payment.failed", True),
        (["payment.*"], "payment.a.b", True),
        (["payment.*"], "payment", False),
        (["payment.*"], "payments.failed", False),
        (["a.b.*"], "a.bc", False),
        (["x", "payment.*"], "payment.failed", True),
        (["Payment.*"], "payment.failed", False),
        (None, "payment.failed", True),
        (["pay*"], "payment.failed", False),
        ([7, None, {}], "payment.failed", False),
        (7, "payment.failed", False),
        ({"payment.*": 1}, "payment.failed", True),
    ],
)
def test_patterns(patterns: Any, event_type: str, fits: bool) -> None:
    assert matches(patterns, event_type) is fits


@pytest.mark.stackless
@pytest.mark.parametrize("patterns", [[], ["*"], ["payment.*", "a.b", "unknown_yet"], ("a",)])
def test_patterns_that_are_taken(patterns: Any) -> None:
    check_event_patterns(patterns)


@pytest.mark.stackless
@pytest.mark.parametrize(
    "patterns",
    [None, "payment.*", {"a": 1}, [""], ["payment."], ["*.failed"], ["pay*"], ["a.*.b"], [".*"],
     [7], [None], ["a b"], ["a" * 101], ["a\n"], ["payment.**"], ["a"] * 101],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_patterns_that_are_refused(patterns: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_event_patterns(patterns)
    assert refused.value.field == "event_types"
