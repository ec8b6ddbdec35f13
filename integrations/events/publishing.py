"""Publishing: an event is stored with the change it tells of, with a row for each endpoint."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from integrations import plain_sql
from integrations.events.encoding import check_business, check_event_type, encode
from integrations.events.fan_out import Outgoing, fan_out
from integrations.events.listeners import QUEUE
from integrations.exceptions import InvalidInput
from integrations.models import DomainEvent, WebhookEndpoint, WebhookMessage
from integrations.work import WorkState, ring

Endpoint = WebhookEndpoint | int


@dataclass(frozen=True)
class NewEvent:
    """An event that is to be published, of many."""

    event_type: str
    payload: Mapping[str, Any]
    business: str = ""


@dataclass(frozen=True)
class _Checked:
    """What may be stored, and the bytes that are sent."""

    event: DomainEvent
    body: bytes


def publish(
    event_type: str,
    payload: Mapping[str, Any],
    business: str = "",
    event_id: uuid.UUID | str | None = None,
    *,
    only_endpoint: Endpoint | None = None,
    except_endpoint: Endpoint | None = None,
) -> DomainEvent:
    """Store an event in the caller's transaction: rolled back means never told, never sent.

    `payload` must be JSON-encodable and hold no secrets. The worker fires
    `signals.integration_event` afterwards, and sends the event to each webhook endpoint that
    wants it, both at least once.

    With `event_id`, publishing the same again stores and sends nothing and answers the first
    event. `only_endpoint` sends it there and nowhere else, whatever its filter; one that is off
    gets it when it is on again. `except_endpoint` sends it everywhere but there.

    Raises InvalidInput, before anything is stored, that names `event_type`, `payload`, `business`
    or `event_id`: the id of an event with other content.
    """
    checked = _check(NewEvent(event_type, payload, business), _read_id(event_id))
    if event_id is None:
        return _store([checked], only_endpoint, except_endpoint)[0]
    known = _published(checked)
    if known is not None:
        return known
    try:
        with transaction.atomic():
            return _store([checked], only_endpoint, except_endpoint)[0]
    except IntegrityError:
        # Somebody published it meanwhile, and has committed: who comes second waits for that.
        known = _published(checked)
        if known is None:
            raise
        return known


def publish_many(events: Iterable[NewEvent]) -> list[DomainEvent]:
    """`publish` for many at once, in a handful of statements; all of them are stored, or none.

    Raises InvalidInput for the first one that can't be.
    """
    checked = [_check(event, uuid.uuid4()) for event in events]
    return _store(checked, None, None) if checked else []


def _read_id(event_id: uuid.UUID | str | None) -> uuid.UUID:
    if event_id is None:
        return uuid.uuid4()
    try:
        return uuid.UUID(str(event_id))
    except ValueError:
        raise InvalidInput("event_id", "must be a UUID.") from None


def _check(event: NewEvent, event_id: uuid.UUID) -> _Checked:
    return _Checked(
        DomainEvent(
            event_id=event_id,
            event_type=check_event_type(event.event_type),
            business=check_business(event.business),
            payload=event.payload,
        ),
        encode(event.payload),
    )


def _store(
    checked: Sequence[_Checked], only: Endpoint | None, but: Endpoint | None
) -> list[DomainEvent]:
    # No savepoint: whoever published wants the whole of it with the change, or neither.
    with transaction.atomic(savepoint=False):
        events = [item.event for item in checked]
        if len(events) == 1:
            plain_sql.insert(events[0])
        else:
            DomainEvent.objects.bulk_create(events)
        fan_out(
            [Outgoing.of(event, item.body) for event, item in zip(events, checked, strict=True)],
            only_endpoint=only,
            except_endpoint=but,
        )
        ring(QUEUE)
    return events


def _published(checked: _Checked) -> DomainEvent | None:
    """The event that has this id already; InvalidInput where its content is another."""
    new = checked.event
    event = DomainEvent.objects.filter(event_id=new.event_id).first() or _sent(new)
    if event is None:
        return None
    # As it comes back from JSON: tuples are lists there.
    same = (new.event_type, new.business, json.loads(checked.body))
    if (event.event_type, event.business, event.payload) != same:
        raise InvalidInput("event_id", "is that of another event, with other content.")
    return event


def _sent(new: DomainEvent) -> DomainEvent | None:
    """The event of a message that outlived it: told to listeners long ago, and not told again."""
    message = WebhookMessage.objects.filter(event_id=new.event_id).first()
    if message is None:
        return None
    event, _ = DomainEvent.objects.get_or_create(
        event_id=message.event_id,
        defaults={
            "event_type": message.event_type,
            "business": message.business,
            # Its body may be gone too; then nothing is left to compare with.
            "payload": new.payload if message.body is None else message.payload,
            "work_state": WorkState.DONE,
            "next_attempt_at": None,
        },
    )
    return event
