"""Ordered and fair work: lease a lane, then serve its rows one after another.

Two workers never serve one lane at the same time while both live. In an ordered lane the oldest
unfinished row goes first; while it waits for a retry the lane waits with it. A dead row is
finished, so it holds nobody back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import ForeignKey

from integrations.work.claim import (
    Claim,
    claim_rows,
    connection_for,
    locked_suffix,
    new_token,
    pk_column,
)
from integrations.work.clock import later_sql, now_sql
from integrations.work.models import Lane
from integrations.work.queue import Queue, Row
from integrations.work.shift import ALONE, Shift

# The uncorrelated EXISTS is answered once and makes an idle poll cheap, however many lanes.
_PICK_LANE = """
    SELECT {lanes}.{lane_pk} FROM {lanes}
    WHERE ({lanes}.lease_until IS NULL OR {lanes}.lease_until <= {now})
        AND EXISTS (SELECT 1 FROM {rows} WHERE next_attempt_at <= {now})
        AND {has_due_row}{only}
    ORDER BY {lanes}.last_served_at ASC NULLS FIRST, {lanes}.{lane_pk}
    LIMIT {limit}{suffix}
"""
_CLAIM_LANE = """
WITH picked AS MATERIALIZED ({picked})
UPDATE {lanes} SET lease_until = {lease_end}, last_served_at = {now}, claim_token = %s
WHERE {lane_pk} IN (SELECT {lane_pk} FROM picked)
    AND (lease_until IS NULL OR lease_until <= {now})
RETURNING {lane_pk}
"""

# Not EXISTS, which the planner may turn into a join that reads every due row.
_ANY_DUE = (
    "(SELECT {rows}.next_attempt_at FROM {rows} WHERE {in_lane} "
    "AND {rows}.next_attempt_at IS NOT NULL ORDER BY {lane_order} LIMIT 1) <= {now}"
)
_FIRST_IS_DUE = (
    "(SELECT {rows}.next_attempt_at FROM {rows} WHERE {rows}.{lane} = {lanes}.{lane_pk} "
    "AND {rows}.next_attempt_at IS NOT NULL ORDER BY {rows}.{row_pk} LIMIT 1) <= {now}"
)

_RENEW = (
    "UPDATE {lanes} SET lease_until = {end} "
    "WHERE claim_token = %s AND {lane_pk} IN ({marks}) RETURNING {lane_pk}"
)

# Asked again with every row: a worker that slept past its lane's lease gets no further row.
_OURS = (
    "AND {lane} = %s AND EXISTS (SELECT 1 FROM {lanes} WHERE {lanes}.{lane_pk} = %s "
    "AND {lanes}.claim_token = %s AND {lanes}.lease_until > {now})"
)
_FIRST = (
    " AND {row_pk} = (SELECT MIN(oldest.{row_pk}) FROM {rows} oldest "
    "WHERE oldest.{lane} = %s AND oldest.next_attempt_at IS NOT NULL)"
)


@dataclass(frozen=True)
class LaneClaim:
    """A lane that is ours until `lease_end`, an instant of this process's `time.monotonic()`."""

    pk: Any
    token: str
    lease_end: float


def lane_model(queue: Queue[Any]) -> type[Lane]:
    """The model of the queue's lanes."""
    return queue.lane_model or cast("type[Lane]", _lane_field(queue).related_model)


def _lane_field(queue: Queue[Any]) -> ForeignKey[Any, Any]:
    return cast("ForeignKey[Any, Any]", queue.model._meta.get_field(queue.lane_field or ""))


def claim_lane(queue: Queue[Any]) -> LaneClaim | None:
    """Take the longest-unserved free lane that has a row to serve; None if there is none."""
    taken = claim_lanes(queue, limit=1)
    return taken[0] if taken else None


def claim_lanes(
    queue: Queue[Any], *, limit: int, only: str = "", params: Sequence[Any] = (), token: str = ""
) -> list[LaneClaim]:
    """Take up to `limit` free lanes that have a row to serve, the longest unserved first.

    `only` is a further SQL condition on them (starting with AND) with its `params`; `token` that
    of lanes which the caller holds already.
    """
    connection = connection_for(queue)
    names = lane_names(queue, connection)
    has_due_row = (_FIRST_IS_DUE if queue.ordered else _ANY_DUE).format(**names)
    picked = _PICK_LANE.format(
        **names,
        has_due_row=has_due_row,
        only=f" {only}" if only else "",
        limit=int(limit),
        suffix=_suffix(connection, names),
    )
    lease_end_sql = later_sql(connection, seconds=queue.lease)
    sql = _CLAIM_LANE.format(**names, picked=picked, lease_end=lease_end_sql)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            # A look takes no lock; an UPDATE does, also where it finds nothing to change.
            cursor.execute(picked, params)
            if cursor.fetchone() is None:
                return []
        token, lease_end = token or new_token(), time.monotonic() + queue.lease
        cursor.execute(sql, [*params, token])
        return [LaneClaim(pk, token, lease_end) for (pk,) in cursor.fetchall()]


def renew_lanes(queue: Queue[Any], pks: Sequence[Any], *, token: str) -> tuple[set[Any], float]:
    """Lengthen the leases of these lanes; those that are still ours, and the new end."""
    connection = connection_for(queue)
    names = lane_names(queue, connection)
    lease_end = time.monotonic() + queue.lease
    sql = _RENEW.format(
        **names,
        end=later_sql(connection, seconds=queue.lease),
        marks=", ".join(["%s"] * len(pks)),
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [token, *pks])
        return {pk for (pk,) in cursor.fetchall()}, lease_end


def claim_next(queue: Queue[Row], lane: LaneClaim) -> Claim[Row]:
    """Take the lane's next due row, if the lane is still ours and its order allows one."""
    connection = connection_for(queue)
    names = lane_names(queue, connection)
    only, params = _OURS.format(**names), [lane.pk, lane.pk, lane.token]
    order = ""
    if queue.ordered:
        only, params = only + _FIRST.format(**names), [*params, lane.pk]
        order = names["row_pk"]
    return claim_rows(queue, limit=1, only=only, params=params, order=order)


def release_lane(queue: Queue[Any], lane: LaneClaim) -> None:
    """Give the lane back, unless somebody took it over."""
    ours = lane_model(queue)._base_manager.filter(pk=lane.pk, claim_token=lane.token)
    ours.update(lease_until=None, claim_token="")


def serve_lane(
    queue: Queue[Row], handle: Callable[[Claim[Row]], None], *, shift: Shift = ALONE
) -> bool:
    """Serve up to `queue.batch` rows of one lane; True when there was one.

    A row is begun only while its whole deadline still fits into the lane's lease.
    """
    lane = claim_lane(queue)
    if lane is None:
        return False
    shift.call_for_help()
    served = 0
    try:
        while served < queue.batch and _may_go_on(queue, lane, shift=shift, served=served):
            claim = claim_next(queue, lane)
            if not claim.rows:
                break
            handle(claim)
            served += 1
    finally:
        release_lane(queue, lane)
    return served > 0


def _may_go_on(queue: Queue[Any], lane: LaneClaim, *, shift: Shift, served: int) -> bool:
    needed = queue.deadline_seconds if served else 0.0
    return not shift.is_over() and time.monotonic() + needed < lane.lease_end


def _suffix(connection: BaseDatabaseWrapper, names: dict[str, str]) -> str:
    # Lock the lane alone: rows of the subquery belong to whoever adds work.
    return locked_suffix(connection).replace("UPDATE", f"UPDATE OF {names['lanes']}")


def lane_names(queue: Queue[Any], connection: BaseDatabaseWrapper) -> dict[str, str]:
    """The quoted names and SQL texts of which statements about a queue's lanes are made."""
    quote = connection.ops.quote_name
    lanes = quote(lane_model(queue)._meta.db_table)
    rows = quote(queue.model._meta.db_table)
    lane = quote(_lane_field(queue).column)
    lane_pk = pk_column(lane_model(queue), connection)
    in_lane, order = _in_lane(connection, f"{rows}.{lane}", f"{lanes}.{lane_pk}")
    return {
        "rows": rows,
        "row_pk": pk_column(queue.model, connection),
        "lane": lane,
        "lanes": lanes,
        "lane_pk": lane_pk,
        "in_lane": in_lane,
        "lane_order": f"{order}{rows}.next_attempt_at",
        "now": now_sql(connection),
    }


def _in_lane(connection: BaseDatabaseWrapper, lane: str, wanted: str) -> tuple[str, str]:
    """A condition and the beginning of an order that only the lane index serves.

    PostgreSQL knows that a column compared by `=` is constant, drops it from the order, and may
    then read the whole due index for the rows of a quiet lane. A range says the same unnoticed.
    """
    if connection.vendor != "postgresql":
        return f"{lane} = {wanted}", ""
    return f"{lane} >= {wanted} AND {lane} <= {wanted}", f"{lane}, "
