"""Python listeners: the worker fires the Django signal from each stored event."""

from __future__ import annotations

from integrations.models import DomainEvent
from integrations.signals import integration_event

QUEUE = "events"


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
