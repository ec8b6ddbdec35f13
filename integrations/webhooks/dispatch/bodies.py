"""Messages by their keys: one fetch for many endpoints, and memory that stays bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from integrations.models import WebhookMessage
from integrations.webhooks.dispatch.records import Message

# Bytes of bodies that are remembered for the next endpoint.
REMEMBERED = 16 * 1024 * 1024
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
    quote = connection.ops.quote_name
    table = quote(WebhookMessage._meta.db_table)
    if connection.vendor == "postgresql":
        where, params = "id = ANY(%s)", [pks]
    else:
        where, params = f"id IN ({', '.join(['%s'] * len(pks))})", pks
    sql = f"SELECT id, event_id, event_type, occurred_at, body FROM {table} WHERE {where}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [(row[0], _message(*row[1:])) for row in cursor.fetchall()]


def _message(event_id: Any, event_type: str, occurred_at: Any, body: Any) -> Message:
    hexadecimal = event_id if isinstance(event_id, str) else event_id.hex
    return Message(
        f"msg_{hexadecimal}", event_type, as_utc(occurred_at), None if body is None else bytes(body)
    )


def as_utc(value: Any) -> datetime:
    """A column's instant as a driver brings it: SQLite has text in UTC."""
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value).replace(tzinfo=UTC)
