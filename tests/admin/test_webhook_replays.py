"""Replays in the admin: counted first, confirmed, followed, cancelled."""

from __future__ import annotations

import html as html_module
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations.models import AuditEntry, WebhookReplay
from tests.admin.webhooks import HOSTILE, REPLAYS, make_endpoint, make_event

START = f"{REPLAYS}start/"


def asked(**changes: Any) -> dict[str, Any]:
    return {
        "endpoint": "", "business": "", "status": "failed", "event_type": "", "since": "",
        "until": "", "rate_per_second": "50", **changes,
    }  # fmt: skip


def carried(answer: Any) -> dict[str, str]:
    """What the confirmation would post."""
    return {**answer.context["values"], "confirmed": "yes"}


def test_the_count_is_shown_before_anything_happens(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint()
    for _ in range(3):
        make_event(endpoint, "failed")
    make_event(endpoint, "delivered")
    make_event(make_endpoint("Other"), "failed")
    answer = admin_client.post(START, asked(endpoint=str(endpoint.pk)))
    html = html_module.unescape(answer.content.decode())
    assert "3 deliveries to Shop, given up." in html
    assert "Replay 3 deliveries" in html
    assert not WebhookReplay.objects.exists()
    done = admin_client.post(START, carried(answer), follow=True)
    replay = WebhookReplay.objects.get()
    assert (replay.total, replay.endpoint, replay.requested_by_name) == (3, endpoint, "admin")
    page = done.content.decode()
    assert "0 of 3 made due (0 %)" in page
    assert 'data-refresh="2"' in page
    assert AuditEntry.objects.get(action="webhook_replay.started").actor_name == "admin"
    assert "0 of 3" in admin_client.get(REPLAYS).content.decode()


def test_a_count_that_has_changed_is_shown_again(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint()
    make_event(endpoint, "failed")
    answer = admin_client.post(START, asked(endpoint=str(endpoint.pk)))
    make_event(endpoint, "failed", ago=timedelta(hours=1))
    again = admin_client.post(START, carried(answer))
    html = html_module.unescape(again.content.decode())
    assert "There are 2 of them now." in html
    assert not WebhookReplay.objects.exists()
    admin_client.post(START, carried(again))
    assert WebhookReplay.objects.get().total == 2


def test_until_now_is_one_moment(db: None, admin_client: Client) -> None:
    """What is published after the count was shown is not in it."""
    endpoint = make_endpoint()
    make_event(endpoint, "failed", ago=timedelta(minutes=1))
    answer = admin_client.post(START, asked(endpoint=str(endpoint.pk)))
    make_event(endpoint, "failed", ago=-timedelta(minutes=1))
    admin_client.post(START, carried(answer))
    assert WebhookReplay.objects.get().total == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Nothing fits"),
        ({"rate_per_second": "0"}, "greater than or equal"),
        ({"rate_per_second": "nan"}, "Enter a number."),
        ({"since": "yesterday"}, "Enter a valid date/time."),
        ({"since": "2026-03-02T00:00", "until": "2026-03-01T00:00"}, "Must be before until."),
        ({"status": "lost"}, "Select a valid choice."),
        ({"endpoint": "999"}, "Select a valid choice."),
        ({"endpoint": "x\x00"}, "Select a valid choice."),
        ({"event_type": "pay*"}, "event_type"),
        ({"includes_missed": "on"}, "Is needed, to know which events it missed."),
    ],
)
def test_bad_input_is_an_error_of_its_field(
    db: None, admin_client: Client, changes: dict[str, Any], words: str
) -> None:
    answer = admin_client.post(START, asked(**changes))
    errors = html_module.unescape(str(answer.context["form"].errors))
    assert words in errors
    assert not WebhookReplay.objects.exists()


def test_a_link_fills_the_form_in(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint()
    form = admin_client.get(f"{START}?endpoint={endpoint.pk}&status=retrying").context["form"]
    assert (form["endpoint"].value(), form["status"].value()) == (str(endpoint.pk), "retrying")


def test_a_replay_is_cancelled(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint()
    make_event(endpoint, "failed")
    admin_client.post(START, carried(admin_client.post(START, asked(endpoint=str(endpoint.pk)))))
    replay = WebhookReplay.objects.get()
    told = admin_client.post(f"{REPLAYS}{replay.pk}/cancel/", follow=True).content.decode()
    assert "What was due already still goes out." in told
    assert "Cancel this replay" not in told
    assert "data-refresh=" not in told
    replay.refresh_from_db()
    assert replay.state == "cancelled"
    told = admin_client.post(f"{REPLAYS}{replay.pk}/cancel/", follow=True).content.decode()
    assert "already" in told


def test_a_second_one_of_the_same_waits(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint()
    make_event(endpoint, "failed")
    answer = admin_client.post(START, asked(endpoint=str(endpoint.pk)))
    admin_client.post(START, carried(answer))
    told = admin_client.post(START, carried(answer)).content.decode()
    assert "is running" in told
    assert WebhookReplay.objects.count() == 1


def test_own_businesses_only(db: None, client_of: Callable[..., Client]) -> None:
    rights = ("view_webhookevent", "deliver_webhookevent")
    client = client_of(*rights, businesses=("mine",))
    theirs = make_endpoint("MARK-theirs", business="theirs")
    every = make_endpoint("MARK-every", every_business=True)
    make_event(theirs, "failed")
    html = client.get(f"{START}?endpoint={theirs.pk}").content.decode()
    assert "MARK-" not in html
    for endpoint in (theirs, every):
        answer = client.post(START, asked(endpoint=str(endpoint.pk), confirmed="yes"))
        assert "endpoint" in answer.context["form"].errors
    answer = client.post(START, asked(business="theirs", confirmed="yes", expected_count="1"))
    assert "business" in answer.context["form"].errors
    made = [
        WebhookReplay.objects.create(endpoint=endpoint, business=endpoint.business, total=1)
        for endpoint in (theirs, every)
    ]
    assert "MARK-" not in client.get(REPLAYS).content.decode()
    for replay in made:
        assert client.get(f"{REPLAYS}{replay.pk}/change/").status_code == 302
        assert client.post(f"{REPLAYS}{replay.pk}/cancel/").status_code == 404


def test_permissions(db: None, client_of: Callable[..., Client]) -> None:
    replay = WebhookReplay.objects.create(total=1, requested_by_name=HOSTILE)
    viewer = client_of("view_webhookreplay")
    page = viewer.get(f"{REPLAYS}{replay.pk}/change/").content.decode()
    assert "Cancel this replay" not in page
    assert "<img src=x" not in page
    assert viewer.get(START).status_code == 403
    assert viewer.post(START, asked()).status_code == 403
    assert viewer.post(f"{REPLAYS}{replay.pk}/cancel/").status_code == 403
    assert client_of().get(REPLAYS).status_code == 403
    deliverer = client_of("deliver_webhookevent")
    assert deliverer.get(REPLAYS).status_code == 200
    assert deliverer.get(f"{REPLAYS}{replay.pk}/cancel/").status_code == 405


def test_dates_are_those_of_the_installation(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint()
    make_event(endpoint, "failed", ago=timedelta(hours=2))
    local = timezone.localtime() - timedelta(hours=1)
    values = asked(endpoint=str(endpoint.pk), since=f"{local:%Y-%m-%dT%H:%M}")
    assert "Nothing fits" in str(admin_client.post(START, values).context["form"].errors)
    earlier = timezone.localtime() - timedelta(hours=3)
    values["since"] = f"{earlier:%Y-%m-%dT%H:%M}"
    assert "Replay 1 delivery" in admin_client.post(START, values).content.decode()
