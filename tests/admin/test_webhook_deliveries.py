"""Deliveries in the admin: found, read without harm, sent again, taken out as a file."""

from __future__ import annotations

import csv
import html as html_module
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations.admin.webhook_attempts import BODY_SHOWN
from integrations.admin.webhook_filters import first_key
from integrations.models import AuditEntry, WebhookAttempt, WebhookEvent
from tests.admin.webhooks import EVENTS, HOSTILE, make_attempt, make_endpoint, make_event

RIGHTS = ("view_webhookevent", "deliver_webhookevent", "export_webhookevent")


def page_of(event: WebhookEvent, act: str = "change") -> str:
    return f"{EVENTS}{event.pk}/{act}/"


def listed(client: Client, query: str = "") -> list[WebhookEvent]:
    answer = client.get(f"{EVENTS}{query}")
    assert answer.status_code == 200, answer.status_code
    return list(answer.context["cl"].queryset)


def test_a_delivery_shows_its_attempts_and_payload(db: None, admin_client: Client) -> None:
    event = make_event(make_endpoint(), "retrying", attempts=2)
    make_attempt(event, number=1, outcome="timeout", status_code=None, duration_ms=15000)
    make_attempt(event, number=2, error="The receiver said: no.")
    html = html_module.unescape(admin_client.get(page_of(event)).content.decode())
    assert event.message.message_id in html
    assert "Timed out after 15,000 ms." in html
    assert "Refused by the receiver: 503 Service Unavailable in 35 ms." in html
    assert html.index("Attempt 2") < html.index("Attempt 1")
    assert '"reference": "INV-1"' in html
    assert "content-type" in html


def test_what_receivers_answer_is_shown_harmlessly(db: None, admin_client: Client) -> None:
    event = make_event(make_endpoint(HOSTILE), "failed", last_error=HOSTILE,
                       body=f'{{"a":"{"</script>"}{"<b>x"}"}}'.encode())  # fmt: skip
    make_attempt(
        event, error=HOSTILE, response_body=f"{HOSTILE}\x01\x1b[31m\u202e" + "x" * 50_000,
        response_headers={HOSTILE: HOSTILE}, request_headers={"x": HOSTILE},
        response_bytes=200_000_000,
    )  # fmt: skip
    for url in (EVENTS, page_of(event)):
        html = admin_client.get(url).content.decode()
        assert "<script>window" not in html
        assert "<img src=x" not in html
        assert "<b>x" not in html
    assert "\\u202e" in html
    assert "\\u0001" in html
    assert "\x01" not in html
    assert html.count("x" * 100) <= BODY_SHOWN / 100
    assert "characters more" in html
    assert "200,000,000 bytes" in html


def test_a_dropped_payload_is_said_to_be_gone(db: None, admin_client: Client) -> None:
    event = make_event(make_endpoint(), "delivered", body=None)
    assert "Retention has removed it." in admin_client.get(page_of(event)).content.decode()
    told = admin_client.post(page_of(event, "deliver"), follow=True).content.decode()
    assert "nothing left to send" in told


def test_a_delivery_is_made_again(db: None, admin_client: Client) -> None:
    event = make_event(make_endpoint(), "failed")
    assert "Deliver again" in admin_client.get(page_of(event)).content.decode()
    told = admin_client.post(page_of(event, "deliver"), follow=True).content.decode()
    assert "It goes out now." in told
    event.refresh_from_db()
    assert event.next_attempt_at is not None
    assert event.is_manual
    assert AuditEntry.objects.get(action="webhook_event.delivered_again").actor_name == "admin"


def test_chosen_ones_are_made_again(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint()
    chosen = [make_event(endpoint, "failed") for _ in range(3)]
    other = make_event(endpoint, "failed")
    off = make_event(make_endpoint("Off", is_active=False, disabled_reason="gone"), "failed")
    keys = [str(event.pk) for event in (*chosen, off)]
    told = admin_client.post(
        EVENTS, {"action": "deliver_again", "_selected_action": keys}, follow=True
    ).content.decode()
    assert "3 deliveries: It goes out now." in told
    assert "1 delivery: The endpoint Off is off" in told
    due = WebhookEvent.objects.filter(next_attempt_at__isnull=False)
    assert set(due) == set(chosen)
    assert other not in due


def test_filters(db: None, admin_client: Client) -> None:
    one, two = make_endpoint("One", business="duka"), make_endpoint("Two")
    pending = make_event(one)
    retrying = make_event(two, "retrying", event_type="payment.failed")
    dead = make_event(one, "failed", ago=timedelta(days=3))
    done = make_event(two, "delivered", ago=timedelta(days=40))
    assert listed(admin_client) == [done, dead, retrying, pending]
    for query, found in {
        "?status=waiting": [retrying, pending], "?status=pending": [pending],
        "?status=retrying": [retrying], "?status=failed": [dead], "?status=delivered": [done],
        "?status=nonsense": [done, dead, retrying, pending],
        f"?endpoint={one.pk}": [dead, pending], "?endpoint=x": [], f"?endpoint={10**30}": [],
        "?event_type=payment.failed": [retrying], "?business=duka": [dead, pending],
        "?business=-": [done, retrying],
        f"?q={dead.message.message_id}": [dead], f"?q={dead.message.event_id}": [dead],
        "?q=nothing": [], "?q=%00": [done, dead, retrying, pending],
    }.items():  # fmt: skip
        assert listed(admin_client, query) == found, query


def test_days_are_found_by_key(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint()
    events = [make_event(endpoint, "delivered", ago=timedelta(days=days)) for days in
              (9, 8, 7, 5, 3, 3, 1, 0)]  # fmt: skip
    today = timezone.localdate()
    for first, last, found in ((9, 9, 1), (8, 5, 3), (4, 4, 0), (3, 0, 4), (100, 50, 0)):
        start, end = today - timedelta(days=first), today - timedelta(days=last)
        query = f"?created_from={start}&created_to={end}"
        assert len(listed(admin_client, query)) == found, query
    assert first_key(timezone.now() - timedelta(days=30)) <= events[0].pk
    assert first_key(timezone.now() + timedelta(days=1)) > events[-1].pk
    assert listed(admin_client, "?created_from=soon") == []


def test_two_with_keys_the_other_way_round_are_found(db: None, admin_client: Client) -> None:
    """A transaction that committed late has an older time under a newer key."""
    endpoint = make_endpoint()
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    now = timezone.now()
    make_event(endpoint, "delivered", ago=now - midnight - timedelta(seconds=1))
    make_event(endpoint, "delivered", ago=now - midnight + timedelta(seconds=1))
    today = timezone.localdate()
    assert len(listed(admin_client, f"?created_from={today}")) == 1
    yesterday = today - timedelta(days=1)
    assert len(listed(admin_client, f"?created_to={yesterday}")) == 1


def test_the_list_taken_out_runs_nothing(
    db: None, client_of: Callable[..., Client], admin_client: Client
) -> None:
    endpoint = make_endpoint('=HYPERLINK("http://x.example")', business="mine")
    make_event(endpoint, "failed", last_error="+1 cmd")
    make_event(make_endpoint("Other", business="theirs"), "failed")
    client = client_of(*RIGHTS, businesses=("mine",))
    answer = client.post(f"{EVENTS}export/?status=failed")
    content = answer.getvalue().decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(content)))
    assert len(rows) == 1
    assert rows[0]["endpoint__name"].startswith("'=")
    assert rows[0]["last_error"].startswith("'+")
    entry = AuditEntry.objects.get(action="webhook_events.exported")
    assert (entry.business, entry.detail) == ("mine", "1 rows. Filters: status=failed")
    assert admin_client.get(f"{EVENTS}export/").status_code == 405


def test_own_businesses_only(db: None, client_of: Callable[..., Client]) -> None:
    client = client_of(*RIGHTS, businesses=("mine",))
    mine = make_event(make_endpoint(business="mine"), "failed")
    others = [
        make_event(make_endpoint(business="theirs"), "failed"),
        make_event(make_endpoint(every_business=True), "failed"),
    ]
    assert listed(client) == [mine]
    for event in others:
        assert client.get(page_of(event)).status_code == 302
        assert client.post(page_of(event, "deliver")).status_code == 404
        data = {"action": "deliver_again", "_selected_action": [str(event.pk)]}
        client.post(EVENTS, data)
        event.refresh_from_db()
        assert event.next_attempt_at is None


def test_permissions(db: None, client_of: Callable[..., Client], admin_client: Client) -> None:
    event = make_event(make_endpoint(), "failed")
    viewer = client_of("view_webhookevent")
    html = viewer.get(page_of(event)).content.decode()
    assert "Deliver again" not in html
    assert viewer.post(page_of(event, "deliver")).status_code == 403
    assert viewer.post(f"{EVENTS}export/").status_code == 403
    data = {"action": "deliver_again", "_selected_action": [str(event.pk)]}
    viewer.post(EVENTS, data)
    event.refresh_from_db()
    assert event.next_attempt_at is None
    assert client_of("deliver_webhookevent").get(EVENTS).status_code == 403
    assert admin_client.get(page_of(event, "deliver")).status_code == 405
    assert admin_client.post(page_of(event), {"status": "delivered"}).status_code == 403
    assert admin_client.get(page_of(event, "delete")).status_code == 403


def test_deliveries_of_a_deleted_endpoint_are_gone(db: None, admin_client: Client) -> None:
    event = make_event(make_endpoint(is_active=False, disabled_reason="deleted"), "failed")
    assert listed(admin_client) == []
    assert admin_client.get(page_of(event)).status_code == 302


@pytest.mark.parametrize("count", [0, 60])
def test_a_page_has_room_for_so_many_attempts(db: None, admin_client: Client, count: int) -> None:
    event = make_event(make_endpoint(), "failed")
    row: Any = make_attempt(event, number=1)
    rows = [{**{f.attname: getattr(row, f.attname) for f in row._meta.fields if f.name != "id"},
             "number": number} for number in range(2, count + 2)]  # fmt: skip
    WebhookAttempt.objects.bulk_create(WebhookAttempt(**each) for each in rows)
    html = admin_client.get(page_of(event)).content.decode()
    assert html.count("<strong>Attempt") == min(count + 1, 50)
