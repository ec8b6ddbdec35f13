"""Several dispatchers at once: nothing is counted twice, told twice or waited for crosswise."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from integrations.models import AuditEntry, DomainEvent, WebhookEndpoint, WebhookLane
from integrations.webhooks.condition import Tally, enable, note, note_all
from tests.events.makers import make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)
HANDS = 4


def at_once(do: Callable[[int], object]) -> None:
    """Run it in several threads, each in a transaction of its own, as results are stored."""
    start = threading.Barrier(HANDS)

    def run(number: int) -> None:
        try:
            connection.ensure_connection()
            start.wait(timeout=60)
            with transaction.atomic():
                do(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(HANDS) as pool:
        list(pool.map(run, range(HANDS)))


def told(word: str) -> int:
    return DomainEvent.objects.filter(event_type=f"webhook.endpoint.{word}").count()


def test_every_failure_counts_and_the_warning_comes_once() -> None:
    endpoint = make_endpoint()
    since = timezone.now() - timedelta(hours=2)
    WebhookLane.objects.update(failing_since=since, consecutive_failures=4)
    at_once(lambda _: note(endpoint.pk, Tally(failures=3, last_error="refused")))
    found = WebhookLane.objects.get()
    assert (found.consecutive_failures, found.failing_since) == (4 + 3 * HANDS, since)
    assert told("failing") == 1


def test_it_is_switched_off_once() -> None:
    endpoint = make_endpoint()
    at_once(lambda _: note(endpoint.pk, Tally(failures=1, last_status=410, is_gone=True)))
    assert told("disabled") == AuditEntry.objects.count() == 1
    assert not WebhookEndpoint.objects.get().is_active


def test_it_recovers_once_and_is_switched_on_once() -> None:
    endpoint = make_endpoint(is_active=False, disabled_reason="failing")
    at_once(lambda _: enable(WebhookEndpoint.objects.get(pk=endpoint.pk)))
    assert AuditEntry.objects.filter(action="webhook_endpoint.enabled").count() == 1
    at_once(lambda _: note(endpoint.pk, Tally(successes=1, last_status=200)))
    assert told("recovered") == 1


def test_many_endpoints_in_any_order_end_in_no_deadlock() -> None:
    keys = [make_endpoint(f"endpoint-{number}").pk for number in range(12)]
    tally = Tally(failures=1, last_error="refused")

    def fail(number: int) -> None:
        order = keys if number % 2 else keys[::-1]
        note_all(dict.fromkeys(order, tally))

    for _ in range(5):
        at_once(fail)
    counts = WebhookLane.objects.values_list("consecutive_failures", flat=True)
    assert set(counts) == {5 * HANDS}


def test_switching_on_and_off_at_once_ends_in_no_deadlock() -> None:
    endpoint = make_endpoint()

    def move(number: int) -> None:
        if number % 2:
            enable(WebhookEndpoint.objects.get(pk=endpoint.pk))
        else:
            note(endpoint.pk, Tally(failures=1, is_gone=True))

    for _ in range(10):
        at_once(move)
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    words = [action.removeprefix("webhook_endpoint.") for action in actions]
    # Off, on, off, …: never the same twice in a row.
    assert words == ["disabled", "enabled"] * (len(words) // 2) + ["disabled"] * (len(words) % 2)
