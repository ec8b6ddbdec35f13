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
    lines: list[Figure] = []
    total = None
    tones = []
    if events:
        total, oldest = _waiting(events, now)
        lines += [oldest] if oldest else []
    if endpoints:
        failing_now = _failing(endpoints)
        lines.append(failing_now)
        tones += ["bad"] if failing_now.text != "0" else []
        stuck = reverse("admin:integrations_webhookendpoint_stuck")
        lines.append(Figure("What is stuck, since when, why", stuck))
    if events:
        dead = _dead(events)
        lines.insert(len(lines) - bool(endpoints), dead)
        tones += ["bad"] if dead.text != "0" else []
    if total is None and not lines:
        return None
    return Card("Webhooks", total, lines, tone=tones[0] if tones else "calm")


def _waiting(events: Rows, now: datetime) -> tuple[Figure, Figure | None]:
    waiting = events.query.filter(next_attempt_at__isnull=False).order_by("next_attempt_at")
    told = waiting.values("created_at")[: BOUND + 1].aggregate(
        count=Count("created_at"), oldest=Min("created_at")
    )
    url = f"{events.url}?{urlencode({'status': 'waiting'})}"
    oldest = Figure(age(told["oldest"], now), url, "the oldest waits") if told["oldest"] else None
    return Figure(bounded(told["count"]), url, "waiting"), oldest


def _failing(endpoints: Rows) -> Figure:
    count = endpoints.query.filter(failing())[: BOUND + 1].count()
    return Figure(bounded(count), endpoints.link(standing="failing"), "endpoints failing")


def _dead(events: Rows) -> Figure:
    count = events.query.filter(work_state=WorkState.DEAD)[: BOUND + 1].count()
    return Figure(bounded(count), events.link(status="failed"), "dead letters")
