"""Deleting an endpoint: at once for everybody, its history in small batches."""

from __future__ import annotations

import time
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from integrations.models import (
    AuditEntry,
    DisabledReason,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    acting_as,
)

SECRETS = (
    "secret", "asymmetric_key", "static_headers", "password", "client_secret", "client_key",
)  # fmt: skip
# Rows in one transaction.
BATCH = 500
# Seconds of one run of the periodic job.
LONGEST_RUN = 20.0


def delete_endpoint(endpoint: WebhookEndpoint, *, actor: Any = None) -> bool:
    """Delete an endpoint: nothing is sent to it from now on, and its secrets are gone.

    True where its history went with it; False where that is large, or a dispatcher has some of it
    in hand: then nobody sees the endpoint any more, and `purge_deleted` does the rest.
    WebhookEndpoint.DoesNotExist where it is gone.
    """
    with acting_as(actor), transaction.atomic():
        row = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        AuditEntry.objects.record("webhook_endpoint.deleted", target=row, business=row.business)
        if _is_small(row):
            row.delete()
            return True
        _bury(row)
        return False


def purge_deleted() -> int:
    """Remove what deleted endpoints have left, in small transactions; returns how many rows."""
    end = time.monotonic() + LONGEST_RUN
    gone = 0
    for row in WebhookEndpoint._base_manager.filter(disabled_reason=DisabledReason.DELETED):
        for rows in (_attempts(row), _free_events(row)):
            while count := _delete_some(rows):
                gone += count
                if time.monotonic() > end:
                    return gone
        if not row.events.exists():
            row.delete()
            gone += 1
    return gone


def _is_small(row: WebhookEndpoint) -> bool:
    leased = row.events.filter(lease_until__gt=Now())
    counted = [len(rows.values("pk")[: BATCH + 1]) for rows in (row.events.all(), _attempts(row))]
    return max(counted) <= BATCH and not leased.exists()


def _bury(row: WebhookEndpoint) -> None:
    """No copy of a secret stays, and nothing is due for it."""
    row.is_active, row.disabled_at = False, timezone.now()
    row.disabled_reason = DisabledReason.DELETED
    row.former_secrets.all().delete()
    for name in SECRETS:
        setattr(row, name, "")
    row.save()


def _attempts(row: WebhookEndpoint) -> QuerySet[Any]:
    return WebhookAttempt.objects.filter(endpoint=row)


def _free_events(row: WebhookEndpoint) -> QuerySet[Any]:
    """Those that no dispatcher has in hand: it may be about to store an attempt of one."""
    leased = Q(lease_until__gt=Now())
    return WebhookEvent.objects.filter(endpoint=row).exclude(leased)


def _delete_some(rows: QuerySet[Any]) -> int:
    batch = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
    if batch:
        with transaction.atomic():
            rows.model._base_manager.filter(pk__in=batch).delete()
    return len(batch)
