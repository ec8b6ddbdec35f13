"""Replays: deliver again one by one, or everything that a filter finds, counted first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from integrations.conf import hub_settings
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.models import (
    AuditEntry,
    ReplayState,
    WebhookEndpoint,
    WebhookReplay,
    acting_as,
    current_actor,
    name_actor,
)
from integrations.webhooks.again import CountChanged, Redelivery, deliver_again, refuse_if_off
from integrations.webhooks.replay_filter import ReplayFilter, count_replay, plan_replay
from integrations.webhooks.replay_run import QUEUE
from integrations.work import WorkState, ring

__all__ = [
    "CountChanged",
    "Redelivery",
    "ReplayFilter",
    "cancel_replay",
    "count_replay",
    "deliver_again",
    "start_replay",
]

DEFAULT_RATE = 50.0
RATES = (0.1, 1000.0)


def start_replay(
    chosen: ReplayFilter,
    *,
    expected_count: int,
    actor: Any,
    rate_per_second: float = DEFAULT_RATE,
) -> WebhookReplay:
    """Begin to make `chosen` due again, at most `rate_per_second`; a worker does it. Audited.

    `expected_count` is what `count_replay` of the same filter said. Raises CountChanged,
    InvalidInput, and IntegrationError: `webhook_endpoint_off`, `webhook_replay_running`,
    `webhook_replay_limit`, `webhook_replay_empty`.
    """
    if not RATES[0] <= rate_per_second <= RATES[1]:
        raise InvalidInput("rate_per_second", f"must lie between {RATES[0]:g} and {RATES[1]:g}")
    if chosen.endpoint is not None:
        refuse_if_off(chosen.endpoint)
    # Outside the transaction: counting may take seconds, in which SQLite could store nothing else.
    plan = plan_replay(chosen)
    if plan.count != expected_count:
        raise CountChanged(plan.count)
    if not plan.count:
        raise IntegrationError("Nothing fits this filter.", code="webhook_replay_empty")
    with transaction.atomic(), acting_as(actor):
        _take_turn(chosen)
        user = current_actor()
        parts = {"deliveries": plan.deliveries.stored(), "missed": plan.missed.stored()}
        replay = WebhookReplay.objects.create(
            endpoint=chosen.endpoint, business=chosen.owner,
            filters={**chosen.stored(), **parts}, includes_missed=chosen.includes_missed,
            rate_per_second=rate_per_second, total=plan.count, last_id=plan.deliveries.after_id,
            requested_by=user, requested_by_name=name_actor(user)[:150] if user else "",
        )  # fmt: skip
        _record("webhook_replay.started", replay, f"{plan.count:,} deliveries")
        ring(QUEUE)
    return replay


def cancel_replay(replay: WebhookReplay, *, actor: Any) -> WebhookReplay:
    """Stop it; what is due already still goes out. Audited.

    Raises IntegrationError (`webhook_replay_over`) where it has ended.
    """
    with transaction.atomic(), acting_as(actor):
        row = WebhookReplay.objects.select_for_update().get(pk=replay.pk)
        if row.state != ReplayState.RUNNING:
            text = f"This replay is {row.get_state_display().lower()} already."
            raise IntegrationError(text, code="webhook_replay_over")
        # A worker that has it in hand sees the state when it stores its batch, and undoes that.
        row.state, row.finished_at = ReplayState.CANCELLED, timezone.now()
        row.work_state, row.next_attempt_at = WorkState.DONE, None
        row.claim_token, row.lease_until = "", None
        row.save(update_fields=["state", "finished_at", "work_state", "next_attempt_at",
                                "claim_token", "lease_until"])  # fmt: skip
        _record("webhook_replay.cancelled", row, f"{row.done:,} of {row.total:,} were due")
    return row


def _take_turn(chosen: ReplayFilter) -> None:
    """Of two at once for one business the second waits here. Raises as `start_replay`.

    The lock is one for which no publisher waits.
    """
    own = Q(business=chosen.owner)
    WebhookEndpoint.objects.select_for_update(no_key=True).filter(own).order_by("pk").first()
    replays = WebhookReplay.objects.filter(own)
    running = replays.filter(state=ReplayState.RUNNING).exclude(work_state=WorkState.DEAD)
    if chosen.endpoint is not None:
        running = running.filter(Q(endpoint=chosen.endpoint) | Q(endpoint=None))
    if running.exists():
        raise IntegrationError(
            "A replay of these deliveries is running. Wait for its end, or cancel it.",
            code="webhook_replay_running",
        )
    limit = hub_settings.webhook_replays_per_hour
    hour_ago = timezone.now() - timedelta(hours=1)
    if replays.filter(created_at__gt=hour_ago).count() >= limit:
        raise IntegrationError(
            f"{limit} replays were started within the last hour; that is the limit.",
            code="webhook_replay_limit",
        )


def _record(action: str, replay: WebhookReplay, detail: str) -> None:
    AuditEntry.objects.record(action, target=replay, business=replay.business, detail=detail)
