"""Deliveries of a span of time, found by their keys: there is no index on the instant.

Keys are given out as time goes on, so the key of an instant is searched by halving. A long
transaction may store an instant that its neighbours have passed; a margin covers it, and the exact
instant is asked as well.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Min, QuerySet

from integrations.models import WebhookEvent

# No transaction that publishes is open for longer.
MARGIN = timedelta(hours=1)


def since(rows: QuerySet[Any], instant: datetime) -> QuerySet[Any]:
    """Those created at `instant` or later."""
    return rows.filter(created_at__gte=instant, pk__gte=first_key(_shifted(instant, -MARGIN)))


def until(rows: QuerySet[Any], instant: datetime) -> QuerySet[Any]:
    """Those created before `instant`."""
    return rows.filter(created_at__lt=instant, pk__lt=first_key(_shifted(instant, MARGIN)))


def first_key(instant: datetime) -> int:
    """About the lowest key of what was created at `instant` or later; one too high for none."""
    ends = WebhookEvent.objects.aggregate(low=Min("pk"), high=Max("pk"))
    if ends["low"] is None:
        return 0
    low, high = ends["low"], ends["high"] + 1
    while low < high:
        middle = (low + high) // 2
        rows = WebhookEvent.objects.filter(pk__gte=middle).order_by("pk")
        found = rows.values_list("created_at", flat=True).first()
        if found is not None and found < instant:
            low = middle + 1
        else:
            high = middle
    return int(low)


def _shifted(instant: datetime, by: timedelta) -> datetime:
    try:
        return instant + by
    except OverflowError:
        return instant
