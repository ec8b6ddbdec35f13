"""Endpoints, messages and deliveries for tests of what people do with them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from itertools import count
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone

from integrations.models import (
    DeliveryStatus,
    WebhookEndpoint,
    WebhookEvent,
    WebhookLane,
    WebhookMessage,
)
from integrations.work import WorkState

# Secret A of the webhooks reference, section 1.1.
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
_numbers = count(1)


def make_endpoint(url: str = "https://hooks.example.com/in", **values: Any) -> WebhookEndpoint:
    """An endpoint with its lane."""
    lane = values.pop("lane", {})
    name = values.pop("name", f"Receiver {next(_numbers)}")
    endpoint = WebhookEndpoint.objects.create(
        **{"name": name, "url": url, "secret": SECRET, **values}
    )
    WebhookLane.objects.create(endpoint=endpoint, key=f"webhook-{endpoint.pk}", **lane)
    return endpoint


def make_message(event_type: str = "invoice.paid", **values: Any) -> WebhookMessage:
    """A message; `days` makes it that old."""
    days = values.pop("days", 0)
    message = WebhookMessage.objects.create(
        **{
            "event_id": uuid.uuid4(), "event_type": event_type, "occurred_at": timezone.now(),
            "body": b'{"invoice":"INV-1"}', **values,
        }
    )  # fmt: skip
    if days:
        WebhookMessage.objects.filter(pk=message.pk).update(
            created_at=timezone.now() - timedelta(days=days)
        )
    return message


def make_delivery(
    endpoint: WebhookEndpoint, status: str = DeliveryStatus.FAILED, **values: Any
) -> WebhookEvent:
    """A delivery with the state of work that fits its status; `days` makes it that old."""
    days = values.pop("days", 0)
    message = values.pop("message", None) or make_message(
        values.pop("event_type", "invoice.paid"),
        business=values.pop("business", endpoint.business), days=days,
    )  # fmt: skip
    states = {
        DeliveryStatus.DELIVERED: {"work_state": WorkState.DONE, "next_attempt_at": None},
        DeliveryStatus.FAILED: {"work_state": WorkState.DEAD, "next_attempt_at": None},
        DeliveryStatus.RETRYING: {"next_attempt_at": Now() + timedelta(hours=1)},
        DeliveryStatus.PENDING: {},
    }
    attempts = 0 if status == DeliveryStatus.PENDING else 3
    event = WebhookEvent.objects.create(
        **{
            "endpoint": endpoint, "message": message, "event_type": message.event_type,
            "status": status, "attempts": attempts,
            **states[DeliveryStatus(status)], **values,
        }
    )  # fmt: skip
    if days:
        WebhookEvent.objects.filter(pk=event.pk).update(
            created_at=timezone.now() - timedelta(days=days)
        )
    return event


def state_of(event: WebhookEvent) -> tuple[str, str, bool]:
    """(status, work state, is_manual) as stored."""
    event.refresh_from_db()
    return str(event.status), str(event.work_state), event.is_manual


def is_due(event: WebhookEvent) -> bool:
    """Whether a dispatcher would take it now."""
    rows = WebhookEvent.objects.filter(
        pk=event.pk, next_attempt_at__lte=Now() + timedelta(milliseconds=2)
    )
    return rows.exclude(work_state=WorkState.LEASED).exists()
