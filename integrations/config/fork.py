"""What a child process must not use of its parent: open connections, and locks in their pools."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

from django.core.cache import caches
from django.db import connections

# Kept for ever and never closed: closing would end the parent's session on the same socket.
_inherited: list[Any] = []
# Where cache backends keep what outlives their objects: pools of connections, and locks that a
# thread of the parent may have held. redis-py itself would wait for such a lock, for ever.
_PROCESS_WIDE = (
    ("django_redis.pool", "ConnectionFactory", "_pools"),
    ("django.core.cache.backends.locmem", "_locks"),
)


def leave_databases() -> None:
    """Have this thread's next query open a connection of its own."""
    for connection in connections.all(initialized_only=True):
        # A database in memory exists in this process as well, and nowhere else.
        is_in_memory = getattr(connection, "is_in_memory_db", None)
        if connection.connection is None or (is_in_memory and is_in_memory()):
            continue
        _inherited.append(connection.connection)
        connection.connection = None


def leave_caches() -> None:
    """Have this thread's next use of a cache make a backend, pool and lock of its own."""
    _inherited.extend(caches.all(initialized_only=True))
    for alias in caches:
        with suppress(AttributeError):  # not in use
            del caches[alias]
    for module, *path in _PROCESS_WIDE:
        kept: Any = sys.modules.get(module)
        for name in path:
            kept = getattr(kept, name, None)
        if kept:
            _inherited.append(dict(kept))
            kept.clear()


os.register_at_fork(after_in_child=leave_databases)
os.register_at_fork(after_in_child=leave_caches)
