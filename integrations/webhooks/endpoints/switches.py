"""Pausing and switching off: always possible, also for an endpoint that can't be saved any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.models import AuditEntry, DisabledReason, WebhookEndpoint, acting_as
from integrations.webhooks import condition
from integrations.webhooks.endpoints.validation import clean_endpoint, look_up_new
from integrations.work import ring

QUEUE = "webhooks"


def pause(endpoint: WebhookEndpoint, *, actor: Any = None) -> None:
    """Send nothing until `resume`; events are kept and wait. A paused one stays as it is."""
    _move(endpoint, actor, "paused", lambda row: not row.is_paused, _set_paused)


def resume(endpoint: WebhookEndpoint, *, actor: Any = None) -> None:
    """Send what has waited, at the endpoint's own rate."""
    _move(endpoint, actor, "resumed", lambda row: row.is_paused, _set_resumed)
    ring(QUEUE)


def disable(endpoint: WebhookEndpoint, *, actor: Any = None) -> None:
    """Switch off by hand: nothing is sent, and events from now on are not kept for it."""

    def is_wanted(row: WebhookEndpoint) -> bool:
        return row.is_active or row.disabled_reason != DisabledReason.BY_HAND

    _move(endpoint, actor, "disabled", is_wanted, _set_disabled)


def enable(endpoint: WebhookEndpoint, *, actor: Any = None) -> list[str]:
    """Switch on again, with a fresh start and a time in which failures don't switch it off.

    Returns the warnings of `clean_endpoint`. Raises InvalidInput where it can't be sent to as it
    is: an address that is not allowed any more, a certificate that has ended.
    """
    warnings = look_up_new(endpoint, None)
    warnings += clean_endpoint(endpoint, before=endpoint, is_looking_up=False)
    with acting_as(actor):
        condition.enable(endpoint)
    return warnings


def apply_switches(row: WebhookEndpoint, before: WebhookEndpoint | None) -> bool:
    """Let `is_active` and `is_paused` of a row that is being saved mean what the functions do.

    True where it is to be switched on: that is `condition.enable`'s, once the rest is saved.
    """
    if row.is_paused != (before is not None and before.is_paused):
        (_set_paused if row.is_paused else _set_resumed)(row)
    if row.is_active == (before is None or before.is_active):
        return False
    if row.is_active:
        row.is_active = False
        return True
    _set_disabled(row)
    return False


def _move(
    endpoint: WebhookEndpoint,
    actor: Any,
    verb: str,
    is_wanted: Callable[[WebhookEndpoint], bool],
    change: Callable[[WebhookEndpoint], None],
) -> None:
    """Change a row as it is stored now and say so in the trail; a second time does nothing."""
    with acting_as(actor), transaction.atomic():
        row = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        if is_wanted(row):
            change(row)
            row.save(update_fields=[*_STATE, "updated_at"])
            AuditEntry.objects.record(f"webhook_endpoint.{verb}", target=row, business=row.business)
    endpoint.refresh_from_db()


_STATE = ("is_active", "is_paused", "paused_at", "disabled_at", "disabled_reason")


def _set_paused(row: WebhookEndpoint) -> None:
    row.is_paused, row.paused_at = True, timezone.now()


def _set_resumed(row: WebhookEndpoint) -> None:
    row.is_paused, row.paused_at = False, None


def _set_disabled(row: WebhookEndpoint) -> None:
    row.is_active, row.disabled_at = False, timezone.now()
    row.disabled_reason = DisabledReason.BY_HAND
