"""Working on stored callbacks: each one once, its effect and its mark in one transaction."""

from __future__ import annotations

import logging
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.callbacks.routes import find_route
from integrations.exceptions import ConfigurationError, DecryptionError
from integrations.models import CallbackStatus, InboundCallback
from integrations.models.inbound_callback import Quarantine, Settled, TryLater, Verdict
from integrations.work import Again, Done, Outcome
from integrations.work.clock import database_now

# Tries after which two writers that keep colliding are no accident any more.
COLLISIONS = 5
# Seconds between tries while the installation itself is at fault.
FAULT_PAUSE = 60.0
logger = logging.getLogger(__name__)


class _Overtaken(Exception):
    """The row is no longer as it was claimed."""


def process(row: InboundCallback) -> Outcome:
    """Handler of the callbacks queue."""
    if row.status != CallbackStatus.STORED:
        return Done()
    try:
        return _work_on(row)
    except _Overtaken:
        # Our lease ran out, and the worker who had it next was quicker: its effect stands, ours
        # was rolled back.
        return Done()


def _work_on(row: InboundCallback) -> Outcome:
    route = find_route(row.route)
    if route is None or route.handle is None:
        return _mark(row, Quarantine(f"There is no route {row.route!r} any more."))
    try:
        with transaction.atomic():
            if _is_settled(row, row.dedupe_key):
                # The sender repeats an event that has had its effect.
                _write(row, status=CallbackStatus.DUPLICATE)
                return Done()
            return _mark(row, route.handle(row))
    except (DecryptionError, ConfigurationError) as error:
        # A wrong key or unreadable settings are an operator's fault, not the callback's: it
        # waits until they are mended, however long that takes.
        logger.error("callback=%s waits: %s help=%s", row.pk, error.message, error.help_url)
        return Again(delay_seconds=FAULT_PAUSE, error=error.message, count_attempt=False)
    except IntegrityError:
        # Another copy was marked processed between our look and our write; its effect stands,
        # ours was rolled back. The next try sees that.
        if row.attempts < COLLISIONS or _is_settled(row, row.dedupe_key):
            return Again(delay_seconds=0.0)
        return _mark(row, Quarantine("It contradicts what is stored of another payment."))


def _mark(row: InboundCallback, verdict: Verdict) -> Outcome:
    """Write the verdict on the row; raises _Overtaken if another worker did so meanwhile."""
    if isinstance(verdict, TryLater):
        waited = (database_now() - row.received_at).total_seconds()
        if waited < verdict.patience_seconds:
            pause = verdict.delay_seconds
            return Again(delay_seconds=pause, error=verdict.reason, count_attempt=False)
        verdict = Quarantine(verdict.reason, verdict.reference)
    if isinstance(verdict, Settled):
        status, key = CallbackStatus.PROCESSED, verdict.dedupe_key or row.dedupe_key
        # A key that the row came with was looked for before its handler ran. If another copy was
        # processed since, the constraint says so, and the handler's effect is rolled back.
        if key != row.dedupe_key and _is_settled(row, key):
            status = CallbackStatus.DUPLICATE
        _write(row, status=status, dedupe_key=key, reference=verdict.reference)
    else:
        _write(
            row,
            status=CallbackStatus.QUARANTINED,
            reason=verdict.reason[:300],
            reference=verdict.reference,
        )
    return Done()


def _is_settled(row: InboundCallback, key: str) -> bool:
    same = InboundCallback.objects.filter(
        route=row.route, dedupe_key=key, status=CallbackStatus.PROCESSED
    )
    return bool(key) and same.exclude(pk=row.pk).exists()


def _write(row: InboundCallback, **values: Any) -> None:
    rows = InboundCallback.objects.filter(pk=row.pk, status=CallbackStatus.STORED)
    if not rows.update(processed_at=timezone.now(), **values):
        raise _Overtaken
