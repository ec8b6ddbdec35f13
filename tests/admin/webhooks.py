"""Endpoints and deliveries for the tests of the admin's pages about webhooks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from integrations.models import (
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    WebhookLane,
    WebhookMessage,
)
from tests.hunt.plants import planted

BASE = "/admin/integrations"
ENDPOINTS = f"{BASE}/webhookendpoint/"
EVENTS = f"{BASE}/webhookevent/"
REPLAYS = f"{BASE}/webhookreplay/"
STUCK = f"{ENDPOINTS}stuck/"
HOSTILE = '<script>window.taken=1</script><img src=x onerror="window.taken=1">'


def make_endpoint(name: str = "Shop", *, lane: dict[str, Any] | None = None, **values: Any) -> Any:
    """An endpoint that works, with its lane."""
    endpoint = WebhookEndpoint.objects.create(
        **{"name": name, "url": "https://hooks.example.ke/erp/inbox",
           "secret": planted("posted secret"), **values}
    )  # fmt: skip
    WebhookLane.objects.create(endpoint=endpoint, key=str(endpoint.pk), **(lane or {}))
    return endpoint


def make_event(
    endpoint: WebhookEndpoint,
    status: str = "pending",
    *,
    event_type: str = "payment.succeeded",
    body: bytes | None = b'{"reference":"INV-1","amount":"100.00"}',
    ago: timedelta = timedelta(0),
    **values: Any,
) -> WebhookEvent:
    """A delivery in one of the documented statuses, published a while ago."""
    message = WebhookMessage.objects.create(
        event_type=event_type, business=endpoint.business, occurred_at=timezone.now() - ago,
        body=body,
    )  # fmt: skip
    ended = {"delivered": "done", "failed": "dead"}.get(status)
    standing: dict[str, Any] = (
        {"work_state": ended, "next_attempt_at": None}
        if ended
        else {"next_attempt_at": timezone.now() - ago}
    )
    event = WebhookEvent.objects.create(
        endpoint=endpoint, message=message, event_type=event_type, status=status,
        **{**standing, **values},
    )  # fmt: skip
    _backdate(event, timezone.now() - ago)
    return event


def _backdate(event: WebhookEvent, moment: datetime) -> None:
    WebhookEvent.objects.filter(pk=event.pk).update(created_at=moment)
    WebhookMessage.objects.filter(pk=event.message_id).update(created_at=moment)
    event.refresh_from_db()


def make_attempt(event: WebhookEvent, outcome: str = "http_error", **values: Any) -> WebhookAttempt:
    """One try of a delivery."""
    return WebhookAttempt.objects.create(
        event=event, endpoint=event.endpoint, outcome=outcome,
        **{"number": 1, "trigger": "auto", "started_at": timezone.now(), "duration_ms": 35,
           "status_code": 503, "error": "", "request_headers": {"webhook-id": "msg_1"},
           "response_headers": {"content-type": "text/html"}, "response_body": "busy",
           "response_bytes": 4, **values},
    )  # fmt: skip


def typed(**changes: Any) -> dict[str, Any]:
    """What a browser posts for a new endpoint."""
    return {
        "name": "Shop", "url": "https://hooks.example.ke/erp/inbox", "business": "",
        "is_active": "on", "known_types": [], "patterns": "", "body_format": "standard",
        "auth": "none", "username": "", "token_url": "", "client_id": "", "token_scope": "",
        "timeout_seconds": "15", "max_concurrency": "10", "rate_per_second": "",
        "static_headers": "", "client_certificate": "", "client_key": "", "password": "",
        "client_secret": "", **changes,
    }  # fmt: skip
