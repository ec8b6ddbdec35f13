"""One turn of a queue: claim, handle, finish; and draining a queue turn by turn."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from integrations import metrics
from integrations.correlation import correlated
from integrations.work.claim import Claim, claim_rows, finish, safe_error
from integrations.work.lanes import serve_lane
from integrations.work.queue import Again, Dead, Done, Outcome, Queue, Row, get_queue
from integrations.work.shift import ALONE, Shift

logger = logging.getLogger("integrations.work")

# Waits between tries to store an outcome, seconds: a lost one means that the work is repeated.
_FINISH_PAUSES = (0.1, 0.5, 2.0)


def take_turn(queue: Queue[Any], shift: Shift = ALONE) -> bool:
    """Claim what one thread may hold and handle it; False when nothing was due."""
    if queue.serve is not None:
        return queue.serve(queue, shift)
    if queue.lane_field:
        return serve_lane(queue, partial(handle_claim, queue, shift=shift), shift=shift)
    claim = claim_rows(queue, limit=queue.batch)
    if len(claim.rows) == queue.batch:
        shift.call_for_help()
    handle_claim(queue, claim, shift=shift)
    return bool(claim.rows)


def drain(queue_name: str, budget_seconds: float = 20.0) -> int:
    """Take turns in the calling thread until nothing is due or the budget is used; the turns taken.

    ConfigurationError for an unknown queue. The turn in hand is finished, so the call may last
    one lease longer than its budget.
    """
    queue = get_queue(queue_name)
    end = time.monotonic() + budget_seconds
    # A turn that goes on as long as there is work must be told when to end.
    shift = Shift(is_over=lambda: time.monotonic() >= end) if queue.serve else ALONE
    turns = 0
    while time.monotonic() < end and take_turn(queue, shift):
        turns += 1
    return turns


def handle_claim(queue: Queue[Row], claim: Claim[Row], *, shift: Shift = ALONE) -> None:
    """Handle the claimed rows one after another, giving back those there is no time for."""
    for number, row in enumerate(claim.rows):
        now = time.monotonic()
        needed = queue.deadline_seconds if number else 0.0
        if shift.is_over() or now + needed >= claim.lease_end:
            finish(row, Again(delay_seconds=0, count_attempt=False))
            continue
        row.claim_deadline = min(now + queue.deadline_seconds, claim.lease_end)
        with correlated(row.correlation_id, queue=queue.name, row=row.pk):
            outcome = _outcome(queue, row)
            metrics.work_seconds.note(queue.name, seconds=time.monotonic() - now)
            metrics.work_handled.add(queue.name, type(outcome).__name__.lower())
            _store(queue, row, outcome)


def _outcome(queue: Queue[Row], row: Row) -> Outcome:
    outcome = _attempt(queue, row)
    if isinstance(outcome, Dead):
        logger.error("Queue %s, row %s is dead: %s", queue.name, row.pk, safe_error(outcome.error))
    return outcome


def _attempt(queue: Queue[Row], row: Row) -> Outcome:
    if row.attempts > queue.max_attempts:
        # Its last attempt ended with the process: a row that kills workers must not go on.
        return Dead(row.work_error or "The worker stopped during the last attempt.")
    try:
        outcome = queue.handle(row) or Done()
    except Exception as error:  # noqa: BLE001  (whatever a handler raises is its outcome)
        text = safe_error(error)
        logger.warning("Queue %s, row %s: %s", queue.name, row.pk, text)
        outcome = Again(error=text)
    if not isinstance(outcome, Again):
        return outcome
    if outcome.count_attempt and row.attempts >= queue.max_attempts:
        return Dead(outcome.error or "All attempts are used up.")
    return outcome


def _store(queue: Queue[Row], row: Row, outcome: Outcome) -> None:
    for pause in (*_FINISH_PAUSES, None):
        try:
            finish(row, outcome, backoff=queue.backoff)
            return
        except DatabaseError as error:
            connections[row._state.db or "default"].close()
            if pause is None:
                logger.warning(
                    "Queue %s, row %s: outcome not stored, the work will be repeated: %s",
                    queue.name,
                    row.pk,
                    safe_error(error),
                )
                return
            time.sleep(pause)
