"""Claim, finish, schedule: every statement that changes whose turn a row is.

A claim is one UPDATE, committed before the handler runs; no row lock is held meanwhile.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Generic

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Case, F, Model, QuerySet, Value, When
from django.db.models.functions import Greatest, Now

from integrations import plain_sql
from integrations.crypto.masking import redact
from integrations.work.clock import later, later_sql, now_sql
from integrations.work.models import LeasedWork, WorkState
from integrations.work.queue import (
    DEFAULT_BACKOFF,
    Dead,
    Done,
    Kept,
    Outcome,
    Queue,
    Row,
    delay_after,
)

logger = logging.getLogger("integrations.work")

ERROR_LENGTH = 500

# MATERIALIZED and not a bare IN (SELECT ... LIMIT): PostgreSQL may run such a subquery once per
# outer row and so claim more than the limit. Both databases know the word.
_CLAIM = """
WITH picked AS MATERIALIZED (
    {picked}
)
UPDATE {table} SET work_state = 'leased', attempts = attempts + {counted}, claim_token = %s,
    lease_until = {lease_end}, {due} = {lease_end}
WHERE {pk} {among} AND {due} <= {now}
RETURNING {columns}
"""
# As an array, PostgreSQL looks the few keys up; a subquery of unknown size it may join by reading
# the whole table.
_AMONG = ("IN (SELECT {pk} FROM picked)", "= ANY(ARRAY(SELECT {pk} FROM picked))")
_PICK = "SELECT {pk} FROM {table} WHERE {due} <= {now}{only} ORDER BY {order} LIMIT {limit}{suffix}"


@dataclass(frozen=True)
class Claim(Generic[Row]):
    """Rows that are ours until `lease_end`, an instant of this process's `time.monotonic()`."""

    rows: list[Row]
    lease_end: float


@dataclass(frozen=True)
class Taken:
    """A claim as tuples: the asked columns of each row, the token and the end of the lease."""

    rows: list[tuple[Any, ...]]
    token: str
    lease_end: float


def new_token() -> str:
    """A random claim token, 32 characters."""
    return token_hex(16)


def locked_suffix(connection: BaseDatabaseWrapper) -> str:
    """The only part in which the databases differ: SQLite has one writer and needs no lock."""
    return " FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""


def pk_column(model: type[Model], connection: BaseDatabaseWrapper) -> str:
    """The quoted name of the model's primary key column."""
    return connection.ops.quote_name(str(model._meta.pk.column))


def connection_for(queue: Queue[Any]) -> BaseDatabaseWrapper:
    """The queue's database, outside any transaction.

    RuntimeError inside one (a test's own excepted): the claim must be committed before the handler
    runs, or nobody else could see it and the row lock would be held all the while.
    """
    connection = connections[router.db_for_write(queue.model)]
    if connection.in_atomic_block:
        with transaction.atomic(using=connection.alias, durable=True):
            pass
    return connection


def claim_rows(
    queue: Queue[Row], *, limit: int, only: str = "", params: Sequence[Any] = (), order: str = ""
) -> Claim[Row]:
    """Take up to `limit` due rows; disjoint from everybody else's.

    `only` is a further SQL condition (starting with AND) with its `params`; `order` the SQL order,
    by default the longest due first.
    """
    connection = connection_for(queue)
    names = _names(queue, connection)
    picked = _PICK.format(
        **names,
        order=order or names["due"],
        only=f" {only}" if only else "",
        limit=int(limit),
        suffix=locked_suffix(connection),
    )
    columns = plain_sql.columns_of(queue.model, connection)
    sql = _CLAIM.format(**names, picked=picked, counted=1, columns=columns.sql)
    # Before the statement, so that our idea of the lease never outlasts the database's.
    lease_end = time.monotonic() + queue.lease
    found = plain_sql.read(columns, connection, sql, [*params, new_token()])
    return Claim(rows=sorted(found, key=lambda row: row.pk), lease_end=lease_end)


def claim_picked(
    queue: Queue[Any],
    picked: str,
    params: Sequence[Any],
    *,
    columns: Sequence[str],
    token: str = "",
) -> Taken:
    """Take the rows that the statement `picked` selects, as tuples of `columns` (SQL).

    For holders of many rows, to whom an instance of each costs too much. `picked` answers primary
    keys and locks what it answers. The claim counts no attempt: the holder
    counts the tries that it makes. `token` makes several claims one, which the caller commits
    together, at once.
    """
    connection = connections[router.db_for_write(queue.model)]
    token = token or new_token()
    sql = _CLAIM.format(
        **_names(queue, connection),
        picked=picked,
        counted=0,
        columns=", ".join(columns),
    )
    lease_end = time.monotonic() + queue.lease
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, token])
        return Taken(rows=cursor.fetchall(), token=token, lease_end=lease_end)


def _names(queue: Queue[Any], connection: BaseDatabaseWrapper) -> dict[str, str]:
    quote = connection.ops.quote_name
    return {
        "table": quote(queue.model._meta.db_table),
        "pk": pk_column(queue.model, connection),
        "due": quote("next_attempt_at"),
        "now": now_sql(connection),
        "lease_end": later_sql(connection, seconds=queue.lease),
        "among": _AMONG[connection.vendor == "postgresql"].format(
            pk=pk_column(queue.model, connection)
        ),
    }


def has_due_rows(queue: Queue[Any]) -> bool:
    """Whether anything is due now (in a lane that may be busy)."""
    due: QuerySet[Any] = queue.model._base_manager.filter(next_attempt_at__lte=Now())
    return due.exists()


def lease_expressions(lease_seconds: float) -> dict[str, Any]:
    """Field values by which a caller inserts a row that it has already claimed itself.

    After `create(**lease_expressions(60))` the caller holds the row: set `claim_deadline`, do the
    work, `finish(row, ...)`. Save such an instance with `update_fields` (or refresh it first):
    two fields still hold expressions, and a full save would lengthen the lease.
    """
    return {
        "work_state": WorkState.LEASED,
        "attempts": 1,
        "claim_token": new_token(),
        "lease_until": later(lease_seconds),
        "next_attempt_at": later(lease_seconds),
    }


def finish(
    row: LeasedWork, outcome: Outcome | None, *, backoff: Sequence[float] = DEFAULT_BACKOFF
) -> bool:
    """Store the outcome if the row is still ours; False (and nothing changed) if it is not.

    Compare-and-set on the claim token, so it may be called inside the transaction that stores the
    result; the handler then answers `Kept()`. `backoff` serves an `Again` without a delay.
    """
    if not row.claim_token:
        return False
    changes = _changes(row, outcome or Done(), backoff=backoff)
    if not changes:
        return True
    is_ours = plain_sql.update(
        type(row),
        {"lease_until": None, "claim_token": "", **changes},
        where={"pk": row.pk, "claim_token": row.claim_token},
        using=row._state.db,
    )
    if not is_ours:
        logger.debug("%s %s was taken over; its outcome is dropped", row._meta.label, row.pk)
    return bool(is_ours)


def _changes(row: LeasedWork, outcome: Outcome, *, backoff: Sequence[float]) -> dict[str, Any]:
    if isinstance(outcome, Kept):
        return {}
    if isinstance(outcome, Done):
        return {"work_state": WorkState.DONE, "next_attempt_at": None, "work_error": ""}
    if isinstance(outcome, Dead):
        error = safe_error(outcome.error)
        return {"work_state": WorkState.DEAD, "next_attempt_at": None, "work_error": error}
    delay = outcome.delay_seconds
    if delay is None:
        delay = delay_after(row.attempts, backoff=backoff)
    changes: dict[str, Any] = {
        "work_state": WorkState.DUE,
        "next_attempt_at": later(max(delay, 0.0)),
        "work_error": safe_error(outcome.error),
    }
    if not outcome.count_attempt:
        changes["attempts"] = Greatest(F("attempts") - 1, Value(0))
    return changes


def safe_error(error: str | Exception) -> str:
    """The error as it may be stored and shown: redacted, then cut; no traceback, no variables."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    # PostgreSQL stores neither NUL nor lone surrogates, and a provider's text may hold both.
    text = text.replace("\x00", "").encode("utf-8", "replace").decode()
    return redact(text)[:ERROR_LENGTH]


def schedule(rows: LeasedWork | QuerySet[Any], *, delay_seconds: float = 0.0) -> int:
    """Make rows due `delay_seconds` from now by the database's clock; how many were.

    A leased row is left alone (its holder decides), which the caller sees by the count. One that
    had finished, idled or died starts over with no attempts. Ring the queue afterwards.
    """
    if isinstance(rows, LeasedWork):
        rows = type(rows)._base_manager.using(rows._state.db).filter(pk=rows.pk)
    anew = {"attempts": 0, **rows.model.STARTS_OVER}
    waits = WorkState.DUE
    return rows.exclude(work_state=WorkState.LEASED).update(
        next_attempt_at=later(delay_seconds),
        work_state=waits,
        **{
            name: Case(When(work_state=waits, then=F(name)), default=Value(value))
            for name, value in anew.items()
        },
    )


def retry_dead(rows: QuerySet[Any]) -> int:
    """Bring the dead among `rows` back, due now with no attempts; how many were."""
    return schedule(rows.filter(work_state=WorkState.DEAD))
