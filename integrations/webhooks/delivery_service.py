"""The documented service of the original project, on the durable queue.

Source: compatibility reference, section 2.5.
"""

from __future__ import annotations

import time
from typing import Any

from django.db import connections, router

from integrations import work
from integrations.exceptions import InvalidInput
from integrations.models import AttemptTrigger, DeliveryStatus, WebhookEvent
from integrations.webhooks.again import QUEUE, make_due
from integrations.webhooks.schedule import longest_series
from integrations.webhooks.single import send_now

LOOK_EVERY = 0.1
_ENDED = (DeliveryStatus.DELIVERED, DeliveryStatus.FAILED)


class _Tries:
    """A class attribute that follows the setting of the schedule."""

    def __get__(self, _instance: object, _owner: type) -> int:
        return longest_series()


class WebhookDeliveryService:
    """Deliver one event to its endpoint: at once, or by a worker.

    `event_id` is the primary key of a `WebhookEvent`. What is tried again, when and how often, is
    the product's schedule; a worker goes on with it whoever made the first try.
    """

    # The tries of a series, and the usual seconds of one; an endpoint may set its own.
    MAX_ATTEMPTS = _Tries()
    TIMEOUT = 15

    @classmethod
    def deliver_event(cls, event_id: Any) -> bool:
        """Make one try now, in this thread; whether the event is delivered.

        True at once where it was delivered before. False for an unknown event, an endpoint that
        is off or paused, and a try that failed: a worker tries again by the schedule. Where a
        dispatcher has it in hand, or the endpoint wants its events in order, the answer is waited
        for. Inside a transaction nothing can be sent: it is due after the commit, and False.
        """
        event = _find(event_id)
        if event is None or not event.endpoint.is_active or event.endpoint.is_paused:
            return False
        if event.status == DeliveryStatus.DELIVERED or event.message.body is None:
            return event.status == DeliveryStatus.DELIVERED
        if _is_in_transaction():
            cls.schedule_delivery(event.pk)
            return False
        rows = WebhookEvent.objects.filter(pk=event.pk)
        make_due(rows)
        if not event.endpoint.is_ordered:
            claim = work.claim_rows(work.get_queue(QUEUE), limit=1, only="AND id = %s",
                                    params=[event.pk])  # fmt: skip
            for row in claim.rows:
                send_now(row, trigger=_trigger(row))
                return rows.filter(status=DeliveryStatus.DELIVERED).exists()
        work.ring(QUEUE)
        return _wait(event.pk, seconds=float(event.endpoint.timeout_seconds))

    @classmethod
    def schedule_delivery(cls, event_id: Any) -> str:
        """Have a worker deliver it, once the open transaction has committed; the job's id.

        One that has ended is tried once more. Raises InvalidInput for an unknown event.
        """
        event = _find(event_id)
        if event is None:
            raise InvalidInput("event_id", "is that of no webhook event")
        make_due(WebhookEvent.objects.filter(pk=event.pk))
        work.ring(QUEUE)
        return f"{QUEUE}-{event.pk}"


def _find(event_id: Any) -> WebhookEvent | None:
    rows = WebhookEvent.objects.select_related("endpoint", "message")
    try:
        return rows.filter(pk=event_id).first()
    except (TypeError, ValueError, OverflowError):
        return None


def _is_in_transaction() -> bool:
    return connections[router.db_for_write(WebhookEvent)].in_atomic_block


def _trigger(event: WebhookEvent) -> AttemptTrigger:
    return AttemptTrigger.MANUAL if event.is_manual else AttemptTrigger.AUTOMATIC


def _wait(pk: int, *, seconds: float) -> bool:
    """Until a dispatcher has tried it, at most `seconds`; whether it is delivered."""
    end = time.monotonic() + seconds
    before = WebhookEvent.objects.filter(pk=pk).values_list("attempts", flat=True).first()
    while True:
        found = WebhookEvent.objects.filter(pk=pk).values_list("status", "attempts").first()
        if found is None or found[0] in _ENDED or found[1] != before or time.monotonic() > end:
            return bool(found and found[0] == DeliveryStatus.DELIVERED)
        time.sleep(LOOK_EVERY)
