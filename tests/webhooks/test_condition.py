"""How endpoints fare: warned of, switched off and recovered by time, never by a bare count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.models import AuditEntry, DomainEvent, WebhookEndpoint, WebhookLane, acting
from integrations.webhooks.condition import Tally, enable, note, note_all
from tests.conftest import run_work
from tests.events.makers import deliveries, judge_events, make_endpoint
from tests.payments.test_events import Listener, listener  # noqa: F401

pytestmark = pytest.mark.django_db
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAILED = Tally(failures=1, last_status=503, last_error="HTTP 503")
WELL = Tally(successes=1, last_status=200)
GONE = Tally(failures=1, last_status=410, last_error="HTTP 410", is_gone=True)
WARNING, OFF, BACK = (f"webhook.endpoint.{word}" for word in ("failing", "disabled", "recovered"))


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def endpoint(clock: Any) -> WebhookEndpoint:
    return make_endpoint(business="b1")


def at(clock: Any, **passed: float) -> None:
    clock.move_to(START + timedelta(**passed))


def fail(endpoint: WebhookEndpoint, clock: Any, hours: float, count: int = 1) -> None:
    """Failures, all of them so many hours after the start."""
    at(clock, hours=hours)
    for _ in range(count):
        note(endpoint.pk, FAILED)


def told() -> list[str]:
    return list(DomainEvent.objects.order_by("pk").values_list("event_type", flat=True))


def lane(endpoint: WebhookEndpoint) -> WebhookLane:
    return WebhookLane.objects.get(pk=endpoint.pk)


def is_on(endpoint: WebhookEndpoint) -> bool:
    endpoint.refresh_from_db()
    return endpoint.is_active


def test_a_thousand_failures_of_a_minute_switch_nothing_off(
    endpoint: WebhookEndpoint, clock: Any
) -> None:
    for second in range(60):
        at(clock, seconds=second)
        note(endpoint.pk, Tally(failures=20, last_error="refused"))
    assert (told(), is_on(endpoint)) == ([], True)
    found = lane(endpoint)
    assert (found.consecutive_failures, found.failing_since) == (1200, START)
    assert found.last_attempt_at == START + timedelta(seconds=59)
    assert (found.last_status, found.last_error) == (None, "refused")


def test_an_hour_of_failures_is_warned_of_once(endpoint: WebhookEndpoint, clock: Any) -> None:
    fail(endpoint, clock, 0, 5)
    fail(endpoint, clock, 0.99)
    assert told() == []
    fail(endpoint, clock, 1)
    fail(endpoint, clock, 2, 3)
    assert told() == [WARNING]
    assert lane(endpoint).warned_at == START + timedelta(hours=1)
    payload = DomainEvent.objects.get().payload
    assert payload == {
        "endpoint_id": endpoint.pk, "name": "accounting", "host": "accounting.example.ke:443",
        "business": "b1", "is_active": True, "reason": "", "failures": 7, "last_status": 503,
        "failing_since": START.isoformat(), "last_error": "HTTP 503",
        "message": "accounting has done nothing but fail since 2026-03-01 12:00 UTC. If it goes "
        "on, it is switched off after 2026-03-06 12:00 UTC.",
    }  # fmt: skip
    assert DomainEvent.objects.get().business == "b1"


def test_few_failures_are_not_warned_of_however_long_ago(
    endpoint: WebhookEndpoint, clock: Any
) -> None:
    for hours in (0, 2, 30, 90):
        fail(endpoint, clock, hours)
    assert told() == []
    fail(endpoint, clock, 100)
    assert told() == [WARNING]


def test_five_days_of_failures_switch_it_off(endpoint: WebhookEndpoint, clock: Any) -> None:
    fail(endpoint, clock, 0, 5)
    fail(endpoint, clock, 1)
    fail(endpoint, clock, 119.9)
    assert (told(), is_on(endpoint)) == ([WARNING], True)
    with acting(User.objects.create_user("who-replayed")):
        fail(endpoint, clock, 120)
    assert (told(), is_on(endpoint)) == ([WARNING, OFF], False)
    assert endpoint.disabled_reason == "failing"
    assert endpoint.disabled_at == endpoint.updated_at == START + timedelta(hours=120)
    payload = DomainEvent.objects.get(event_type=OFF).payload
    assert (payload["is_active"], payload["reason"]) == (False, "failing")
    assert "its events wait" in payload["message"]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name, entry.business, entry.fields) == (
        "webhook_endpoint.disabled", "system", "b1", ["is_active"],
    )  # fmt: skip
    assert "2026-03-01 12:00 UTC" in entry.detail
    # What was still on its way.
    fail(endpoint, clock, 120, 3)
    note(endpoint.pk, WELL)
    note(endpoint.pk, GONE)
    assert (told(), is_on(endpoint)) == ([WARNING, OFF], False)
    assert AuditEntry.objects.count() == 1
    assert judge_events() == {WARNING, OFF}


def test_nothing_is_switched_off_before_a_warning_of_a_day(
    endpoint: WebhookEndpoint, clock: Any
) -> None:
    """Failures that come seldom: the warning itself comes late."""
    for hours in (0, 40, 80, 110, 130):
        fail(endpoint, clock, hours)
    assert told() == [WARNING]
    fail(endpoint, clock, 153.9)
    assert is_on(endpoint)
    fail(endpoint, clock, 154)
    assert not is_on(endpoint)


def test_a_success_ends_the_streak_and_says_so_only_where_it_was_told(
    endpoint: WebhookEndpoint, clock: Any
) -> None:
    fail(endpoint, clock, 0, 9)
    note(endpoint.pk, WELL)
    fail(endpoint, clock, 2, 5)
    assert told() == []
    fail(endpoint, clock, 3)
    at(clock, hours=4)
    # Any success of a batch: it is not down.
    note(endpoint.pk, Tally(successes=1, failures=9, last_status=503, last_error="HTTP 503"))
    note(endpoint.pk, WELL)
    assert told() == [WARNING, BACK]
    found = lane(endpoint)
    assert (found.consecutive_failures, found.failing_since, found.warned_at) == (0, None, None)
    assert found.last_success_at == START + timedelta(hours=4)
    payload = DomainEvent.objects.get(event_type=BACK).payload
    assert (payload["failing_since"], payload["failures"]) == (None, 0)
    assert judge_events() == {WARNING, BACK}
    fail(endpoint, clock, 4, 5)
    fail(endpoint, clock, 6)
    assert told() == [WARNING, BACK, WARNING]


def test_410_switches_off_at_once(endpoint: WebhookEndpoint, clock: Any) -> None:
    note(endpoint.pk, GONE)
    assert (told(), is_on(endpoint)) == ([OFF], False)
    assert (endpoint.disabled_reason, endpoint.disabled_at) == ("gone", START)
    payload = DomainEvent.objects.get().payload
    assert (payload["reason"], payload["last_status"]) == ("gone", 410)
    assert "410" in AuditEntry.objects.get().detail
    assert judge_events() == {OFF}


def test_410_of_an_address_that_was_changed_meanwhile_says_nothing(
    endpoint: WebhookEndpoint, clock: Any
) -> None:
    started = START.timestamp()
    at(clock, seconds=5)
    endpoint.url = "https://new.example.ke/hooks"
    endpoint.save()
    old = Tally(failures=1, last_status=410, is_gone=True, started_at=started)
    note(endpoint.pk, old)
    assert is_on(endpoint)
    assert lane(endpoint).consecutive_failures == 1
    note(endpoint.pk, Tally(failures=1, is_gone=True, started_at=started + 6))
    assert not is_on(endpoint)


def test_what_was_before_a_long_silence_counts_no_more(
    endpoint: WebhookEndpoint, clock: Any
) -> None:
    fail(endpoint, clock, 0, 5)
    fail(endpoint, clock, 1)
    fail(endpoint, clock, 30 * 24)
    assert (told(), is_on(endpoint)) == ([WARNING], True)
    found = lane(endpoint)
    assert (found.failing_since, found.consecutive_failures, found.warned_at) == (
        START + timedelta(days=30), 1, None,
    )  # fmt: skip


def test_one_that_is_switched_on_again_starts_anew(endpoint: WebhookEndpoint, clock: Any) -> None:
    fail(endpoint, clock, 0, 5)
    fail(endpoint, clock, 1)
    fail(endpoint, clock, 120)
    with acting(User.objects.create_user("wanjiku")):
        assert enable(endpoint) is True
        assert enable(endpoint) is False
    assert (endpoint.is_active, endpoint.disabled_reason, endpoint.disabled_at) == (True, "", None)
    assert is_on(endpoint)
    entries = list(AuditEntry.objects.order_by("pk").values_list("action", "actor_name"))
    assert entries[1:] == [("webhook_endpoint.enabled", "wanjiku")]
    found = lane(endpoint)
    assert (found.consecutive_failures, found.failing_since, found.warned_at) == (0, None, None)
    assert found.cool_down_until == START + timedelta(hours=144)
    fail(endpoint, clock, 121, 5)
    fail(endpoint, clock, 122)
    assert told() == [WARNING, OFF, WARNING]
    note(endpoint.pk, WELL)
    note(endpoint.pk, WELL)
    assert told() == [WARNING, OFF, WARNING, BACK]
    assert lane(endpoint).cool_down_until is None


def test_the_first_success_after_switching_on_is_told_of(
    endpoint: WebhookEndpoint, clock: Any
) -> None:
    note(endpoint.pk, GONE)
    note(endpoint.pk, WELL)
    assert told() == [OFF]
    enable(endpoint)
    note(endpoint.pk, WELL)
    assert told() == [OFF, BACK]
    assert DomainEvent.objects.get(event_type=BACK).payload["is_active"] is True


def test_one_that_was_off_by_hand_is_not_said_to_have_recovered(
    endpoint: WebhookEndpoint, clock: Any
) -> None:
    WebhookEndpoint.objects.update(is_active=False, disabled_reason="by_hand")
    enable(endpoint)
    assert lane(endpoint).cool_down_until is None
    note(endpoint.pk, WELL)
    assert told() == []


def test_while_it_cools_down_failing_does_not_switch_it_off_but_410_does(
    endpoint: WebhookEndpoint, clock: Any, settings: Any
) -> None:
    settings.INTEGRATIONS_WEBHOOK_DISABLE_HOURS = 2
    settings.INTEGRATIONS_WEBHOOK_COOL_DOWN_HOURS = 10
    fail(endpoint, clock, 0, 5)
    fail(endpoint, clock, 1)
    fail(endpoint, clock, 2)
    assert not is_on(endpoint)
    enable(endpoint)
    fail(endpoint, clock, 3, 5)
    for hours in (4, 5, 6.5, 8, 9.5, 11, 11.9):
        fail(endpoint, clock, hours)
        assert is_on(endpoint)
    fail(endpoint, clock, 12)
    assert not is_on(endpoint)
    enable(endpoint)
    note(endpoint.pk, GONE)
    assert not is_on(endpoint)
    assert told() == [WARNING, OFF, WARNING, OFF, OFF]


def test_settings_decide(endpoint: WebhookEndpoint, clock: Any, settings: Any) -> None:
    settings.INTEGRATIONS_WEBHOOK_WARN_HOURS = 3
    settings.INTEGRATIONS_WEBHOOK_MIN_FAILURES = 2
    settings.INTEGRATIONS_WEBHOOK_DISABLE_HOURS = 0
    fail(endpoint, clock, 0)
    fail(endpoint, clock, 2.9)
    assert told() == []
    fail(endpoint, clock, 3)
    assert told() == [WARNING]
    assert "switched off" not in DomainEvent.objects.get().payload["message"]
    for day in range(4, 60, 4):
        fail(endpoint, clock, day * 24)
    assert (told(), is_on(endpoint)) == ([WARNING], True)


def test_alerts_go_to_the_others_of_the_business_and_to_listeners(
    endpoint: WebhookEndpoint,
    clock: Any,
    listener: Listener,  # noqa: F811
) -> None:
    make_endpoint("second", business="b1", event_types=["webhook.endpoint.*"])
    make_endpoint("deaf", business="b1", event_types=["payment.*"])
    make_endpoint("stranger", business="b2")
    make_endpoint("installation")
    make_endpoint("operator", every_business=True)
    note(endpoint.pk, GONE)
    assert deliveries() == [(OFF, "second"), (OFF, "operator")]
    DomainEvent.objects.update(next_attempt_at=START - timedelta(days=999))
    run_work("events")
    assert listener.types() == [OFF]


def test_two_that_fail_do_not_tell_of_each_other_for_ever(clock: Any) -> None:
    pair = [make_endpoint("one"), make_endpoint("two")]
    for hours in (0, 0.5, 1, 2, 3, 4, 100, 119, 121, 122):
        at(clock, hours=hours)
        note_all({item.pk: Tally(failures=5, last_error="refused") for item in pair})
    assert sorted(told()) == sorted([WARNING, OFF] * 2)
    # The one that goes first hears what becomes of the other, which waits for it.
    assert len(deliveries()) == 4


def test_errors_are_stored_without_secrets_and_cut(endpoint: WebhookEndpoint, clock: Any) -> None:
    note(endpoint.pk, Tally(failures=1, last_error=f"password=hunter2 \x00{'x' * 900}"))
    found = lane(endpoint).last_error
    assert "hunter2" not in found
    assert (len(found), "\x00" in found) == (500, False)


def test_one_that_is_gone_or_never_served_is_passed_over(
    endpoint: WebhookEndpoint, clock: Any
) -> None:
    WebhookLane.objects.all().delete()
    note_all({endpoint.pk: FAILED, 999_999: GONE})
    note_all({})
    assert (told(), is_on(endpoint)) == ([], True)
    WebhookEndpoint.objects.update(is_active=False, disabled_reason="gone")
    enable(endpoint)
    assert lane(endpoint).key == str(endpoint.pk)


def test_a_healthy_endpoint_costs_one_query_and_a_write_each_second(
    endpoint: WebhookEndpoint, clock: Any
) -> None:
    others = [make_endpoint(f"endpoint-{number}").pk for number in range(9)]
    tallies = dict.fromkeys([endpoint.pk, *others], WELL)

    def writes() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            note_all(tallies)
        texts = [query["sql"] for query in queries]
        return len(texts), sum(text.startswith("UPDATE") for text in texts)

    assert writes() == (3, 1)
    assert writes() == (1, 0)
    at(clock, seconds=0.99)
    assert writes() == (1, 0)
    at(clock, seconds=1)
    assert writes() == (3, 1)
    assert lane(endpoint).last_success_at == START + timedelta(seconds=1)
    assert set(WebhookLane.objects.values_list("last_status", flat=True)) == {200}
    with CaptureQueriesContext(connection) as queries:
        note_all(dict.fromkeys(tallies, Tally()))
    assert len(queries) == 1


def test_what_the_dispatcher_wrote_is_left_alone(endpoint: WebhookEndpoint, clock: Any) -> None:
    later = START + timedelta(hours=9)
    values = {"open_until": later, "times_opened": 3, "next_send_at": later, "lease_until": later,
              "claim_token": "token", "last_served_at": later}  # fmt: skip
    WebhookLane.objects.update(**values)
    for tally in (FAILED, WELL, GONE, WELL):
        note(endpoint.pk, tally)
    found = lane(endpoint)
    assert {name: getattr(found, name) for name in values} == values
    # Who switches it on again need not wait for the breaker: one delivery is tried at once.
    assert enable(endpoint)
    found = lane(endpoint)
    assert {name: getattr(found, name) for name in values} == {**values, "open_until": None}
