"""Messages by their keys: one fetch for many endpoints, and memory that stays bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from integrations.models import WebhookMessage
from integrations.webhooks.dispatch.arrays import numbers
from integrations.webhooks.dispatch.records import Message

# Bytes of bodies that are remembered for the next endpoint.
REMEMBERED = 4 * 1024 * 1024
_OVERHEAD = 500


class Bodies:
    """The messages used last. Not for two threads."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._size = 0
        self._known: OrderedDict[int, Message] = OrderedDict()

    def fetch(self, pks: Collection[int], connection: BaseDatabaseWrapper) -> dict[int, Message]:
        """The messages of these keys, read where they are not known."""
        found: dict[int, Message] = {}
        missing: list[int] = []
        for pk in pks:
            message = self._known.get(pk)
            if message is None:
                missing.append(pk)
            else:
                found[pk] = message
                self._known.move_to_end(pk)
        if missing:
            for pk, message in _read(missing, connection):
                found[pk] = self._known[pk] = message
                self._size += message.size + _OVERHEAD
            self._shrink()
        return found

    def _shrink(self) -> None:
        while self._size > self._limit and self._known:
            _, message = self._known.popitem(last=False)
            self._size -= message.size + _OVERHEAD


def _read(pks: list[int], connection: BaseDatabaseWrapper) -> list[tuple[int, Message]]:
    table = connection.ops.quote_name(WebhookMessage._meta.db_table)
    if connection.vendor == "postgresql":
        return _read_on_postgresql(pks, table, connection)
    marks = ", ".join(["%s"] * len(pks))
    sql = f"SELECT id, event_id, event_type, occurred_at, body FROM {table} WHERE id IN ({marks})"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, pks)
        return [
            (pk, Message(f"msg_{event_id}", event_type, as_utc(occurred_at), _bytes(body)))
            for pk, event_id, event_type, occurred_at, body in cursor.fetchall()
        ]


def _read_on_postgresql(
    pks: list[int], table: str, connection: BaseDatabaseWrapper
) -> list[tuple[int, Message]]:
    """The driver's binary form of bytes, and instants as numbers: both are half the work."""
    from psycopg import Cursor  # only where this database is used

    sql = (
        "SELECT id, 'msg_' || replace(event_id::text, '-', ''), event_type, "  # noqa: S608
        f"EXTRACT(EPOCH FROM occurred_at)::float8, body FROM {table} WHERE id = ANY(%s::bigint[])"
    )
    connection.ensure_connection()
    # Outside its wrapper, so the wrapper would not hear of a broken connection.
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        cursor.execute(sql, [numbers(pks)], binary=True)
        return [
            (pk, Message(message_id, event_type, datetime.fromtimestamp(at, UTC), _bytes(body)))
            for pk, message_id, event_type, at, body in cursor.fetchall()
        ]


def _bytes(body: Any) -> bytes | None:
    return body if body is None or isinstance(body, bytes) else bytes(body)


def as_utc(value: Any) -> datetime:
    """A column's instant as a driver brings it: SQLite has text in UTC, and no zone in either."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
