"""What is stuck, since when, why; the start page's card; the catalogue."""

from __future__ import annotations

import html as html_module
from collections.abc import Callable
from datetime import timedelta

from django.test import Client
from django.utils import timezone

from integrations.events.catalogue import event_types
from integrations.models import WebhookEvent
from tests.admin.webhooks import (
    BASE,
    ENDPOINTS,
    EVENTS,
    STUCK,
    make_attempt,
    make_endpoint,
    make_event,
)

HOUR = timedelta(hours=1)


def text(client: Client, url: str = STUCK) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, (url, answer.status_code)
    return html_module.unescape(answer.content.decode())


def test_nothing_is_stuck(db: None, admin_client: Client) -> None:
    html = text(admin_client)
    assert "Nothing is stuck. Nothing waits." in html
    assert "None yet" in html


def test_what_is_stuck_since_when_why_and_what_helps(db: None, admin_client: Client) -> None:
    paused = make_endpoint("Paused one", is_paused=True, paused_at=timezone.now() - HOUR)
    gone = make_endpoint("Gone one", is_active=False, disabled_reason="gone",
                         disabled_at=timezone.now() - HOUR)  # fmt: skip
    failing = make_endpoint(
        "Failing one", lane={"failing_since": timezone.now() - 2 * HOUR, "last_status": 503,
                             "last_error": "503 Service Unavailable",
                             "last_served_at": timezone.now()},
    )  # fmt: skip
    make_event(paused, ago=3 * HOUR)
    make_event(gone, ago=2 * HOUR)
    dead = make_event(gone, "failed", ago=5 * HOUR)
    late = make_event(failing, "retrying", ago=2 * HOUR, attempts=3)
    WebhookEvent.objects.filter(pk=late.pk).update(next_attempt_at=timezone.now() + HOUR)
    make_attempt(late)
    html = text(admin_client)
    assert "3 endpoints need somebody. 3 deliveries wait, the oldest for 3\xa0hours." in html
    assert html.index("Paused one") < html.index("Gone one")
    assert f"{ENDPOINTS}{paused.pk}/resume/" in html
    assert f"{ENDPOINTS}{gone.pk}/enable/" in html
    assert f"{ENDPOINTS}{gone.pk}/test/" in html
    assert f"{ENDPOINTS}{failing.pk}/test/" in html
    assert f"{BASE}/webhookreplay/start/?endpoint={failing.pk}&status=retrying" in html
    assert "503 Service Unavailable" in html
    assert f"{EVENTS}?endpoint={gone.pk}&status=failed" in html
    assert f"{EVENTS}?status=failed" in html
    assert "1 paused" in html
    assert list(admin_client.get(f"{EVENTS}?endpoint={gone.pk}&status=failed")
                .context["cl"].queryset) == [dead]  # fmt: skip


def test_the_page_shows_what_its_reader_may_do(db: None, client_of: Callable[..., Client]) -> None:
    mine = make_endpoint("MARK-mine", business="mine", is_paused=True)
    theirs = make_endpoint("MARK-theirs", business="theirs", is_paused=True)
    every = make_endpoint("MARK-every", every_business=True, is_paused=True)
    for endpoint in (mine, theirs, every):
        make_event(endpoint, ago=HOUR)
    html = text(client_of("view_webhookendpoint", businesses=("mine",)))
    assert "1 endpoint needs somebody. 1 delivery waits" in html
    assert "MARK-mine" in html
    assert "MARK-theirs" not in html
    assert "MARK-every" not in html
    assert "/resume/" not in html
    assert EVENTS not in html
    changer = client_of("view_webhookendpoint", "change_webhookendpoint", businesses=("mine",))
    assert f"{ENDPOINTS}{mine.pk}/resume/" in text(changer)


def test_the_start_pages_card_leads_to_what_it_counts(db: None, admin_client: Client) -> None:
    failing = make_endpoint("Failing", lane={"failing_since": timezone.now()})
    make_event(failing, ago=3 * HOUR)
    make_event(failing, "failed")
    html = text(admin_client, "/admin/")
    waiting = "<strong>1</strong> <span>waiting, the oldest for 3\xa0hours</span>"
    assert f'href="{EVENTS}?status=waiting">{waiting}' in html
    assert f'href="{ENDPOINTS}?standing=failing"><strong>1</strong>' in html
    assert f'href="{EVENTS}?status=failed"><strong>1</strong> <span>dead letters</span>' in html
    assert f'href="{STUCK}"' in html


def test_the_start_page_counts_nothing_that_its_reader_may_not_see(
    db: None, client_of: Callable[..., Client]
) -> None:
    make_event(make_endpoint(business="theirs"), ago=HOUR)
    assert "<h3>Webhooks</h3>" not in text(client_of("view_payment"), "/admin/")
    html = text(client_of("view_webhookevent", businesses=("mine",)), "/admin/")
    assert "<strong>0</strong> <span>waiting</span>" in html
    assert STUCK not in html


def test_the_catalogue_shows_every_type(db: None, admin_client: Client) -> None:
    html = text(admin_client, f"{ENDPOINTS}catalogue/")
    assert event_types()
    for each in event_types():
        assert f"<code>{each.name}</code>" in html
        assert each.summary in html
    assert '"$schema"' in html or '"type": "object"' in html


def test_the_menu_has_the_pages(db: None, admin_client: Client) -> None:
    html = text(admin_client, "/admin/")
    for url in (STUCK, ENDPOINTS, EVENTS, f"{BASE}/webhookreplay/", f"{ENDPOINTS}catalogue/"):
        assert f'href="{url}"' in html
