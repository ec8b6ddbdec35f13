"""Storing what came of a batch of tries: attempts, deliveries, lanes, in one transaction.

A delivery is changed only while it is still ours (compare-and-set on the claim token); the attempt
was made in any case and is kept.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from integrations.models import (
    AttemptTrigger,
    DeliveryStatus,
    WebhookAttempt,
    WebhookEvent,
    WebhookLane,
)
from integrations.webhooks.classify import Fate
from integrations.webhooks.condition import Tally, note_all
from integrations.webhooks.dispatch import arrays
from integrations.webhooks.dispatch.commit import repeatable
from integrations.webhooks.dispatch.records import Batch, LaneChange, Result, Score
from integrations.work import WorkState, later, safe_error
from integrations.work.clock import now_sql

logger = logging.getLogger("integrations.webhooks")

_STATES = {
    Fate.DELIVERED: (WorkState.DONE.value, DeliveryStatus.DELIVERED.value),
    Fate.AGAIN: (WorkState.DUE.value, DeliveryStatus.RETRYING.value),
    Fate.DEAD: (WorkState.DEAD.value, DeliveryStatus.FAILED.value),
}
_ATTEMPT = (
    "event_id, endpoint_id, number, trigger, outcome, started_at, duration_ms, status_code, "
    "error, request_headers, response_headers, response_body, response_bytes"
)
_ON_POSTGRESQL = f"""
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(
        %s::bigint[], %s::text[], %s::text[], %s::text[], %s::float8[], %s::text[], %s::float8[],
        %s::bigint[], %s::int[], %s::text[], %s::text[], %s::float8[], %s::int[], %s::int[],
        %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[]
    ) AS g(id, token, work_state, status, delay, work_error, delivered_at,
        endpoint_id, number, trigger, outcome, started_at, duration_ms, status_code,
        error, request_headers, response_headers, response_body, response_bytes)
), stored AS (
    UPDATE {{events}} e SET work_state = g.work_state, status = g.status, attempts = g.number,
        next_attempt_at = {{now}} + g.delay * INTERVAL '1 second', lease_until = NULL,
        claim_token = '', work_error = g.work_error, last_error = NULLIF(g.work_error, ''),
        delivered_at = to_timestamp(g.delivered_at), updated_at = {{now}}
    FROM given g WHERE e.id = g.id AND e.claim_token = g.token
)
INSERT INTO {{attempts}} ({_ATTEMPT})
SELECT g.id, g.endpoint_id, g.number, g.trigger, g.outcome, to_timestamp(g.started_at),
    g.duration_ms, g.status_code, g.error, g.request_headers::jsonb, g.response_headers::jsonb,
    g.response_body, g.response_bytes
FROM given g WHERE EXISTS (SELECT 1 FROM {{events}} e WHERE e.id = g.id)
"""  # noqa: S608 - names of our own tables
_EVENT_ON_SQLITE = """
UPDATE {events} SET work_state = %s, status = %s,
    next_attempt_at = STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', %s), lease_until = NULL,
    claim_token = '', work_error = %s, last_error = NULLIF(%s, ''), delivered_at = %s,
    attempts = %s, updated_at = {now} WHERE id = %s AND claim_token = %s
"""
_ATTEMPT_ON_SQLITE = (
    f"INSERT INTO {{attempts}} ({_ATTEMPT}) SELECT {', '.join(['%s'] * 13)} "  # noqa: S608
    "WHERE EXISTS (SELECT 1 FROM {events} WHERE id = %s)"
)


def store(batch: Batch, connection: BaseDatabaseWrapper) -> None:
    """Store the batch, all or nothing. Raises django.db.Error."""
    with repeatable(connection):
        if batch.results:
            store_results(batch.results, connection)
        if batch.scores:
            note_all({pk: _tally(score) for pk, score in batch.scores.items()})
        for change in batch.lanes:
            _store_lane(change)


def store_bare(batch: Batch, connection: BaseDatabaseWrapper) -> None:
    """Store each result by itself, without what the receiver answered, and the rest after them.

    What the database refuses even so is left out: its delivery comes again. Raises django.db.Error
    where the database is away; what is stored by then is no longer in the batch.
    """
    while batch.results:
        result = batch.results[0]
        result.response_body, result.response_headers = "", "{}"
        try:
            with repeatable(connection):
                store_results([result], connection)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with this one
            logger.error(
                "Webhooks: the result of delivery %s was refused: %s",
                result.delivery.id,
                safe_error(error),
            )
        del batch.results[0]
    store(batch, connection)


def store_results(results: Sequence[Result], connection: BaseDatabaseWrapper) -> None:
    """The rows of the tries and of their deliveries, in the order of the latter's keys."""
    ordered = sorted(results, key=lambda result: result.delivery.id)
    if connection.vendor == "postgresql":
        _store_on_postgresql(ordered, connection)
    else:
        _store_on_sqlite(ordered, connection)


def _names(connection: BaseDatabaseWrapper) -> dict[str, str]:
    quote = connection.ops.quote_name
    return {
        "events": quote(WebhookEvent._meta.db_table),
        "attempts": quote(WebhookAttempt._meta.db_table),
        "now": now_sql(connection),
    }


def _trigger(result: Result) -> str:
    manual = result.delivery.is_manual
    return AttemptTrigger.MANUAL.value if manual else AttemptTrigger.AUTOMATIC.value


def _delay(result: Result, now: float) -> float | None:
    """Seconds from now, so that the wait counts from the end of the try."""
    if result.verdict.fate is not Fate.AGAIN:
        return None
    return max(0.0, result.ended + result.verdict.delay - now)


def _delivered_at(result: Result) -> float | None:
    if result.verdict.fate is not Fate.DELIVERED:
        return None
    return result.started_at + result.duration_ms / 1000


def _store_on_postgresql(results: Sequence[Result], connection: BaseDatabaseWrapper) -> None:
    now = time.monotonic()
    columns = [
        arrays.numbers([r.delivery.id for r in results]),
        arrays.words([r.delivery.token for r in results]),
        arrays.words([_STATES[r.verdict.fate][0] for r in results]),
        arrays.words([_STATES[r.verdict.fate][1] for r in results]),
        arrays.numbers([_delay(r, now) for r in results]),
        arrays.texts([r.verdict.error for r in results]),
        arrays.numbers([_delivered_at(r) for r in results]),
        arrays.numbers([r.delivery.endpoint_id for r in results]),
        arrays.numbers([r.delivery.attempts + 1 for r in results]),
        arrays.words([_trigger(r) for r in results]),
        arrays.words([r.outcome for r in results]),
        arrays.numbers([r.started_at for r in results]),
        arrays.numbers([r.duration_ms for r in results]),
        arrays.numbers([r.status for r in results]),
        arrays.texts([r.error for r in results]),
        arrays.texts([r.request_headers for r in results]),
        arrays.texts([r.response_headers for r in results]),
        arrays.texts([r.response_body for r in results]),
        arrays.numbers([r.received for r in results]),
    ]
    with connection.cursor() as cursor:
        cursor.execute(_ON_POSTGRESQL.format(**_names(connection)), columns)


def _store_on_sqlite(results: Sequence[Result], connection: BaseDatabaseWrapper) -> None:
    now = time.monotonic()
    names = _names(connection)
    events, attempts = [], []
    for r in results:
        delivery, delay, done = r.delivery, _delay(r, now), _delivered_at(r)
        events.append((
            *_STATES[r.verdict.fate], None if delay is None else f"{delay + 0.001:+.3f} seconds",
            r.verdict.error, r.verdict.error, _text(done), delivery.attempts + 1, delivery.id,
            delivery.token,
        ))  # fmt: skip
        attempts.append((
            delivery.id, delivery.endpoint_id, delivery.attempts + 1, _trigger(r), r.outcome,
            _text(r.started_at), r.duration_ms, r.status, r.error, r.request_headers,
            r.response_headers, r.response_body, r.received, delivery.id,
        ))  # fmt: skip
    with connection.cursor() as cursor:
        cursor.executemany(_EVENT_ON_SQLITE.format(**names), events)
        cursor.executemany(_ATTEMPT_ON_SQLITE.format(**names), attempts)


def _text(instant: float | None) -> str | None:
    """Unix time as Django stores it on SQLite."""
    if instant is None:
        return None
    return datetime.fromtimestamp(instant, UTC).replace(tzinfo=None).isoformat(" ")


def _tally(score: Score) -> Tally:
    return Tally(
        successes=score.successes,
        failures=score.failures,
        last_status=score.last_status,
        last_error=safe_error(score.last_error),
        is_gone=score.is_gone,
        started_at=score.started_at,
    )


def _store_lane(change: LaneChange) -> None:
    passed = time.monotonic() - change.at
    values: dict[str, Any] = {
        "times_opened": change.times_opened,
        "open_until": _later(change.open_for, passed),
        "next_send_at": _later(change.next_send_in, passed),
    }
    if change.is_release:
        values |= {"lease_until": None, "claim_token": ""}
    ours = WebhookLane.objects.filter(pk=change.endpoint_id, claim_token=change.token)
    ours.update(**values)


def _later(seconds: float | None, passed: float) -> Any:
    return None if seconds is None or seconds <= passed else later(seconds - passed)
