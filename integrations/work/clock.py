"""Time as the database tells it: lease arithmetic never trusts a machine's own clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now

# SQLite's clock ticks in milliseconds and Python's in microseconds: one tick more, or a row that
# was stored in this millisecond would not be due yet.
_SQLITE_TICK = 0.001


def now_sql(connection: BaseDatabaseWrapper) -> str:
    """SQL for the current instant, for statements that carry parameters."""
    return later_sql(connection, seconds=0)


def later_sql(connection: BaseDatabaseWrapper, *, seconds: float) -> str:
    """SQL for the instant `seconds` from now, for statements that carry parameters.

    On PostgreSQL counted from the statement's start, not by `clock_timestamp()`: a volatile
    function can't be an index condition, and the claim would then read every due row. On SQLite
    the text form in which Django stores a datetime (UTC), so that the two compare as text.
    """
    if connection.vendor == "postgresql":
        return f"(STATEMENT_TIMESTAMP() + INTERVAL '{float(seconds):.3f} seconds')"
    return f"STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', '{seconds + _SQLITE_TICK:+.3f} seconds')"


def database_now(using: str = DEFAULT_DB_ALIAS) -> datetime:
    """The current instant by the database's clock, aware; one query."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {now_sql(connection)}", [])
        (now,) = cursor.fetchone()
    return now if isinstance(now, datetime) else datetime.fromisoformat(now).replace(tzinfo=UTC)


def now() -> Any:
    """The current instant as a Django expression that no row stored before now comes after.

    Rows whose time Python set have microseconds, which SQLite's clock would be behind.
    """
    return later(_SQLITE_TICK)


def later(seconds: float) -> Any:
    """The same instant as a Django expression, for `update()` and `create()`."""
    return Now() + timedelta(seconds=seconds)
