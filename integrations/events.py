"""Publishing: an event row is stored with the change it tells of, and delivered afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from integrations.models import DomainEvent
from integrations.signals import integration_event
from integrations.work import ring

QUEUE = "events"


def publish(
    event_type: str,
    payload: Mapping[str, Any],
    business: str = "",
    event_id: uuid.UUID | str | None = None,
) -> DomainEvent:
    """Store an event in the caller's transaction: rolled back means never told.

    `payload` must be JSON-encodable and hold no secrets. The worker fires
    `signals.integration_event` afterwards, at least once.
    """
    event = DomainEvent.objects.create(
        event_id=uuid.UUID(str(event_id)) if event_id else uuid.uuid4(),
        event_type=event_type,
        payload=dict(payload),
        business=business,
    )
    ring(QUEUE)
    return event


def deliver(event: DomainEvent) -> None:
    """Handler of the queue: call every listener; raise what the first failing one raised.

    A listener that raises is called again with the same `event_id` after a pause, and so are
    the others: listeners must tolerate repetition.
    """
    answers = integration_event.send_robust(
        sender=DomainEvent,
        event_id=str(event.event_id),
        event_type=event.event_type,
        business=event.business,
        payload=event.payload,
    )
    for _receiver, answer in answers:
        if isinstance(answer, Exception):
            raise answer
