"""Why an endpoint's deliveries wait, and what to do about it, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.timesince import timeuntil

from integrations.models import AuditEntry, DisabledReason, WebhookEndpoint, WebhookLane
from integrations.webhooks.words import clock, why_off

# An endpoint's rows that are due no longer than this are on their way, as they should be.
USUAL = timedelta(seconds=5)
_SWITCHES = ("webhook_endpoint.paused", "webhook_endpoint.disabled", "webhook_endpoint.updated")


@dataclass(frozen=True)
class Backlog:
    """What waits for an endpoint, counted in a bounded window.

    Of the longest due, `since` is the oldest one's creation, `due` could go now, `leased` are in a
    dispatcher's hands, and `tried` were tried before.
    """

    waiting: int
    since: datetime | None
    first_due: datetime | None
    due: int
    leased: int
    tried: int


@dataclass(frozen=True)
class Diagnosis:
    """`kind` is one of gone, failed, off, paused, breaker, asked, unserved, retry, order,
    rate, busy, moving, idle.
    """

    kind: str
    why: str
    remedy: str


@dataclass(frozen=True)
class _Case:
    endpoint: WebhookEndpoint
    lane: WebhookLane | None
    backlog: Backlog
    now: datetime
    is_served: bool
    switched_by: str


def diagnose(
    endpoint: WebhookEndpoint,
    backlog: Backlog,
    *,
    now: datetime,
    is_served: bool,
    switched_by: str = "",
) -> Diagnosis:
    """The first cause that holds, from the plainest to the finest.

    `is_served`: some dispatcher works. `switched_by`: who paused it or switched it off.
    """
    lane: WebhookLane | None = getattr(endpoint, "lane", None)
    case = _Case(endpoint, lane, backlog, now, is_served, switched_by)
    for look in _LOOKS:
        found = look(case)
        if found is not None:
            return found
    return Diagnosis("moving", "They are on their way.", "Nothing.")


def _off(case: _Case) -> Diagnosis | None:
    endpoint = case.endpoint
    if endpoint.is_active:
        return None
    why = why_off(endpoint)
    last = _last_error(case.lane)
    if endpoint.disabled_reason == DisabledReason.GONE:
        return Diagnosis("gone", f"Off: {why}.",
                         "Ask the receiver for the new address, then enable it.")  # fmt: skip
    if endpoint.disabled_reason == DisabledReason.FAILING:
        return Diagnosis("failed", f"Off: {why}.{last}",
                         "Have the receiver mended, send a test, then enable it.")  # fmt: skip
    by = f" by {case.switched_by}" if case.switched_by else ""
    since = f" ({clock(endpoint.disabled_at)})" if endpoint.disabled_at else ""
    return Diagnosis(
        "off", f"Switched off{by}{since}.", "Enable it, or let retention give these up."
    )


def _paused(case: _Case) -> Diagnosis | None:
    endpoint = case.endpoint
    if not endpoint.is_paused:
        return None
    by = f" by {case.switched_by}" if case.switched_by else ""
    since = f" at {clock(endpoint.paused_at)}" if endpoint.paused_at else ""
    return Diagnosis("paused", f"Paused{by}{since}.", "Resume it.")


def _idle(case: _Case) -> Diagnosis | None:
    return None if case.backlog.waiting else Diagnosis("idle", "Nothing waits.", "Nothing.")


def _breaker(case: _Case) -> Diagnosis | None:
    lane = case.lane
    if lane is None or lane.open_until is None or lane.open_until <= case.now:
        return None
    text = f"Its breaker is open until {clock(lane.open_until)}: it failed too often."
    return Diagnosis("breaker", f"{text}{_last_error(lane)}",
                     "Nothing, if the receiver is being mended: it goes on by itself.")  # fmt: skip


def _asked_to_wait(case: _Case) -> Diagnosis | None:
    lane = case.lane
    if lane is None or lane.next_send_at is None or lane.next_send_at <= case.now + USUAL:
        return None
    text = f"It asked to be left alone until {clock(lane.next_send_at)}."
    return Diagnosis("asked", f"{text}{_last_error(lane)}",
                     "Nothing, or lower its rate: it goes on by itself.")  # fmt: skip


def _unserved(case: _Case) -> Diagnosis | None:
    if case.is_served or not _is_late(case):
        return None
    return Diagnosis("unserved", "No dispatcher is at work.",
                     "Start `manage.py worker`, or a Celery worker.")  # fmt: skip


def _order(case: _Case) -> Diagnosis | None:
    """In an ordered endpoint the first event's wait is that of all behind it."""
    if not case.endpoint.is_ordered or not case.backlog.tried or case.backlog.leased:
        return None
    text = "They wait in order behind one that failed and is tried again."
    return Diagnosis("order", f"{text}{_last_error(case.lane)}",
                     "Have the receiver mended.")  # fmt: skip


def _retry(case: _Case) -> Diagnosis | None:
    first = case.backlog.first_due
    if case.backlog.due or case.backlog.leased or first is None:
        return None
    failing = case.lane.failing_since if case.lane else None
    text = f"Failing since {clock(failing)}. " if failing else ""
    text += f"The next try is at {clock(first)}."
    return Diagnosis("retry", f"{text}{_last_error(case.lane)}",
                     "Have the receiver mended; deliver again to try at once.")  # fmt: skip


def _rate(case: _Case) -> Diagnosis | None:
    rate = case.endpoint.rate_per_second
    if not rate or case.backlog.due <= rate:
        return None
    end = timeuntil(case.now + timedelta(seconds=case.backlog.waiting / rate), case.now, depth=1)
    return Diagnosis("rate", f"Its own limit is {rate:g} per second: at least {end} for these.",
                     "Raise its rate, if the receiver bears it.")  # fmt: skip


def _failing(case: _Case) -> Diagnosis | None:
    lane = case.lane
    if lane is None or lane.failing_since is None:
        return None
    text = f"Failing since {clock(lane.failing_since)}."
    return Diagnosis("retry", f"{text}{_last_error(lane)}", "Have the receiver mended.")


def _busy(case: _Case) -> Diagnosis | None:
    if not _is_late(case):
        return None
    return Diagnosis("busy", "More comes than the receiver takes at a time.",
                     "Raise its concurrency, or start another dispatcher.")  # fmt: skip


_LOOKS: tuple[Callable[[_Case], Diagnosis | None], ...] = (
    _off, _paused, _idle, _breaker, _asked_to_wait, _unserved, _order, _retry, _rate, _failing,
    _busy,
)  # fmt: skip


def _is_late(case: _Case) -> bool:
    first = case.backlog.first_due
    return bool(case.backlog.due and first and first < case.now - USUAL)


def _last_error(lane: WebhookLane | None) -> str:
    if lane is None or not (lane.last_error or lane.last_status):
        return ""
    text = lane.last_error.rstrip(".") or f"status {lane.last_status}"
    return f" The last answer: {text}."


def switchers_of(endpoints: Iterable[WebhookEndpoint]) -> dict[int, str]:
    """Who paused or switched off each of these that is, from the audit trail."""
    keys = [str(each.pk) for each in endpoints if each.is_paused or not each.is_active]
    if not keys:
        return {}
    entries = AuditEntry.objects.filter(
        object_type=WebhookEndpoint._meta.label, object_id__in=keys, action__in=_SWITCHES
    )
    return {
        int(pk): name for pk, name in entries.order_by("pk").values_list("object_id", "actor_name")
    }
