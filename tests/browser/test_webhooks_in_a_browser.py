"""Webhooks in a browser: an endpoint is made and tested by hand; the pages are sound and fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from integrations.models import (
    AuditEntry,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    WebhookReplay,
)
from tests.admin.webhooks import (
    ENDPOINTS,
    EVENTS,
    HOSTILE,
    REPLAYS,
    STUCK,
    make_attempt,
    make_endpoint,
    make_event,
)
from tests.browser.test_money_pages import faults
from tests.outbound.servers import LoopbackServer, answer

pytestmark = pytest.mark.browser
HOUR = timedelta(hours=1)


@pytest.fixture
def receiver(settings: Any) -> Iterator[LoopbackServer]:
    """A receiver on loopback, on the operator's list."""
    server = LoopbackServer(answer(body=b"thank you"))
    settings.OUTBOUND_ALLOWED_HOSTS = [server.place]
    settings.DEBUG = True
    yield server
    server.stop()


@pytest.fixture
def stuck(transactional_db: None) -> WebhookEvent:
    """Endpoints in every state, with what waits for them; a delivery with hostile answers."""
    now = timezone.now()
    make_endpoint("Warehouse", business="duka-moja", lane={"last_success_at": now - HOUR / 60})
    paused = make_endpoint("Accounting (Sage)", is_paused=True, paused_at=now - 3 * HOUR)
    gone = make_endpoint(
        "Old shop", is_active=False, disabled_reason="gone", disabled_at=now - 20 * HOUR,
        url="https://hooks.old-shop.example.ke/a/very/long/path/that/goes/on",
    )  # fmt: skip
    failing = make_endpoint(
        "Logistics partner", business="duka-moja", is_asymmetric=True,
        public_key="whpk_" + "a" * 43,
        lane={"failing_since": now - 2 * HOUR, "consecutive_failures": 4, "last_status": 503,
              "last_error": "The receiver answered 503 Service Unavailable.",
              "last_attempt_at": now, "last_success_at": now - 5 * HOUR, "last_served_at": now},
    )  # fmt: skip
    make_endpoint("CRM", lane={"failing_since": now - HOUR, "open_until": now + HOUR / 6,
                               "last_error": "Timed out.", "last_served_at": now})  # fmt: skip
    for number in range(30):
        make_event(paused, ago=3 * HOUR - number * HOUR / 60)
    make_event(gone, "retrying", ago=20 * HOUR, attempts=3)
    for _ in range(4):
        make_event(gone, "failed", ago=30 * HOUR, last_error="410 Gone")
    make_event(failing, "delivered", attempts=1, delivered_at=now)
    event = make_event(failing, "retrying", ago=2 * HOUR, attempts=3, last_error="503")
    WebhookEvent.objects.filter(pk=event.pk).update(next_attempt_at=now + HOUR)
    headers = {
        "content-type": "application/json", "user-agent": "BengoERP", "webhook-id": "msg_1",
        "webhook-timestamp": "1767225600", "webhook-signature": "v1,…", "authorization": "***",
    }  # fmt: skip
    make_attempt(event, number=1, outcome="timeout", status_code=None, duration_ms=15_000,
                 response_headers={}, response_body="", response_bytes=0,
                 request_headers=headers)  # fmt: skip
    make_attempt(event, number=2, outcome="connect", status_code=None, error="Connection refused.",
                 response_headers={}, response_body="", response_bytes=0,
                 request_headers=headers)  # fmt: skip
    make_attempt(event, number=3, response_body=f"{HOSTILE}\n" + "busy " * 2000,
                 response_bytes=10_100, request_headers=headers)  # fmt: skip
    return event


def test_an_endpoint_is_made_tested_and_its_secret_copied(
    open_admin: Callable[..., Page], receiver: LoopbackServer, shoot: Callable[[Page, str], None]
) -> None:
    page = open_admin()
    page.goto(f"{ENDPOINTS}add/")
    page.locator("#id_name").fill("Shop")
    page.locator("#id_url").fill(receiver.url("/inbox"))
    page.locator("input[value='payment.succeeded']").check()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("This is the only time that the secret is shown.").wait_for()
    shown = page.locator("#issued-secret").inner_text()
    endpoint = WebhookEndpoint.objects.get()
    assert shown == endpoint.secret.reveal()
    assert endpoint.event_types == ["payment.succeeded"]
    page.get_by_role("button", name="Copy the secret").click()
    page.get_by_text("Copied").or_(page.get_by_text("Press Ctrl+C")).wait_for()
    shoot(page, "webhook-issued")
    page.get_by_role("link", name="I have stored it").click()
    page.get_by_role("button", name="Send test event").click()
    page.get_by_text("Test event:").first.wait_for()
    shoot(page, "webhook-tested")
    attempt = WebhookAttempt.objects.get()
    assert (attempt.outcome, attempt.trigger) == ("delivered", "test")
    assert "webhook-signature" in {name.lower() for name in receiver.requests[0].headers}
    page.get_by_role("link", name="The whole exchange").click()
    page.get_by_text("Attempt 1").first.wait_for()
    assert AuditEntry.objects.filter(action="webhook_endpoint.tested").exists()


def test_the_operator_acts_from_what_is_stuck(
    open_admin: Callable[..., Page], stuck: WebhookEvent
) -> None:
    page = open_admin()
    page.get_by_role("link", name="What is stuck, since when, why").click()
    page.get_by_role("heading", name="need somebody", exact=False).wait_for()
    page.get_by_role("button", name="Resume (Accounting (Sage))").click()
    page.get_by_text("goes on. What has waited is sent now.").wait_for()
    assert not WebhookEndpoint.objects.get(name="Accounting (Sage)").is_paused


def test_a_replay_is_counted_and_then_started(
    open_admin: Callable[..., Page], stuck: WebhookEvent, shoot: Callable[[Page, str], None]
) -> None:
    page = open_admin()
    endpoint = stuck.endpoint
    page.goto(f"{REPLAYS}start/?endpoint={endpoint.pk}&status=retrying")
    page.get_by_role("button", name="Count them").click()
    page.get_by_text("1 delivery to Logistics partner, failed before and waiting.").wait_for()
    assert not WebhookReplay.objects.exists()
    shoot(page, "webhook-replay-count")
    page.get_by_role("button", name="Replay 1 delivery").click()
    page.get_by_text("0 of 1 made due").wait_for()
    replay = WebhookReplay.objects.get()
    # The page follows by itself.
    WebhookReplay.objects.filter(pk=replay.pk).update(done=1, state="finished", work_state="done")
    page.get_by_text("1 of 1 made due (100 %)").wait_for()


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)])
def test_the_pages_have_no_serious_fault(
    open_admin: Callable[..., Page], shoot: Callable[[Page, str], None], stuck: WebhookEvent,
    phone: bool, dark: bool,
) -> None:  # fmt: skip
    page = open_admin(phone=phone, dark=dark)
    replay = WebhookReplay.objects.create(
        endpoint=stuck.endpoint, total=1000, done=420, requested_by_name="wanjiku",
        filters={"status": "failed", "event_type": "payment.*"},
    )  # fmt: skip
    look = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
    key = stuck.endpoint_id
    found: list[str] = []
    for name, place in {
        "start": "/admin/",
        "stuck": STUCK,
        "endpoints": ENDPOINTS,
        "add": f"{ENDPOINTS}add/",
        "endpoint": f"{ENDPOINTS}{key}/change/",
        "rotate": f"{ENDPOINTS}{key}/rotate/",
        "disable": f"{ENDPOINTS}{key}/disable/",
        "delete": f"{ENDPOINTS}{key}/delete/",
        "catalogue": f"{ENDPOINTS}catalogue/",
        "deliveries": EVENTS,
        "delivery": f"{EVENTS}{stuck.pk}/change/",
        "replay-form": f"{REPLAYS}start/",
        "replays": REPLAYS,
        "replay": f"{REPLAYS}{replay.pk}/change/",
    }.items():
        found += faults(page, place)
        if name in ("delivery", "catalogue", "add"):
            page.evaluate("document.querySelectorAll('main details, #content details')"
                          ".forEach((each) => { each.open = true; })")  # fmt: skip
            assert page.evaluate("window.taken === undefined")
        shoot(page, f"webhook-{name}-{look}")
    assert not found, "\n".join(found)
