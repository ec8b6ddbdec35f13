"""The sandbox's time: a clock that tests can move, and tasks that wait on it."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

logger = logging.getLogger(__name__)


@dataclass(order=True, slots=True)
class _Task:
    due: float
    order: int
    run: Callable[[], object] = field(compare=False)
    scale: float = field(compare=False)


class Timetable:
    """Runs tasks when they are due, each in a thread of its own.

    `speed` multiplies provider seconds into real ones. Advancing the clock by n seconds also
    brings every waiting task n provider seconds nearer.
    """

    def __init__(self, *, speed: float = 1.0) -> None:
        self.speed = speed
        self._offset = 0.0
        self._tasks: list[_Task] = []
        self._order = itertools.count()
        self._running = 0
        self._is_stopped = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._loop, name="sandbox-timetable", daemon=True)

    def start(self) -> None:
        """Begin to run tasks."""
        self._thread.start()

    def stop(self) -> None:
        """Drop what waits and end the thread."""
        with self._changed:
            self._is_stopped = True
            self._tasks.clear()
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(5)

    def now(self) -> datetime:
        """The sandbox's time, aware."""
        return datetime.now(UTC) + timedelta(seconds=self._offset)

    def advance(self, seconds: float) -> None:
        """Move the clock; forwards also hastens waiting tasks."""
        with self._changed:
            self._offset += seconds
            if seconds > 0:
                for task in self._tasks:
                    task.due -= seconds * task.scale
                heapq.heapify(self._tasks)
            self._changed.notify_all()

    def later(self, seconds: float, run: Callable[[], object], *, scaled: bool = True) -> None:
        """Run the task after so many provider seconds (real ones where not scaled)."""
        scale = self.speed if scaled else 1.0
        task = _Task(_ticks() + seconds * scale, next(self._order), run, scale)
        with self._changed:
            if not self._is_stopped:
                heapq.heappush(self._tasks, task)
            self._changed.notify_all()

    def clear(self, *, timeout: float = 5.0) -> None:
        """Drop waiting tasks, let running ones end, and set the clock right again."""
        with self._changed:
            self._tasks.clear()
            self._offset = 0.0
            self._changed.wait_for(lambda: self._running == 0, timeout)

    def settle(self, timeout: float) -> bool:
        """Wait until nothing waits and nothing runs; False when the time is up before."""
        with self._changed:
            return self._changed.wait_for(lambda: not (self._running or self._tasks), timeout)

    def _loop(self) -> None:
        with self._changed:
            while not self._is_stopped:
                wait = self._tasks[0].due - _ticks() if self._tasks else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                task = heapq.heappop(self._tasks)
                self._running += 1
                threading.Thread(target=self._run, args=(task,), daemon=True).start()

    def _run(self, task: _Task) -> None:
        try:
            task.run()
        except Exception:
            logger.exception("A sandbox task failed")
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()


def _ticks() -> float:
    # perf_counter, because tests that travel in time move the other clocks of this process.
    return time.perf_counter()
