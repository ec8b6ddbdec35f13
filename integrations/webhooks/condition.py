"""How an endpoint fares: warned of, switched off, recovered. By time, never by a bare count.

A busy endpoint fails a thousand times in a minute's outage, so counting alone proves nothing. The
first failure after a success begins a streak; any success ends it. A streak that lasts warns, one
that lasts much longer switches off, 410 Gone switches off at once. Events wait meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from integrations.models import WebhookLane
from integrations.webhooks import streak
from integrations.webhooks.enabling import enable
from integrations.work import safe_error

__all__ = ["Tally", "enable", "note", "note_all"]

# A healthy endpoint's row is written no more often.
_TICK = timedelta(seconds=1)


@dataclass(frozen=True)
class Tally:
    """What a batch of attempts at one endpoint brought.

    `last_status` and `last_error` are of the newest attempt; `is_gone` says that one was answered
    410, and `started_at` (epoch seconds, 0: not known) when that one began: an endpoint that was
    changed since is not judged by it.
    """

    successes: int = 0
    failures: int = 0
    last_status: int | None = None
    last_error: str = ""
    is_gone: bool = False
    started_at: float = 0.0


def note(endpoint_id: int, tally: Tally) -> None:
    """`note_all` for one endpoint."""
    note_all({endpoint_id: tally})


def note_all(tallies: Mapping[int, Tally]) -> None:
    """Note how endpoints fared, by their keys; in the transaction that stores the results.

    One query where nothing is to be told, one more and a write where something is. Two
    dispatchers at once wait for each other's row, and each event is published once. An endpoint
    that is gone, or that no dispatcher ever served, is passed over.
    """
    now = timezone.now()
    rows = WebhookLane.objects.filter(pk__in=list(tallies))
    keys = [lane.pk for lane in rows if _matters(lane, tallies[lane.pk], now)]
    if not keys:
        return
    with transaction.atomic(savepoint=False):
        _write(keys, tallies, now)


def _matters(lane: WebhookLane, tally: Tally, now: datetime) -> bool:
    if tally.failures or tally.is_gone:
        return True
    if not tally.successes:
        return False
    last = lane.last_success_at
    return not _is_well(lane) or last is None or now - last >= _TICK


def _is_well(lane: WebhookLane) -> bool:
    marks = (lane.failing_since, lane.warned_at, lane.cool_down_until)
    return not lane.consecutive_failures and marks == (None, None, None)


def _write(keys: list[int], tallies: Mapping[int, Tally], now: datetime) -> None:
    # In the order of the keys, so that two dispatchers never wait for each other crosswise.
    lanes = WebhookLane.objects.select_for_update(of=("self",), no_key=True)
    well: dict[int | None, list[int]] = defaultdict(list)
    for lane in lanes.select_related("endpoint").filter(pk__in=keys).order_by("pk"):
        tally = tallies[lane.pk]
        if tally.failures or tally.is_gone or not _is_well(lane):
            _judge(lane, tally, now)
        else:
            well[tally.last_status].append(lane.pk)
    for status, found in well.items():
        WebhookLane.objects.filter(pk__in=found).update(
            last_attempt_at=now, last_success_at=now, last_status=status, last_error=""
        )


def _judge(lane: WebhookLane, tally: Tally, now: datetime) -> None:
    previous, lane.last_attempt_at = lane.last_attempt_at, now
    lane.last_status, lane.last_error = tally.last_status, safe_error(tally.last_error)
    changed_at = lane.endpoint.updated_at.timestamp()
    is_stale = 0 < tally.started_at < changed_at
    if tally.is_gone and not is_stale:
        streak.lengthen(lane, max(tally.failures, 1), now, last_attempt=previous)
        streak.switch_off_gone(lane, now)
    elif tally.successes:
        streak.end(lane, now)
    else:
        streak.lengthen(lane, max(tally.failures, 1), now, last_attempt=previous)
        streak.judge(lane, now)
    lane.save(update_fields=streak.COLUMNS)
