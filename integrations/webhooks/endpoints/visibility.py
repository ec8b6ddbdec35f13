"""Which endpoints, deliveries and replays somebody may see."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from integrations.access import Scope
from integrations.models import WebhookEndpoint, WebhookEvent, WebhookReplay


def visible_endpoints(scope: Scope) -> QuerySet[WebhookEndpoint]:
    """Those of a scope; those of every business only where the scope is every business."""
    rows = scope.narrow(WebhookEndpoint.objects.all())
    return rows if scope.is_all else rows.filter(every_business=False)


def visible_events(scope: Scope) -> QuerySet[WebhookEvent]:
    """The deliveries to `visible_endpoints`."""
    return WebhookEvent.objects.filter(endpoint__in=visible_endpoints(scope))


def visible_replays(scope: Scope) -> QuerySet[WebhookReplay]:
    """The replays of a scope, without those to an endpoint that it may not see."""
    rows = scope.narrow(WebhookReplay.objects.all())
    if scope.is_all:
        return rows
    return rows.filter(Q(endpoint=None) | Q(endpoint__in=visible_endpoints(scope)))
