"""What a worker does with a replay: the next rows at its pace, and how far it has come.

Rows and progress are stored in one transaction, so that a worker that is killed repeats nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from integrations.models import ReplayState, WebhookEvent, WebhookMessage, WebhookReplay
from integrations.webhooks.again import QUEUE as DELIVERIES
from integrations.webhooks.again import make_due
from integrations.webhooks.replay_filter import missed_messages, replayable
from integrations.work import Again, Done, Outcome, ring

QUEUE = "webhook-replays"
# Seconds between two looks, and the most rows of one: a transaction stays short.
TICK = 1.0
BATCH = 500
# Seconds until an endpoint that was switched off meanwhile is looked at again.
WAIT = 60.0
# The second part of a replay; the first is what the endpoint got.
MISSED = "missed"


@dataclass(frozen=True)
class Step:
    """One batch: what makes it due and says how many did, its last key, and whether it ends."""

    store: Callable[[], int]
    last_id: int
    is_last: bool


def advance(replay: WebhookReplay) -> Outcome:
    """Handler of the queue."""
    if replay.state != ReplayState.RUNNING:
        return Done()
    endpoint = replay.endpoint
    if endpoint is not None and not endpoint.is_active:
        return Again(WAIT, "The endpoint is off; it goes on when that is enabled.",
                     count_attempt=False)  # fmt: skip
    size = max(1, min(BATCH, int(replay.rate_per_second * TICK)))
    is_missed = _part_of(replay) == MISSED
    # Found before the transaction: looking for few among many may take a while.
    step = _find_missed(replay, size) if is_missed else _find_deliveries(replay, size)
    is_end = step.is_last and is_missed
    with transaction.atomic():
        made = step.store()
        if not _store(replay, step, made, is_end=is_end):
            # It was cancelled, or another worker has it: what this batch did is undone.
            transaction.set_rollback(True)
            return Done()
    if made:
        ring(DELIVERIES)
    return Done() if is_end else Again(made / replay.rate_per_second, count_attempt=False)


def _part_of(replay: WebhookReplay) -> str:
    return str(replay.filters.get("part", "deliveries"))


def _find_deliveries(replay: WebhookReplay, size: int) -> Step:
    chosen, part = replay.filters, replay.filters["deliveries"]
    rows = replayable(replay.endpoint, replay.business).filter(
        pk__gt=replay.last_id, pk__lte=part["to_id"], event_type__in=part["event_types"],
        **_bounds(chosen, "message__"),
    )  # fmt: skip
    own = {"status": chosen["status"]} if chosen["status"] else {}
    keys = list(rows.filter(**own).order_by("pk").values_list("pk", flat=True)[:size])

    def store() -> int:
        return make_due(WebhookEvent.objects.filter(pk__in=keys, **own))

    return Step(store, keys[-1] if keys else replay.last_id, is_last=len(keys) < size)


def _find_missed(replay: WebhookReplay, size: int) -> Step:
    part, endpoint = replay.filters[MISSED], replay.endpoint
    if endpoint is None:
        return Step(lambda: 0, replay.last_id, is_last=True)
    messages = WebhookMessage.objects.filter(
        pk__gt=replay.last_id, pk__lte=part["to_id"], event_type__in=part["event_types"],
        **_bounds(replay.filters, ""),
    )  # fmt: skip
    missed = missed_messages(messages, endpoint).order_by("pk").values_list("pk", "event_type")
    found = list(missed[:size])
    # An event that is published right now is not among them; its key lies beyond the bound.
    new = [WebhookEvent(endpoint=endpoint, message_id=pk, event_type=kind) for pk, kind in found]

    def store() -> int:
        return len(WebhookEvent.objects.bulk_create(new, ignore_conflicts=True))

    return Step(store, found[-1][0] if found else replay.last_id, is_last=len(found) < size)


def _bounds(chosen: dict[str, Any], path: str) -> dict[str, datetime]:
    bounds = {f"{path}created_at__lte": datetime.fromisoformat(chosen["until"])}
    if chosen["since"]:
        bounds[f"{path}created_at__gte"] = datetime.fromisoformat(chosen["since"])
    return bounds


def _store(replay: WebhookReplay, step: Step, made: int, *, is_end: bool) -> bool:
    """Note how far it has come, if it still runs and is ours."""
    changes: dict[str, Any] = {"done": F("done") + made, "last_id": step.last_id}
    if is_end:
        changes |= {"state": ReplayState.FINISHED, "finished_at": timezone.now()}
    elif step.is_last:
        after = replay.filters[MISSED]["after_id"]
        changes |= {"filters": {**replay.filters, "part": MISSED}, "last_id": after}
    rows = WebhookReplay.objects.filter(
        pk=replay.pk, state=ReplayState.RUNNING, claim_token=replay.claim_token
    )
    return bool(rows.update(**changes))
