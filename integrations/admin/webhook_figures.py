"""The start page's card of webhooks: what waits, for how long, who fails, what was given up."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from django.db.models import Count, Min
from django.http import HttpRequest
from django.urls import reverse

from integrations.admin.figures import BOUND, Card, Figure, Rows, bounded
from integrations.admin.webhook_endpoints import failing
from integrations.admin.webhook_words import age
from integrations.work import WorkState


def webhook_card(request: HttpRequest, now: datetime) -> Card | None:
    """From the lists that the user may see; None where these are none."""
    events = Rows.of(request, "integrations.webhookevent")
    endpoints = Rows.of(request, "integrations.webhookendpoint")
    if events is None and endpoints is None:
        return None
    lines = [*([_failing(endpoints)] if endpoints else []), *([_dead(events)] if events else [])]
    stuck = reverse("admin:integrations_webhookendpoint_stuck")
    return Card(
        "Webhooks",
        _waiting(events, now) if events else None,
        lines,
        tone="bad" if any(line.text != "0" for line in lines) else "calm",
        page=Figure("What is stuck, since when, why", stuck) if endpoints else None,
    )


def _waiting(events: Rows, now: datetime) -> Figure:
    waiting = events.query.filter(next_attempt_at__isnull=False).order_by("next_attempt_at")
    told = waiting.values("created_at")[: BOUND + 1].aggregate(
        count=Count("created_at"), oldest=Min("created_at")
    )
    oldest = f", the oldest for {age(told['oldest'], now)}" if told["oldest"] else ""
    url = f"{events.url}?{urlencode({'status': 'waiting'})}"
    return Figure(bounded(told["count"]), url, f"waiting{oldest}")


def _failing(endpoints: Rows) -> Figure:
    count = endpoints.query.filter(failing())[: BOUND + 1].count()
    return Figure(bounded(count), endpoints.link(standing="failing"), "endpoints failing")


def _dead(events: Rows) -> Figure:
    count = events.query.filter(work_state=WorkState.DEAD)[: BOUND + 1].count()
    return Figure(bounded(count), events.link(status="failed"), "dead letters")
