"""Callers, endpoints and deliveries for the tests of the webhooks' API."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from integrations.models import WebhookAttempt, WebhookEndpoint, WebhookEvent, WebhookMessage
from integrations.webhooks import endpoints
from tests.api.conftest import user_with, with_token

API = "/api/v1/integrations"
# A public address, so that no name is looked up.
URL = "https://93.184.215.14/hooks"
RIGHTS = (
    "view_webhookendpoint", "add_webhookendpoint", "change_webhookendpoint",
    "delete_webhookendpoint", "view_webhookevent", "add_webhookevent", "deliver_webhookevent",
)  # fmt: skip


def program(*businesses: str, **changes: Any) -> APIClient:
    """A client with a token that may do everything with webhooks of these businesses."""
    user = user_with(*RIGHTS, businesses=businesses)
    return with_token(user, "webhooks:read", "webhooks:write", **changes)


def endpoint(**changes: Any) -> WebhookEndpoint:
    """A stored endpoint."""
    return endpoints.create_endpoint({"name": "ERP", "url": URL, **changes}).endpoint


def delivery(row: WebhookEndpoint, **changes: Any) -> WebhookEvent:
    """A stored delivery with one attempt."""
    message = WebhookMessage.objects.create(
        event_type="payment.succeeded", business=row.business, occurred_at=timezone.now(),
        body=b'{"amount":"10.00"}',
    )  # fmt: skip
    event = WebhookEvent.objects.create(
        endpoint=row, message=message, event_type=message.event_type, **changes
    )
    WebhookAttempt.objects.create(
        event=event, endpoint=row, number=1, trigger="auto", outcome="http_error",
        started_at=timezone.now(), duration_ms=7, status_code=503, error="HTTP 503",
        request_headers={"webhook-id": message.message_id}, response_body="busy",
    )  # fmt: skip
    return event
