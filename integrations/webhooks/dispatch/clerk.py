"""The dispatcher's database work, in a thread beside the one in which curl runs.

While the database stores one batch, the next is under way. The thread borrows the connection of
the one that made the clerk, which must not use it meanwhile: so it costs no connection.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

Job = Callable[[], Any]
Then = Callable[[Any, Exception | None], None]


class Clerk:
    """Does jobs one after another; `collect` hands their results over in the caller's thread.

    `wake` is called, in the clerk's thread, when one is done.
    """

    def __init__(self, connection: BaseDatabaseWrapper, wake: Callable[[], None]) -> None:
        self.connection = connection
        self._wake = wake
        self.pending = 0
        self._todo: SimpleQueue[tuple[Job, Then] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Then, Any, Exception | None]] = SimpleQueue()
        connection.inc_thread_sharing()
        self._thread = threading.Thread(target=self._run, name="webhooks-clerk", daemon=True)
        self._thread.start()

    def do(self, job: Job, then: Then) -> None:
        """Run `job` in the thread; later `then(result, error)` in this one, from `collect`."""
        self.pending += 1
        self._todo.put((job, then))

    def collect(self) -> None:
        """Hand over what is done."""
        while self.pending:
            try:
                then, result, error = self._done.get_nowait()
            except Empty:
                return
            self.pending -= 1
            then(result, error)

    def close(self) -> None:
        """End the thread after what it has to do; the connection is the caller's again."""
        self._todo.put(None)
        self._thread.join()
        self.connection.dec_thread_sharing()

    def _run(self) -> None:
        connections[self.connection.alias] = self.connection
        while (item := self._todo.get()) is not None:
            job, then = item
            result, problem = None, None
            try:
                result = job()
            except Exception as error:  # noqa: BLE001 - told to whoever asked for the job
                problem = error
                self.connection.close_if_unusable_or_obsolete()
            self._done.put((then, result, problem))
            self._wake()
