"""Fan-out: which endpoints an event goes to, in the transaction that publishes it.

One query for the endpoints, the body once, one INSERT for the deliveries.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections, router

from integrations.events.catalogue import version_of
from integrations.events.patterns import check_event_patterns, matches
from integrations.models import (
    DisabledReason,
    DomainEvent,
    WebhookEndpoint,
    WebhookEvent,
    WebhookMessage,
)
from integrations.work import ring

__all__ = ["Outgoing", "check_event_patterns", "fan_out", "matches"]

QUEUE = "webhooks"

# One that the system switched off misses nothing: its deliveries wait until it is on again.
# Locked against deletion (PostgreSQL), as the foreign keys would at the commit anyway: there,
# an endpoint that is gone would fail the whole transaction, a payment's for instance.
_ENDPOINTS = """
SELECT id, business, every_business, event_types, is_active OR disabled_reason IN (%s, %s)
FROM {table} WHERE {which} ORDER BY id{lock}
"""


@dataclass(frozen=True)
class Outgoing:
    """An event with the bytes that are sent."""

    event_id: uuid.UUID
    event_type: str
    business: str
    occurred_at: datetime
    body: bytes

    @classmethod
    def of(cls, event: DomainEvent, body: bytes) -> Outgoing:
        """Of a stored event."""
        return cls(event.event_id, event.event_type, event.business, event.created_at, body)


@dataclass(frozen=True)
class _Endpoint:
    pk: int
    business: str
    every_business: bool
    event_types: Any
    gets_events: bool

    def wants(self, event: Outgoing) -> bool:
        is_theirs = self.every_business or self.business == event.business
        return is_theirs and matches(self.event_types, event.event_type)


def fan_out(
    events: Sequence[Outgoing],
    *,
    only_endpoint: WebhookEndpoint | int | None = None,
    except_endpoint: WebhookEndpoint | int | None = None,
) -> int:
    """Store the messages and their deliveries, in the caller's transaction; how many deliveries.

    A message is kept also where only endpoints want it that somebody switched off, so that what
    they missed can be replayed. With `only_endpoint`, neither filter nor switch are asked.
    """
    only, but = _key(only_endpoint), _key(except_endpoint)
    endpoints = [item for item in _endpoints(events, only) if item.pk != but]
    if not endpoints:
        return 0
    wanted = [
        (event, [item for item in endpoints if only is not None or item.wants(event)])
        for event in events
    ]
    wanted = [(event, targets) for event, targets in wanted if targets]
    messages = _store_messages(event for event, _ in wanted)
    deliveries = [
        WebhookEvent(endpoint_id=item.pk, message=message, event_type=event.event_type)
        for message, (event, targets) in zip(messages, wanted, strict=True)
        for item in targets
        if only is not None or item.gets_events
    ]
    if deliveries:
        WebhookEvent.objects.bulk_create(deliveries, ignore_conflicts=True)
        ring(QUEUE)
    return len(deliveries)


def _key(endpoint: WebhookEndpoint | int | None) -> int | None:
    return endpoint.pk if isinstance(endpoint, WebhookEndpoint) else endpoint


def _endpoints(events: Sequence[Outgoing], only: int | None) -> list[_Endpoint]:
    connection = connections[router.db_for_write(WebhookEndpoint)]
    businesses = sorted({event.business for event in events})
    which = "id = %s"
    params: list[object] = [only]
    if only is None:
        marks = ", ".join(["%s"] * len(businesses))
        which, params = f"(business IN ({marks}) OR every_business)", [*businesses]
    sql = _ENDPOINTS.format(
        table=connection.ops.quote_name(WebhookEndpoint._meta.db_table),
        which=which,
        lock=" FOR KEY SHARE" if connection.vendor == "postgresql" else "",
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [DisabledReason.GONE.value, DisabledReason.FAILING.value, *params])
        return [
            _Endpoint(pk, business, bool(every), json.loads(patterns), bool(gets))
            for pk, business, every, patterns, gets in cursor.fetchall()
        ]


def _store_messages(events: Iterable[Outgoing]) -> list[WebhookMessage]:
    return WebhookMessage.objects.bulk_create(
        WebhookMessage(
            event_id=event.event_id,
            event_type=event.event_type,
            version=version_of(event.event_type),
            business=event.business,
            occurred_at=event.occurred_at,
            body=event.body,
        )
        for event in events
    )
