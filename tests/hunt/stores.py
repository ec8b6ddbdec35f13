"""What lies in the database, the cache and the mail box at the end of a test."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core import mail
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.db import DatabaseError, connection

from tests.hunt.spool import spool

# Tables of the tests' own models for queues: up to thousands of rows, no column for a secret.
_WITHOUT_SECRETS = "work_tests_"


def note_rows(tables: Iterable[str]) -> None:
    """Keep every row of these tables."""
    with connection.cursor() as cursor:
        for table in tables:
            if not table.startswith(_WITHOUT_SECRETS):
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                spool.note("database", repr(cursor.fetchall()), where=table)


def note_database_file() -> None:
    """Keep SQLite's file and log as they are on disk, with what was deleted or overwritten."""
    if connection.vendor != "sqlite":
        return
    name = Path(str(connection.settings_dict["NAME"]))
    for file in (name, *name.parent.glob(f"{name.name}-*")):
        if file.exists():
            spool.note("database file", file.read_bytes(), where=file.name)


def note_cache() -> None:
    """Keep what lies in the cache, keys and values, as the server has them."""
    backend: Any = caches["default"]
    if isinstance(backend, LocMemCache):
        for name, value in backend._cache.items():
            spool.note("cache", name.encode() + b"\n" + value, where=name)
        return
    server = backend.client.get_client()
    for name in server.scan_iter(match=f"*{backend.key_prefix}*", count=1000):
        spool.note("cache", name + b"\n" + repr(_value(server, name)).encode(), where=name.decode())


def _value(server: Any, name: bytes) -> Any:
    readers = {
        b"string": server.get,
        b"hash": server.hgetall,
        b"set": server.smembers,
        b"list": lambda key: server.lrange(key, 0, -1),
        b"zset": lambda key: server.zrange(key, 0, -1, withscores=True),
    }
    read = readers.get(server.type(name))
    return read(name) if read else None


def note_mails() -> None:
    """Keep every mail that was sent."""
    for message in getattr(mail, "outbox", []):
        spool.note("mail", message.message().as_string(), where=message.subject)


def note_open_transaction(tables: Any) -> None:
    """Keep the rows of a test that is rolled back, unless its transaction is broken."""
    if connection.connection is None or connection.needs_rollback:
        return
    try:
        note_rows(tables())
    except DatabaseError:
        return
