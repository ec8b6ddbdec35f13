"""Small pieces of the sentences about webhooks."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from integrations.models import DisabledReason, WebhookEndpoint

_WHY_OFF = {
    DisabledReason.GONE: "it answered 410 Gone",
    DisabledReason.FAILING: "it failed for too long",
}


def clock(instant: datetime) -> str:
    """An instant in local time, to the minute; with the day unless it is today."""
    local, today = timezone.localtime(instant), timezone.localtime()
    return f"{local:%H:%M}" if local.date() == today.date() else f"{local:%Y-%m-%d %H:%M}"


def why_off(endpoint: WebhookEndpoint) -> str:
    """Why and since when an endpoint is not active, as the end of a sentence."""
    why = _WHY_OFF.get(DisabledReason(endpoint.disabled_reason), "somebody switched it off")
    return f"{why} ({clock(endpoint.disabled_at)})" if endpoint.disabled_at else why
