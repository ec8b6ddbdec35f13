"""The original's way to publish: a `WebhookEvent` that is made with its payload."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from integrations.events.catalogue import version_of
from integrations.events.encoding import check_event_type, encode
from integrations.events.fan_out import QUEUE
from integrations.models import WebhookEvent, WebhookMessage
from integrations.work import ring


def store_message(event: WebhookEvent, payload: Any) -> WebhookMessage:
    """The message of one row, for its endpoint alone; in the transaction that stores the row.

    Raises InvalidInput as `publish` does. Python listeners are not told: publish for them.
    """
    body, event_type = encode(payload), check_event_type(event.event_type)
    ring(QUEUE)
    return WebhookMessage.objects.create(
        event_type=event_type,
        version=version_of(event_type),
        business=event.endpoint.business,
        occurred_at=timezone.now(),
        body=body,
        is_directed=True,
    )
