"""Retention of webhooks: bodies go first, then attempts, then deliveries and their messages.

In small batches by primary key, each committed by itself, with pauses in which deliveries go on.
Nothing is loaded as objects, and what still waits is never touched, with one exception: rows
that an endpoint held which was off all the while are given up, in words.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, router, transaction
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from integrations.conf import hub_settings
from integrations.models import (
    DeliveryStatus,
    ReplayState,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    WebhookMessage,
    WebhookReplay,
)
from integrations.webhooks.secrets import drop_expired
from integrations.webhooks.words import why_off
from integrations.work import WorkState

BATCH = 500
# A run ends by then, and the next one goes on; far below the lease of a periodic job.
RUN_SECONDS = 240.0
# Between two batches others get as long as the batch took, and at least this.
SHORTEST_PAUSE = 0.005

Batch = Callable[[list[int]], int]


class Run:
    """One run of the purge, with an end."""

    def __init__(
        self,
        *,
        seconds: float = RUN_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._end = clock() + seconds
        self.longest = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the rest must wait for the next run."""
        return self._clock() >= self._end

    def batch(self, work: Callable[[], int]) -> int:
        """Do one batch in a transaction of its own, then let others have a turn."""
        start = self._clock()
        try:
            with transaction.atomic():
                gone = work()
        except IntegrityError:
            # Somebody made one of these rows live again meanwhile; the next run sees it so.
            gone = 0
        took = self._clock() - start
        self.longest = max(self.longest, took)
        self._sleep(max(took, SHORTEST_PAUSE))
        return gone


def purge_webhooks(run: Run | None = None) -> dict[str, int]:
    """Remove what is older than the settings say; how much went of each kind."""
    run, now = run or Run(), timezone.now()
    old_body = now - timedelta(days=hub_settings.webhook_body_days)
    old_attempt = now - timedelta(days=hub_settings.webhook_attempt_days)
    old = now - timedelta(days=hub_settings.webhook_delivery_days)
    return {
        "given_up": _give_up(run, old_body),
        "bodies": _drop_bodies(run, old_body),
        "attempts": _walk(
            run,
            WebhookAttempt.objects.all(),
            "started_at",
            old_attempt,
            _remove_from(WebhookAttempt),
        ),
        "deliveries": _walk(run, WebhookEvent.objects.all(), "created_at", old, _remove_deliveries),
        "messages": _walk(run, WebhookMessage.objects.all(), "created_at", old, _remove_messages),
        "replays": _remove_replays(old),
        "former_keys": drop_expired(),
    }


def _walk(run: Run, rows: QuerySet[Any], column: str, before: datetime, work: Batch) -> int:
    """Go through the oldest rows by primary key, batch by batch, to the first that is younger.

    Keys are in the order of insertion but for transactions that overlapped: a batch that holds a
    younger row is the last one.
    """
    gone, last = 0, 0
    while not run.is_over:
        found = list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", column)[:BATCH])
        keys = [pk for pk, instant in found if instant < before]
        if keys:
            gone += run.batch(partial(work, keys))
        if len(found) < BATCH or len(keys) < len(found):
            break
        last = keys[-1]
    return gone


def _remove_from(model: type[Model]) -> Batch:
    def remove(keys: list[int]) -> int:
        return _raw_delete(model._default_manager.filter(pk__in=keys))

    return remove


def _raw_delete(rows: QuerySet[Any]) -> int:
    """One DELETE: no objects, no cascade, no signals. Whoever calls it has seen to the children."""
    return int(rows.order_by()._raw_delete(using=router.db_for_write(rows.model)) or 0)


def _locked(rows: QuerySet[Any]) -> list[int]:
    """Their keys, locked where the database can: nobody makes them due or refers to them now."""
    return list(
        rows.order_by("pk").select_for_update(skip_locked=True).values_list("pk", flat=True)
    )


def _give_up(run: Run, before: datetime) -> int:
    """End what has been due since before that for endpoints that are off."""
    gone = 0
    for endpoint in WebhookEndpoint.objects.filter(is_active=False).order_by("pk"):
        waiting = WebhookEvent.objects.filter(endpoint=endpoint, next_attempt_at__lt=before)
        waiting = waiting.exclude(work_state=WorkState.LEASED).order_by("next_attempt_at")
        error = f"Given up by retention: the endpoint was off, {why_off(endpoint)}."
        gone += _give_up_all(run, waiting, error)
    return gone


def _give_up_all(run: Run, waiting: QuerySet[WebhookEvent], error: str) -> int:
    gone = 0
    while not run.is_over:
        keys = list(waiting.values_list("pk", flat=True)[:BATCH])
        if not keys:
            break
        rows = waiting.order_by().filter(pk__in=keys, endpoint__is_active=False)
        ended = run.batch(partial(_end, rows, error))
        gone += ended
        if not ended:
            # Somebody switched it on meanwhile.
            break
    return gone


def _end(rows: QuerySet[WebhookEvent], error: str) -> int:
    return rows.update(
        status=DeliveryStatus.FAILED, work_state=WorkState.DEAD, next_attempt_at=None,
        last_error=error, work_error=error[:500], updated_at=Now(),
    )  # fmt: skip


def _drop_bodies(run: Run, before: datetime) -> int:
    """Bodies of messages that nothing waits for, from an index of those that have one."""
    having = WebhookMessage.objects.filter(body__isnull=False, created_at__lt=before)
    oldest = having.order_by("created_at", "pk").values_list("pk", flat=True)
    gone = kept = 0
    while not run.is_over:
        # Past those that something waits for: they stay in the index, the others leave it.
        keys = list(oldest[kept : kept + BATCH])
        if not keys:
            break
        emptied = run.batch(partial(_empty, keys))
        gone += emptied
        kept += len(keys) - emptied
    return gone


def _empty(keys: list[int]) -> int:
    waits = WebhookEvent.objects.filter(message=OuterRef("pk"), next_attempt_at__isnull=False)
    return WebhookMessage.objects.filter(~Exists(waits), pk__in=keys).update(body=None)


def _remove_deliveries(keys: list[int]) -> int:
    ended = _locked(WebhookEvent.objects.filter(pk__in=keys, next_attempt_at__isnull=True))
    _raw_delete(WebhookAttempt.objects.filter(event__in=ended))
    return _raw_delete(WebhookEvent.objects.filter(pk__in=ended))


def _remove_messages(keys: list[int]) -> int:
    sent = WebhookEvent.objects.filter(message=OuterRef("pk"))
    free = _locked(WebhookMessage.objects.filter(~Exists(sent), pk__in=keys))
    return _raw_delete(WebhookMessage.objects.filter(pk__in=free))


def _remove_replays(before: datetime) -> int:
    ended = WebhookReplay.objects.filter(created_at__lt=before)
    return _raw_delete(ended.exclude(state=ReplayState.RUNNING))
