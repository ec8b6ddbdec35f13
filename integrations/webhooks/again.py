"""One delivery made again by hand: the same id and the same bytes, one more try."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.functions import Now

from integrations import work
from integrations.exceptions import IntegrationError
from integrations.models import (
    AuditEntry,
    DeliveryStatus,
    WebhookEndpoint,
    WebhookEvent,
    WebhookLane,
    acting_as,
)
from integrations.webhooks.words import clock, why_off
from integrations.work import WorkState, later, ring

QUEUE = "webhooks"
BATCH = 500


class CountChanged(IntegrationError):
    """Something happened since the count was shown: `count` is the present one."""

    default_code = "webhook_replay_count"

    def __init__(self, count: int) -> None:
        super().__init__(f"There are {count:,} of them now. Look again, and confirm that number.")
        self.count = count


@dataclass(frozen=True)
class Redelivery:
    """What became of the wish to deliver again; `sentence` is for people."""

    event: WebhookEvent
    is_due: bool
    sentence: str


def make_due(rows: QuerySet[WebhookEvent]) -> int:
    """Make deliveries due now, by hand; how many were. Leased ones are left alone.

    One that waits keeps its series, and its place where it is due already. One that has ended
    gets a single try, and no new series.
    """
    waits = WorkState.DUE
    return rows.exclude(work_state=WorkState.LEASED).update(
        is_manual=Case(When(work_state=waits, then=F("is_manual")), default=Value(True)),
        status=Case(
            When(work_state=waits, then=F("status")), default=Value(DeliveryStatus.RETRYING)
        ),
        next_attempt_at=Case(
            When(work_state=waits, next_attempt_at__lte=Now(), then=F("next_attempt_at")),
            default=later(0),
        ),
        work_state=waits,
        updated_at=Now(),
    )


def deliver_again(event: WebhookEvent, *, actor: Any) -> Redelivery:
    """Have `event` tried once more, soon. Audited under `actor` (None: whoever acts already).

    Raises IntegrationError: `webhook_endpoint_off`, or `webhook_body_dropped` where retention
    has taken what would be sent.
    """
    event = WebhookEvent.objects.select_related("endpoint", "message").get(pk=event.pk)
    endpoint = event.endpoint
    refuse_if_off(endpoint)
    if event.message.body is None:
        raise IntegrationError(
            "Its body was removed by retention, so there is nothing left to send.",
            code="webhook_body_dropped",
        )
    with transaction.atomic(), acting_as(actor):
        is_due = bool(make_due(WebhookEvent.objects.filter(pk=event.pk)))
        if is_due:
            AuditEntry.objects.record(
                "webhook_event.delivered_again", target=event, business=endpoint.business,
                detail=f"{event.message.message_id} to {endpoint.name}",
            )  # fmt: skip
            ring(QUEUE)
    event.refresh_from_db(fields=["work_state", "status", "is_manual", "next_attempt_at"])
    return Redelivery(event, is_due, _sentence(endpoint, is_due=is_due))


def _sentence(endpoint: WebhookEndpoint, *, is_due: bool) -> str:
    if not is_due:
        return "It is being delivered right now."
    if endpoint.is_paused:
        return "It goes out as soon as the endpoint is resumed."
    lane = WebhookLane.objects.filter(pk=endpoint.pk, open_until__gt=Now()).first()
    if lane is not None and lane.open_until is not None:
        return f"It goes out when the endpoint's breaker closes, at {clock(lane.open_until)}."
    return "It goes out now."


def refuse_if_off(endpoint: WebhookEndpoint) -> None:
    """Raise IntegrationError (`webhook_endpoint_off`) where nothing would be sent."""
    if not endpoint.is_active:
        raise IntegrationError(
            f"The endpoint {endpoint.name} is off: {why_off(endpoint)}. "
            "Enable it first; a test is sent all the same.",
            code="webhook_endpoint_off",
        )


def dead_letters(endpoint: WebhookEndpoint | None) -> QuerySet[WebhookEvent]:
    """What was given up and can be sent still, to one endpoint or to all."""
    rows = WebhookEvent.objects.filter(work_state=WorkState.DEAD, message__body__isnull=False)
    rows = rows.filter(endpoint__is_active=True)
    return rows if endpoint is None else rows.filter(endpoint=endpoint)


def retry_dead(rows: QuerySet[WebhookEvent], *, expected_count: int, actor: Any) -> int:
    """Begin a new series for each of these dead letters; how many there were. Audited.

    Raises IntegrationError (`webhook_replay_count`) where `expected_count` is not their number.
    """
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    if len(keys) != expected_count:
        raise CountChanged(len(keys))
    revived = 0
    for start in range(0, len(keys), BATCH):
        batch = WebhookEvent.objects.filter(pk__in=keys[start : start + BATCH])
        with transaction.atomic(), acting_as(actor):
            count = work.retry_dead(batch)
            AuditEntry.objects.record(
                "webhook_event.retried", detail=f"{count} dead letters, from {keys[start]} on"
            )
            ring(QUEUE)
        revived += count
    return revived
