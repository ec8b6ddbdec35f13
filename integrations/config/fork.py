"""What a child process must not use of its parent: open database connections."""

from __future__ import annotations

import os
from typing import Any

from django.db import connections

# Kept for ever and never closed: closing would end the parent's session on the same socket.
_inherited: list[Any] = []


def leave_connections() -> None:
    """Have this thread's next query open a connection of its own."""
    for connection in connections.all(initialized_only=True):
        # A database in memory exists in this process as well, and nowhere else.
        is_in_memory = getattr(connection, "is_in_memory_db", None)
        if connection.connection is None or (is_in_memory and is_in_memory()):
            continue
        _inherited.append(connection.connection)
        connection.connection = None


os.register_at_fork(after_in_child=leave_connections)
