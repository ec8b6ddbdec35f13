"""Which deliveries a replay is about, and how many there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, Max, Min, OuterRef, QuerySet
from django.utils import timezone

from integrations.events.fan_out import matches
from integrations.exceptions import InvalidInput
from integrations.models import DeliveryStatus, WebhookEndpoint, WebhookEvent, WebhookMessage
from integrations.webhooks.event_types import TEST


@dataclass(frozen=True)
class ReplayFilter:
    """Deliveries to one endpoint, or to all of `business` (without one: the installation's own).

    `status` is a `DeliveryStatus` or "" for every one; `event_type` a name or a pattern such as
    `payment.*`; `since` and `until` bound when the event was published. Until defaults to now:
    count and start with the same, or the count differs while events flow.
    `includes_missed` adds what the one endpoint never got, by its own event types. Tests are
    replayed only where their type is asked for by its name. Raises InvalidInput.
    """

    endpoint: WebhookEndpoint | None = None
    business: str = ""
    status: str = DeliveryStatus.FAILED
    event_type: str = ""
    since: datetime | None = None
    until: datetime = field(default_factory=timezone.now)
    includes_missed: bool = False

    def __post_init__(self) -> None:
        if self.status and self.status not in DeliveryStatus.values:
            known = ", ".join(DeliveryStatus.values)
            raise InvalidInput("status", f"must be one of {known}, or empty for all")
        if self.includes_missed and self.endpoint is None:
            raise InvalidInput("endpoint", "is needed, to know which events it missed")
        for name in ("since", "until"):
            value = getattr(self, name)
            if value is not None and timezone.is_naive(value):
                raise InvalidInput(name, "needs a time zone")
        if self.since is not None and self.since >= self.until:
            raise InvalidInput("since", "must be before until")

    @property
    def owner(self) -> str:
        """The business whose replay it is."""
        return self.endpoint.business if self.endpoint else self.business

    def stored(self) -> dict[str, Any]:
        """The filter as the replay's row keeps it."""
        return {
            "status": str(self.status),
            "event_type": self.event_type,
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat(),
        }


@dataclass(frozen=True)
class Part:
    """One walk over a table by its keys: up to `to_id`, from above `after_id`."""

    count: int
    event_types: list[str]
    after_id: int
    to_id: int

    def stored(self) -> dict[str, Any]:
        """As the replay's row keeps it."""
        return {"event_types": self.event_types, "after_id": self.after_id, "to_id": self.to_id}


@dataclass(frozen=True)
class Plan:
    """What a replay will walk over: the deliveries, then the messages that were missed."""

    deliveries: Part
    missed: Part

    @property
    def count(self) -> int:
        """Of both."""
        return self.deliveries.count + self.missed.count


NOTHING = Part(0, [], 0, 0)


def plan_replay(chosen: ReplayFilter) -> Plan:
    """Count and bound what `chosen` means right now."""
    wanted = [chosen.event_type] if chosen.event_type else []
    deliveries = _part(_chosen_deliveries(chosen), wanted)
    if not chosen.includes_missed or chosen.endpoint is None:
        return Plan(deliveries, NOTHING)
    missed = missed_messages(_between(WebhookMessage.objects.all(), chosen, ""), chosen.endpoint)
    return Plan(deliveries, _part(missed, wanted, chosen.endpoint.event_types))


def count_replay(chosen: ReplayFilter) -> int:
    """How many deliveries a replay of `chosen` would make due. Raises InvalidInput."""
    return plan_replay(chosen).count


def _part(rows: QuerySet[Any], *all_of: Iterable[str]) -> Part:
    """Types are few and rows are many: the patterns are judged once for each type."""
    counted = (
        rows.order_by()
        .values_list("event_type")
        .annotate(Count("pk"), Min("pk"), Max("pk"))
    )  # fmt: skip
    fits = [each for each in counted if all(matches(list(one), each[0]) for one in all_of)]
    if not fits:
        return NOTHING
    types, counts, firsts, lasts = zip(*fits, strict=True)
    return Part(sum(counts), sorted(types), min(firsts) - 1, max(lasts))


def _between(rows: QuerySet[Any], chosen: ReplayFilter, path: str) -> QuerySet[Any]:
    rows = rows.filter(**{f"{path}created_at__lte": chosen.until})
    if chosen.since is not None:
        rows = rows.filter(**{f"{path}created_at__gte": chosen.since})
    return rows


def _chosen_deliveries(chosen: ReplayFilter) -> QuerySet[WebhookEvent]:
    rows = _between(replayable(chosen.endpoint, chosen.business), chosen, "message__")
    if chosen.event_type != TEST:
        rows = rows.exclude(event_type=TEST)
    return rows.filter(status=chosen.status) if chosen.status else rows


def replayable(endpoint: WebhookEndpoint | None, business: str) -> QuerySet[WebhookEvent]:
    """The deliveries that can be made again: the body is there, and the endpoint is on."""
    rows = WebhookEvent.objects.filter(message__body__isnull=False, endpoint__is_active=True)
    if endpoint is not None:
        return rows.filter(endpoint=endpoint)
    return rows.filter(endpoint__business=business, endpoint__every_business=False)


def missed_messages(
    messages: QuerySet[WebhookMessage], endpoint: WebhookEndpoint
) -> QuerySet[WebhookMessage]:
    """Those of its business that `endpoint` never got, and that can still be sent.

    Not what was published to certain endpoints only: tests, what the hub tells of endpoints.
    """
    got = WebhookEvent.objects.filter(message=OuterRef("pk"), endpoint=endpoint)
    messages = messages.filter(~Exists(got), body__isnull=False, is_directed=False)
    if endpoint.every_business:
        return messages
    return messages.filter(business=endpoint.business)
