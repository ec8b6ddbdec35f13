"""What a dispatcher takes from the database: lanes, their endpoints, their due rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Case, F, When

from integrations import work
from integrations.models import WebhookEndpoint, WebhookEvent, WebhookLane
from integrations.webhooks.dispatch.bodies import Bodies
from integrations.webhooks.dispatch.commit import repeatable
from integrations.webhooks.dispatch.records import Delivery
from integrations.webhooks.dispatch.track import MOST_WANTED
from integrations.work.claim import Taken, claim_picked, locked_suffix, new_token
from integrations.work.lanes import claim_lanes, lane_names, renew_lanes

COLUMNS = ("id", "endpoint_id", "message_id", "attempts", "is_manual")
_CREATED = {
    "postgresql": "EXTRACT(EPOCH FROM created_at)::float8",
    "sqlite": "(julianday(created_at) - 2440587.5) * 86400.0",
}

# Whoever makes an endpoint need not know of lanes; this looks for new ones so often, in seconds.
MAKING_SECONDS = 1.0
RETRY_SECONDS = 0.5
_SENDABLE = (
    "AND ({lanes}.open_until IS NULL OR {lanes}.open_until <= {now}) "
    "AND ({lanes}.next_send_at IS NULL OR {lanes}.next_send_at <= {now}) "
    "AND EXISTS (SELECT 1 FROM {endpoints} e WHERE e.id = {lanes}.{lane_pk} "
    "AND e.is_active AND NOT e.is_paused)"
)
# A pair may only be compared as a whole: see `lanes._in_lane`. The inner limit is a number, not a
# column: one of unknown size PostgreSQL takes for a tenth of the lane, which it then sorts.
_PICK_POSTGRESQL = """
    SELECT taken.id FROM unnest(%s::bigint[], %s::int[]) AS wanted(lane, many)
    CROSS JOIN LATERAL (
        SELECT id FROM (
            SELECT id FROM {rows}
            WHERE {lane} >= wanted.lane AND ({lane}, next_attempt_at) <= (wanted.lane, {now})
                AND next_attempt_at IS NOT NULL
            ORDER BY {lane}, next_attempt_at LIMIT {most} FOR UPDATE SKIP LOCKED
        ) AS due LIMIT wanted.many
    ) AS taken
"""
_PICK_SQLITE = """
    SELECT id FROM {rows} WHERE {lane} = %s AND next_attempt_at <= {now}
    ORDER BY next_attempt_at LIMIT %s
"""
# The oldest rows as long as all are due: one that waits for its retry holds back those behind it.
_PICK_ORDERED = """
    SELECT id FROM {rows} WHERE {lane} = %s AND next_attempt_at <= {now}
        AND id < COALESCE(
            (SELECT MIN(late.id) FROM {rows} late
            WHERE late.{lane} = %s AND late.next_attempt_at > {now}), 9223372036854775807)
    ORDER BY id LIMIT %s{suffix}
"""
# On SQLite a claim takes the only write lock, also where it finds nothing; a look does not.
_LANES_WITH_DUE = (
    "SELECT {lane_pk} FROM {lanes} WHERE {lane_pk} IN ({marks}) AND EXISTS "
    "(SELECT 1 FROM {rows} WHERE {rows}.{lane} = {lanes}.{lane_pk} AND next_attempt_at <= {now})"
)
_WITHOUT_LANE = (
    "FROM {endpoints} e WHERE NOT EXISTS (SELECT 1 FROM {lanes} WHERE {lanes}.endpoint_id = e.id)"
)
_IS_ANY_WITHOUT_LANE = f"SELECT 1 {_WITHOUT_LANE} LIMIT 1"
_MISSING_LANES = (
    "INSERT INTO {lanes} (endpoint_id, key, claim_token, consecutive_failures, times_opened, "
    f"last_error) SELECT e.id, 'endpoint-' || e.id, '', 0, 0, '' {_WITHOUT_LANE} "
    "ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Held:
    """A lane that was taken, and what its row says of the breaker."""

    endpoint: WebhookEndpoint
    lease_end: float
    times_opened: int


@dataclass(frozen=True, slots=True)
class Wish:
    """How many rows of a lane are wanted."""

    endpoint_id: int
    many: int
    is_ordered: bool


class Intake:
    """Statements of one dispatcher, whose lanes all carry `token`."""

    def __init__(self, queue: work.Queue[Any], connection: BaseDatabaseWrapper) -> None:
        self.queue = queue
        self.connection = connection
        self.token = new_token()
        self._bodies = Bodies()
        self._made_at = float("-inf")
        names = lane_names(queue, connection)
        names["endpoints"] = connection.ops.quote_name(WebhookEndpoint._meta.db_table)
        names["suffix"] = locked_suffix(connection)
        names["most"] = str(MOST_WANTED)
        self._names = names
        self._sendable = _SENDABLE.format(**names)
        self._ordered = _PICK_ORDERED.format(**names)
        self._unordered = (
            _PICK_POSTGRESQL if connection.vendor == "postgresql" else _PICK_SQLITE
        ).format(**names)
        self._is_any_without_lane = _IS_ANY_WITHOUT_LANE.format(**names)
        self._missing_lanes = _MISSING_LANES.format(**names)

    def take(self, limit: int) -> list[Held]:
        """Take free lanes; where they leave room, also those of endpoints that had none."""
        held = self.lanes(limit)
        return held if len(held) >= limit else held + self.new_lanes(limit - len(held))

    def lanes(self, limit: int) -> list[Held]:
        """Take free lanes that have something due and may be sent to."""
        taken = claim_lanes(self.queue, limit=limit, only=self._sendable, token=self.token)
        if not taken:
            return []
        ends = {lane.pk: lane.lease_end for lane in taken}
        rows = WebhookLane.objects.filter(pk__in=list(ends)).select_related("endpoint")
        return [Held(row.endpoint, ends[row.pk], row.times_opened) for row in rows]

    def new_lanes(self, limit: int) -> list[Held]:
        """Give a lane to endpoints that have none, at most once a second; take those lanes."""
        now = time.monotonic()
        if now - self._made_at < MAKING_SECONDS or not work.has_due_rows(self.queue):
            return []
        self._made_at = now
        with self.connection.cursor() as cursor:
            cursor.execute(self._is_any_without_lane)
            if cursor.fetchone() is None:
                return []
            cursor.execute(self._missing_lanes)
        return self.lanes(limit)

    def rows(self, wishes: Sequence[Wish]) -> list[Delivery]:
        """Take due rows of the held lanes, the longest due first, with their messages."""
        if self.connection.vendor == "sqlite":
            wishes = self._worth_claiming(wishes)
            if not wishes:
                return []
        token = new_token()
        taken: list[Taken] = []
        plain = [wish for wish in wishes if not wish.is_ordered]
        ordered = [wish for wish in wishes if wish.is_ordered]
        # One commit for all.
        with repeatable(self.connection):
            if plain and self.connection.vendor == "postgresql":
                lanes = [wish.endpoint_id for wish in plain]
                taken.append(self._claim(self._unordered, [lanes, [w.many for w in plain]], token))
            elif plain:
                taken += [
                    self._claim(self._unordered, [wish.endpoint_id, wish.many], token)
                    for wish in plain
                ]
            taken += [
                self._claim(self._ordered, [wish.endpoint_id, wish.endpoint_id, wish.many], token)
                for wish in ordered
            ]
        return self._deliveries(taken)

    def _worth_claiming(self, wishes: Sequence[Wish]) -> list[Wish]:
        marks = ", ".join(["%s"] * len(wishes))
        with self.connection.cursor() as cursor:
            cursor.execute(
                _LANES_WITH_DUE.format(**self._names, marks=marks),
                [wish.endpoint_id for wish in wishes],
            )
            due = {pk for (pk,) in cursor.fetchall()}
        return [wish for wish in wishes if wish.endpoint_id in due]

    def _claim(self, picked: str, params: list[Any], token: str) -> Taken:
        columns = (*COLUMNS, _CREATED[self.connection.vendor])
        return claim_picked(self.queue, picked, params, columns=columns, token=token)

    def _deliveries(self, taken: Sequence[Taken]) -> list[Delivery]:
        wanted = {row[2] for claim in taken for row in claim.rows}
        try:
            messages = self._bodies.fetch(wanted, self.connection)
        except DatabaseError:
            # The claim is committed: without this they would wait for the end of their lease.
            self.connection.close_if_unusable_or_obsolete()
            time.sleep(RETRY_SECONDS)
            messages = self._bodies.fetch(wanted, self.connection)
        return [
            Delivery(
                pk, lane, attempts, bool(manual), made, messages.get(message),
                claim.token, claim.lease_end,
            )
            for claim in taken
            for pk, lane, message, attempts, manual, made in sorted(claim.rows)
        ]  # fmt: skip

    def renew(self, endpoint_ids: Sequence[int]) -> tuple[set[int], float]:
        """Lengthen the lanes' leases; those that are still ours, and the new end."""
        return renew_lanes(self.queue, endpoint_ids, token=self.token)

    def changed(
        self, known: Mapping[int, datetime | None]
    ) -> tuple[set[int], list[WebhookEndpoint]]:
        """Of endpoints and when each was changed: those not to be sent to now, and the changed."""
        rows = WebhookEndpoint.objects.filter(pk__in=list(known), is_active=True, is_paused=False)
        found = dict(rows.values_list("pk", "updated_at"))
        changed = [pk for pk, at in found.items() if at != known[pk]]
        fresh = list(WebhookEndpoint.objects.filter(pk__in=changed)) if changed else []
        return set(known) - set(found), fresh

    def give_back(self, rows: Sequence[Delivery]) -> None:
        """Make rows due that were not sent, as if they had never been claimed.

        The claim overwrote since when each was due: of one that was never tried its creation
        tells, and it keeps its place before younger ones; any other is due now.
        """
        was_due = Case(When(attempts=0, then=F("created_at")), default=work.later(0))
        tokens: dict[str, list[int]] = {}
        for row in rows:
            tokens.setdefault(row.token, []).append(row.id)
        for token, pks in tokens.items():
            ours = WebhookEvent.objects.filter(pk__in=pks, claim_token=token)
            ours.update(
                work_state=work.WorkState.DUE,
                next_attempt_at=was_due,
                lease_until=None,
                claim_token="",
            )
