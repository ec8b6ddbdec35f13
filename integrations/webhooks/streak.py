"""A streak of failures: how it grows and ends, and what follows when it lasts.

Everything here is given a locked lane with its endpoint, changes it, and leaves saving it to the
caller.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from integrations.conf import hub_settings
from integrations.events import publish
from integrations.logs import log_event
from integrations.models import AuditEntry, DisabledReason, WebhookEndpoint, WebhookLane, acting
from integrations.webhooks.event_types import DISABLED, FAILING, RECOVERED, describe

logger = logging.getLogger(__name__)
COLUMNS = (
    "consecutive_failures", "failing_since", "warned_at", "cool_down_until", "last_attempt_at",
    "last_success_at", "last_status", "last_error",
)  # fmt: skip
# After a warning somebody has at least this long to act.
NOTICE = timedelta(hours=24)
# Without an attempt for so long, what was before says nothing about now (where endpoints are
# never switched off; else it is the time after which they are).
_QUIET = timedelta(hours=120)


def lengthen(
    lane: WebhookLane, failures: int, now: datetime, *, last_attempt: datetime | None
) -> None:
    """Count failures; after a long silence the streak begins anew."""
    quiet = _hours(hub_settings.webhook_disable_hours) or _QUIET
    is_forgotten = last_attempt is not None and now - last_attempt > quiet
    if lane.failing_since is None or is_forgotten:
        lane.failing_since, lane.warned_at, lane.consecutive_failures = now, None, 0
    lane.consecutive_failures += failures


def end(lane: WebhookLane, now: datetime) -> None:
    """A success: the streak is over, which is told where somebody was told of it."""
    lane.failing_since, lane.consecutive_failures, lane.last_success_at = None, 0, now
    endpoint = lane.endpoint
    if not endpoint.is_active:
        # What was still on its way when it was switched off, or a person's try.
        return
    was_told = lane.warned_at is not None or lane.cool_down_until is not None
    lane.warned_at = lane.cool_down_until = None
    if was_told:
        _tell(RECOVERED, lane, f"{endpoint.name} takes events again.")


def judge(lane: WebhookLane, now: datetime) -> None:
    """Warn once where the streak has lasted, switch off where it goes on for days after that."""
    since, endpoint = lane.failing_since, lane.endpoint
    if since is None or not endpoint.is_active:
        return
    if lane.consecutive_failures < hub_settings.webhook_min_failures:
        return
    warn = _hours(hub_settings.webhook_warn_hours)
    disable = _hours(hub_settings.webhook_disable_hours)
    if lane.warned_at is None:
        if now - since >= warn:
            lane.warned_at = now
            _tell(FAILING, lane, _warning(lane, disable))
    elif disable and now - since >= disable and _may_switch_off(lane, now, disable - warn):
        _switch_off(lane, now, DisabledReason.FAILING, "it did nothing but fail since "
                    f"{_at(since)}.")  # fmt: skip


def switch_off_gone(lane: WebhookLane, now: datetime) -> None:
    """It answered 410 Gone: nobody wants anything there any more."""
    _switch_off(lane, now, DisabledReason.GONE, "it answered 410 Gone.")


def _may_switch_off(lane: WebhookLane, now: datetime, between: timedelta) -> bool:
    if lane.cool_down_until is not None and now < lane.cool_down_until:
        return False
    return lane.warned_at is not None and now - lane.warned_at >= min(NOTICE, between)


def _switch_off(lane: WebhookLane, now: datetime, reason: DisabledReason, why: str) -> None:
    endpoint = lane.endpoint
    values = {"is_active": False, "disabled_at": now, "disabled_reason": reason, "updated_at": now}
    if not WebhookEndpoint.objects.filter(pk=endpoint.pk, is_active=True).update(**values):
        return
    for name, value in values.items():
        setattr(endpoint, name, value)
    lane.warned_at = lane.warned_at or now
    lane.cool_down_until = None
    # Not whoever happens to have asked for the delivery that failed.
    with acting(None):
        AuditEntry.objects.record(
            "webhook_endpoint.disabled", target=endpoint, business=endpoint.business,
            fields=["is_active"], detail=f"Switched off: {why}",
        )  # fmt: skip
    message = (
        f"{endpoint.name} was switched off: {why} Repair it, then switch it on again: "
        "its events wait."
    )
    _tell(DISABLED, lane, message)


def _warning(lane: WebhookLane, disable: timedelta) -> str:
    since = lane.failing_since or lane.warned_at
    assert since is not None  # noqa: S101 - only called for a streak
    text = f"{lane.endpoint.name} has done nothing but fail since {_at(since)}."
    if not disable:
        return text
    return f"{text} If it goes on, it is switched off after {_at(since + disable)}."


def _tell(event_type: str, lane: WebhookLane, message: str) -> None:
    """To the other endpoints of its business and to Python listeners, never to itself."""
    endpoint = lane.endpoint
    publish(
        event_type,
        describe(endpoint, lane, message),
        endpoint.business,
        except_endpoint=endpoint,
    )
    log_event(
        logger, logging.WARNING, event_type.replace(".", "_"), endpoint=endpoint.pk,
        business=endpoint.business, failures=lane.consecutive_failures,
        reason=endpoint.disabled_reason,
    )  # fmt: skip


def _hours(hours: float) -> timedelta:
    return timedelta(hours=max(hours, 0.0))


def _at(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
