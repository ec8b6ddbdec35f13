"""No thread is inside SQLite at the moment of a fork.

SQLite's own mutexes live in C, where a child can't let go of what a thread of its parent held
(sqlite.org, "How To Corrupt An SQLite Database File", 2.6): a fork beside busy SQLite may stop
the child for ever, whatever Python does. Our locks are what the storm is after.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db.backends.sqlite3 import base

_ENTERED = {
    base.SQLiteCursorWrapper: ("execute", "executemany", "fetchone", "fetchmany", "fetchall"),
    base.DatabaseWrapper: ("get_new_connection", "_commit", "_rollback", "_close"),
}
_nobody = threading.Condition()
_inside = 0
_mine = threading.local()


def install() -> None:
    """Watch every way into SQLite from here on, and have forks wait until nobody is inside."""
    for owner, names in _ENTERED.items():
        for name in names:
            setattr(owner, name, _watched(getattr(owner, name)))
    os.register_at_fork(before=_shut, after_in_parent=_open, after_in_child=_open)


def _watched(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def enter(*args: Any, **kwargs: Any) -> Any:
        global _inside
        depth = getattr(_mine, "depth", 0)
        _mine.depth = depth + 1
        if depth == 0:
            with _nobody:
                _inside += 1
        try:
            return function(*args, **kwargs)
        finally:
            _mine.depth = depth
            if depth == 0:
                with _nobody:
                    _inside -= 1
                    _nobody.notify_all()

    return enter


def _shut() -> None:
    # Who is inside may wait for somebody that is not: new ones are let in until nobody is left.
    _nobody.acquire()
    _nobody.wait_for(lambda: _inside == 0)


def _open() -> None:
    _nobody.release()
