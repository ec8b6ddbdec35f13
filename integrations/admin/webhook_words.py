"""How webhooks stand, in words: badges of endpoints and deliveries, sentences about attempts."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince

from integrations.admin.badges import Badge
from integrations.models import (
    AttemptOutcome,
    DeliveryStatus,
    DisabledReason,
    WebhookEndpoint,
    WebhookEvent,
    WebhookLane,
)

# Counting what waits stops here.
BOUND = 1000
# Why an endpoint is off, as a badge has room for it.
OFF_BECAUSE = {
    DisabledReason.GONE: "answered 410 Gone",
    DisabledReason.FAILING: "failed for too long",
    DisabledReason.BY_HAND: "by hand",
}
DELIVERY_TONES: dict[str, str] = {
    DeliveryStatus.DELIVERED: "good",
    DeliveryStatus.FAILED: "bad",
    DeliveryStatus.RETRYING: "warn",
    DeliveryStatus.PENDING: "busy",
}


def endpoint_badge(endpoint: WebhookEndpoint, now: datetime | None = None) -> Badge:
    """Disabled and why, paused, breaker open until, failing since, or active: the first that is."""
    if not endpoint.is_active:
        why = OFF_BECAUSE.get(DisabledReason(endpoint.disabled_reason), "")
        by_system = endpoint.disabled_reason in (DisabledReason.GONE, DisabledReason.FAILING)
        return Badge(f"Disabled: {why}" if why else "Disabled", "bad" if by_system else "calm")
    if endpoint.is_paused:
        return Badge(_since("Paused", endpoint.paused_at), "warn")
    lane = lane_of(endpoint)
    if lane is None:
        return Badge("Active", "good")
    if lane.open_until is not None and lane.open_until > (now or timezone.now()):
        return Badge(f"Breaker open until {clock(lane.open_until)}", "warn")
    if lane.failing_since is not None:
        return Badge(_since("Failing", lane.failing_since), "bad")
    return Badge("Active", "good")


def lane_of(endpoint: WebhookEndpoint) -> WebhookLane | None:
    """How the endpoint fares; None before its first event."""
    return getattr(endpoint, "lane", None)


def delivery_badge(event: WebhookEvent) -> Badge:
    """A delivery's status; a dead letter is called so."""
    word = str(DeliveryStatus(event.status).label)
    if event.status == DeliveryStatus.FAILED:
        if event.next_attempt_at is not None:
            return Badge("Failed: due again", "warn")
        word = "Failed: dead letter"
    return Badge(word, DELIVERY_TONES.get(event.status, "calm"))


def outcome_badge(outcome: str) -> Badge:
    """How an attempt ended."""
    tone = "good" if outcome == AttemptOutcome.DELIVERED else "bad"
    label = dict(AttemptOutcome.choices).get(AttemptOutcome(outcome), outcome)
    return Badge(str(label), tone)


def tell_attempt(attempt: Any) -> str:
    """ "Delivered: 204 No Content in 35 ms." or "Timed out after 15,000 ms: no answer." """
    label = str(AttemptOutcome(attempt.outcome).label)
    status = status_in_words(attempt.status_code)
    took = f"{attempt.duration_ms:,} ms"
    head = f"{label}: {status} in {took}." if status else f"{label} after {took}."
    error = str(attempt.error or "").strip()
    return f"{head} {error}" if error and error.rstrip(".") not in head else head


def status_in_words(code: int | None) -> str:
    """ "503 Service Unavailable"; the number alone where nobody named it, "" without one."""
    if not code:
        return ""
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def host_of(url: str) -> str:
    """The host and port of an address: what a list has room for. Paths may hold secrets."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or url
    except ValueError:
        return url


def delivery_link(pk: int) -> str:
    """A delivery's page."""
    return reverse("admin:integrations_webhookevent_change", args=[pk])


def waiting_in(endpoint_id: int) -> int:
    """How many deliveries wait for an endpoint; counting stops beyond BOUND."""
    rows = WebhookEvent.objects.filter(endpoint_id=endpoint_id, next_attempt_at__isnull=False)
    return rows.order_by()[: BOUND + 1].count()


def bounded(count: int) -> str:
    """ "12", or "1,000+" where counting stopped."""
    return f"{count:,}" if count <= BOUND else f"{BOUND:,}+"


def clock(at: datetime) -> str:
    """A moment of today by the clock, of another day with its date."""
    local = timezone.localtime(at)
    if local.date() == timezone.localdate():
        return f"{local:%H:%M}"
    return f"{local:%d %b %Y, %H:%M}"


def age(since: datetime, now: datetime | None = None) -> str:
    """ "3 hours", or "under a minute"."""
    now = now or timezone.now()
    return (
        "under a minute" if (now - since).total_seconds() < 60 else timesince(since, now, depth=1)
    )


def _since(word: str, at: datetime | None) -> str:
    return f"{word} since {clock(at)}" if at is not None else word
