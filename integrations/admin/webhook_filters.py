"""Filters of the list of deliveries, each by an index."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Min, Q, QuerySet
from django.http import HttpRequest

from integrations.access import request_scope
from integrations.admin.filters import BusinessFilter, ChoiceFilter, DateFilter, midnight
from integrations.models import DeliveryStatus, WebhookEndpoint, WebhookEvent

# A longer choice helps nobody; an endpoint's own page leads to its deliveries.
MOST_OFFERED = 100
ENDPOINT = "endpoint"


class DeliveryFilter(ChoiceFilter):
    """Where deliveries stand. What waits and what was given up have small indexes."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The documented statuses, and the two of them that wait."""
        return [
            ("waiting", "Waiting: pending or retrying"),
            (DeliveryStatus.PENDING, "Pending: not tried yet"),
            (DeliveryStatus.RETRYING, "Retrying: failed before"),
            (DeliveryStatus.FAILED, "Failed: dead letters"),
            (DeliveryStatus.DELIVERED, "Delivered"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The deliveries that stand so."""
        status = self.value()
        if status in ("waiting", DeliveryStatus.PENDING, DeliveryStatus.RETRYING):
            queryset = queryset.filter(next_attempt_at__isnull=False)
        if status == "waiting":
            return queryset
        if status == DeliveryStatus.FAILED:
            # Its index is that of dead work.
            return queryset.filter(work_state="dead")
        return queryset.filter(status=status) if status in DeliveryStatus.values else queryset


class EndpointFilter(ChoiceFilter):
    """One endpoint."""

    title = "endpoint"
    parameter_name = ENDPOINT

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Those that the user may see."""
        offered = endpoint_choices(request)
        known = {value for value, _ in offered}
        present = self.used_parameters.get(ENDPOINT)
        more = [(str(present), "The chosen one")] if present and present not in known else []
        return [*offered, *more]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Its deliveries; an id that is none finds nothing."""
        value = self.value()
        if not value:
            return queryset
        is_id = value.isascii() and value.isdigit() and len(value) < 19
        return queryset.filter(endpoint_id=int(value)) if is_id else queryset.none()


class EndpointBusinessFilter(BusinessFilter):
    """The business whose events the endpoint gets."""

    def narrow(self, rows: QuerySet[Any], values: dict[str, Any]) -> QuerySet[Any]:
        """The rows of exactly this key."""
        key = values["business"]
        return rows.filter(endpoint__business="" if key == "-" else key)


class DeliveryDateFilter(DateFilter):
    """Days of publishing. Rows have no index by time: their keys grow with it, and stand in."""

    def narrow(self, rows: QuerySet[Any], values: dict[str, Any]) -> QuerySet[Any]:
        """From the first day's beginning to the last day's end."""
        if values["created_from"]:
            rows = rows.filter(pk__gte=first_key(midnight(values["created_from"]) - DISORDER))
        if values["created_to"]:
            end = midnight(values["created_to"] + timedelta(days=1))
            rows = rows.filter(pk__lt=first_key(end + DISORDER))
        # Two that are written at once may get their keys the other way round: this decides.
        return super().narrow(rows, values)


# So far may the order of keys differ from that of times.
DISORDER = timedelta(minutes=10)


def first_key(moment: datetime) -> int:
    """The first key of a delivery of this time, by some thirty look-ups of keys."""
    ends = WebhookEvent.objects.aggregate(low=Min("pk"), high=Max("pk"))
    if ends["low"] is None:
        return 0
    low, high = int(ends["low"]), int(ends["high"]) + 1
    while low < high:
        middle = (low + high) // 2
        row = WebhookEvent.objects.filter(pk__gte=middle).order_by("pk").first()
        if row is not None and row.created_at < moment:
            low = row.pk + 1
        else:
            high = middle
    return low


def endpoint_choices(request: HttpRequest) -> list[tuple[str, str]]:
    """(id, name) of the endpoints that the user may see, up to a bound."""
    found = visible_endpoints(request).order_by("name", "pk")
    return [(str(pk), name) for pk, name in found.values_list("pk", "name")[:MOST_OFFERED]]


def visible_endpoints(request: HttpRequest) -> QuerySet[WebhookEndpoint]:
    """The endpoints inside the user's businesses."""
    return narrow_to(request_scope(request), WebhookEndpoint.objects.all())


def narrow_to(scope: Any, rows: QuerySet[Any], before: str = "") -> QuerySet[Any]:
    """Rows of endpoints in a scope; `before` is the path to the endpoint.

    An endpoint that gets the events of every business is of those alone who see every business.
    """
    if scope.is_all:
        return rows
    narrowed: QuerySet[Any] = scope.narrow(rows, f"{before}business")
    return narrowed.filter(Q(**{f"{before}every_business": False}))
