"""Events on their way to a receiver: endpoints, publishing beside the dispatchers, the count."""

from __future__ import annotations

import os
import threading
from base64 import b64encode
from collections.abc import Sequence
from itertools import count as counted
from typing import Any, Self

from django.db import connections, transaction

from integrations.events import publish
from integrations.models import WebhookEndpoint, WebhookEvent, WebhookLane, WebhookMessage
from integrations.webhooks.dispatch.ledger import MOST_UNSTORED
from tests.chaos.receiver import Arrival, Receiver
from tests.conftest import wait_until

# Longer than a request and the storing of its result may take (3 + 5 seconds).
LEASE_SECONDS = 9.0
TIMEOUT_SECONDS = 3
# What one dispatcher has under way at most, and has heard of but not stored yet: one batch that is
# being stored, one that is being gathered.
HANDLES = 32
NOT_STORED = MOST_UNSTORED
# Of one transaction: as many as a busy page of an ERP tells at once.
TOLD_AT_ONCE = 10
_numbers = counted(1)


def environment(receiver: Receiver, *, lease_seconds: float = LEASE_SECONDS) -> dict[str, str]:
    """What the workers of an installation need beside the usual."""
    return {
        "OUTBOUND_ALLOWED_HOSTS": receiver.place,
        "INTEGRATIONS_WEBHOOK_LEASE_SECONDS": f"{lease_seconds:g}",
        "INTEGRATIONS_WEBHOOK_HANDLES": str(HANDLES),
    }


def make_endpoint(
    receiver: Receiver, path: str, *, event_type: str, **values: Any
) -> WebhookEndpoint:
    """An endpoint at the receiver's path, for events of this type or pattern."""
    values = {"timeout_seconds": TIMEOUT_SECONDS, **values}
    endpoint = WebhookEndpoint.objects.create(
        name=f"{event_type} to {path}",
        url=receiver.url(path),
        secret=f"whsec_{b64encode(os.urandom(32)).decode()}",
        secret_hosts=[receiver.place],
        event_types=[event_type],
        **values,
    )
    WebhookLane.objects.get_or_create(endpoint=endpoint, defaults={"key": str(endpoint.pk)})
    return endpoint


def tell(event_types: Sequence[str], *, count: int) -> list[str]:
    """Publish so many events, of these types in turns; their message ids."""
    told: list[str] = []
    while len(told) < count:
        with transaction.atomic():
            for _ in range(min(TOLD_AT_ONCE, count - len(told))):
                number = next(_numbers)
                event = publish(event_types[number % len(event_types)], body(number))
                told.append(f"msg_{event.event_id.hex}")
    return told


def body(number: int) -> dict[str, Any]:
    """A payload of about a kilobyte."""
    return {"number": number, "reference": f"INV-{number:06}", "note": "ũ" + "n" * 900}


class Flow:
    """Publishes `count` events from a thread of its own, `per_second` of them."""

    def __init__(self, event_types: Sequence[str], *, count: int, per_second: float) -> None:
        self.message_ids: list[str] = []
        self._types, self._count = event_types, count
        self._pause = TOLD_AT_ONCE / per_second
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._publish, name="flow")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_error: object) -> None:
        if kind is not None:
            self._stopped.set()
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def _publish(self) -> None:
        try:
            while len(self.message_ids) < self._count and not self._stopped.wait(self._pause):
                few = min(TOLD_AT_ONCE, self._count - len(self.message_ids))
                self.message_ids += tell(self._types, count=few)
        except BaseException as error:  # raised where it is noticed
            self._error = error
        finally:
            connections.close_all()


def wait_for_all(receiver: Receiver, count: int, *, seconds: float) -> None:
    """Return when so many rows are delivered; fails after `seconds`, saying what is left."""
    try:
        wait_until(lambda: delivered() >= count, seconds)
    except AssertionError:
        left = WebhookEvent.objects.exclude(status="delivered")
        shown = list(left.values_list("pk", "status", "work_state", "attempts", "last_error")[:5])
        raise AssertionError(
            f"{left.count()} of {count} are not delivered after {seconds:g} s, "
            f"{receiver.count()} requests came: {shown}"
        ) from None


def delivered() -> int:
    """How many deliveries are stored as made."""
    return WebhookEvent.objects.filter(status="delivered").count()


def waits(arrivals: Sequence[Arrival]) -> list[float]:
    """Seconds from the publishing of each message to its arrival, the shortest first."""
    told = {each.message_id: each.created_at.timestamp() for each in WebhookMessage.objects.all()}
    return sorted(each.at - told[each.message_id] for each in arrivals)


def repeats(receiver: Receiver, message_ids: Sequence[str]) -> int:
    """How many requests came again; fails unless exactly these messages came."""
    times = receiver.times_of()
    assert len(set(message_ids)) == len(message_ids)
    missing, strange = set(message_ids) - set(times), set(times) - set(message_ids)
    assert not missing, f"{len(missing)} messages never came"
    assert not strange, f"{len(strange)} messages came that nobody published"
    return sum(times.values()) - len(times)
