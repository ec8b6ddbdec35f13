"""Figures about all endpoints, of one instant: for the metrics and for the page of webhooks."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Min, OuterRef, Q, QuerySet, Subquery

from integrations.models import DisabledReason, WebhookEndpoint, WebhookEvent
from integrations.work.clock import database_now

_BY_SYSTEM = (DisabledReason.GONE, DisabledReason.FAILING)


@dataclass(frozen=True, slots=True)
class WebhookFigures:
    """Endpoints by state; `oldest_due` in seconds, of endpoints that are sent to."""

    endpoints: dict[str, int]
    oldest_due: float


def read_webhooks() -> WebhookFigures:
    """Three queries; the index of the lanes is asked once for each endpoint."""
    now = database_now()
    first = waiting_of(OuterRef("pk")).values("next_attempt_at")[:1]
    sent_to = WebhookEndpoint.objects.filter(is_active=True, is_paused=False).order_by()
    oldest = sent_to.annotate(first=Subquery(first)).aggregate(oldest=Min("first"))["oldest"]
    age = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    return WebhookFigures(count_states(WebhookEndpoint.objects.all()), age)


def waiting_of(endpoint: object) -> QuerySet[WebhookEvent]:
    """Deliveries to an endpoint that have not ended, the longest due first, by its lane's index.

    A range instead of `=`: PostgreSQL drops a column that it knows to be constant from the order,
    and may then walk over everybody's rows in the index of what is due.
    """
    rows = WebhookEvent.objects.filter(endpoint__gte=endpoint, endpoint__lte=endpoint)
    return rows.filter(next_attempt_at__isnull=False).order_by("endpoint_id", "next_attempt_at")


def count_states(endpoints: QuerySet[WebhookEndpoint]) -> dict[str, int]:
    """How many endpoints are active, failing, paused, and off for which reason."""
    now = database_now()
    is_on = Q(is_active=True)
    is_open = Q(lane__open_until__gt=now)
    is_failing = Q(lane__failing_since__isnull=False)
    running = is_on & Q(is_paused=False)
    by_system = {f"off_{why.value}": Q(is_active=False, disabled_reason=why) for why in _BY_SYSTEM}
    wanted = {
        "active": running & ~(is_open | is_failing),
        "failing": running & is_failing & ~is_open,
        "breaker_open": running & is_open,
        "paused": is_on & Q(is_paused=True),
        **by_system,
        "off_by_hand": Q(is_active=False) & ~Q(disabled_reason__in=_BY_SYSTEM),
    }
    return endpoints.aggregate(**{name: Count("pk", filter=q) for name, q in wanted.items()})
