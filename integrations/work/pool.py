"""One queue's threads inside a worker process, and what they do when the database is away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from django.db import Error as DatabaseError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from integrations.work.claim import safe_error
from integrations.work.shift import Shift

logger = logging.getLogger("integrations.work")

Turn = Callable[[Shift], bool]

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0


class Pool:
    """Up to `threads` threads that take turns until a turn finds nothing.

    One thread is enough to look; a thread that finds more than it can hold calls the next. After
    an error (the database is away) the pool rests, 0.5 s doubling up to 10 s, and says so once.
    """

    def __init__(self, name: str, *, threads: int, turn: Turn, stop: threading.Event) -> None:
        self.name = name
        self.turns = 0
        self.error: Exception | None = None
        self._threads = threads
        self._turn = turn
        self._stop = stop
        self._shift = Shift(call_for_help=self.poke, is_over=stop.is_set)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=f"work-{name}")
        self._changed = threading.Condition()
        self._active = 0
        self._failures = 0
        self._resume_at = 0.0
        self._connections: set[BaseDatabaseWrapper] = set()

    def poke(self) -> None:
        """Start one more thread, unless all are busy, the pool rests or the worker stops."""
        with self._changed:
            if self._stop.is_set() or self._active >= self._threads:
                return
            if monotonic() < self._resume_at:
                return
            self._active += 1
            self._executor.submit(self._run)

    def wait_until_idle(self) -> None:
        """Block until no thread is at work."""
        with self._changed:
            self._changed.wait_for(lambda: self._active == 0)

    def close(self) -> None:
        """Wait for the threads and close their database connections. The worker has stopped."""
        self._executor.shutdown(wait=True)
        for connection in self._connections:
            # Its thread is gone, and only a shared connection may be closed from another.
            connection.inc_thread_sharing()
            connection.close()

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and self._turn(self._shift):
                self._note_turn()
            self._note_answer()
        except Exception as error:  # noqa: BLE001  (logged below, and only once per outage)
            connections.close_all()
            self._note_failure(error)
        finally:
            with self._changed:
                self._connections.update(connections.all(initialized_only=True))
                self._active -= 1
                self._changed.notify_all()

    def _note_turn(self) -> None:
        with self._changed:
            self.turns += 1

    def _note_answer(self) -> None:
        with self._changed:
            was_failing, self.error = self.error is not None, None
            self._failures, self._resume_at = 0, 0.0
        if was_failing:
            logger.info("%s: at work again", self.name)

    def _note_failure(self, error: Exception) -> None:
        with self._changed:
            is_first, self.error = self.error is None, error
            pause = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
            self._failures = min(self._failures + 1, 10)
            self._resume_at = monotonic() + pause
        if not is_first:
            return
        # A database that is away needs no traceback, anything else is a defect.
        trace = None if isinstance(error, DatabaseError) else error
        logger.error("%s: stopped, trying again: %s", self.name, safe_error(error), exc_info=trace)
