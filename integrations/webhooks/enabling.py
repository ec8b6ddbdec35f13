"""Switching an endpoint on again."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from integrations.conf import hub_settings
from integrations.events.fan_out import QUEUE
from integrations.models import AuditEntry, DisabledReason, WebhookEndpoint, WebhookLane
from integrations.webhooks.streak import COLUMNS
from integrations.work import ring


def enable(endpoint: WebhookEndpoint) -> bool:
    """Switch it on, with a new start; False where it is on already. `endpoint` is reread.

    What it did before no longer counts against it, its breaker gives it a try at once, and for
    INTEGRATIONS_WEBHOOK_COOL_DOWN_HOURS failing does not switch it off (410 Gone does). Its first
    success is told as `webhook.endpoint.recovered` where the hub had switched it off or warned of
    it. Audited for whoever acts.
    """
    with transaction.atomic():
        # The lane after the endpoint, and only of one that is off: who notes how an endpoint
        # fares has them the other way round, but writes only to one that is on.
        rows = WebhookEndpoint.objects.select_for_update(no_key=True)
        endpoint.refresh_from_db(from_queryset=rows)
        if endpoint.is_active:
            return False
        WebhookLane.objects.get_or_create(pk=endpoint.pk, defaults={"key": str(endpoint.pk)})
        lane = WebhookLane.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        was_told = lane.warned_at is not None or endpoint.disabled_reason in (
            DisabledReason.GONE, DisabledReason.FAILING,
        )  # fmt: skip
        now = timezone.now()
        cool_down = timedelta(hours=hub_settings.webhook_cool_down_hours)
        lane.consecutive_failures, lane.failing_since, lane.warned_at = 0, None, None
        lane.cool_down_until = now + cool_down if was_told else None
        # Somebody repaired it: what waits needs not sit out the breaker's pause.
        lane.open_until = None
        lane.save(update_fields=[*COLUMNS, "open_until"])
        endpoint.is_active, endpoint.disabled_at = True, None
        endpoint.disabled_reason = DisabledReason.NONE
        endpoint.save(update_fields=["is_active", "disabled_at", "disabled_reason", "updated_at"])
        AuditEntry.objects.record(
            "webhook_endpoint.enabled", target=endpoint, business=endpoint.business,
            fields=["is_active"],
        )  # fmt: skip
        ring(QUEUE)
    return True
