"""Processes that start together: children of the test's own, as a web server forks its workers."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any


class Herd:
    """Forked processes that wait for `release` and then all do `act(number)`.

    What `act` returns must fit into JSON; an exception comes back as its repr.
    """

    def __init__(self, count: int, act: Callable[[int], Any]) -> None:
        self.pids: list[int] = []
        self._answers: list[int] = []
        start, self._gate = os.pipe()
        for number in range(count):
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(self._gate)
                _work(start, writer, lambda number=number: act(number))
            os.close(writer)
            self.pids.append(pid)
            self._answers.append(reader)
        os.close(start)

    def release(self) -> float:
        """Let all begin; returns the moment, by `time.monotonic()`."""
        moment = time.monotonic()
        os.close(self._gate)
        return moment

    def ended(self) -> int:
        """How many have told their result."""
        return len(select.select(self._answers, [], [], 0)[0])

    def results(self, seconds: float = 20.0) -> list[Any]:
        """What each returned, in order; None for one that was killed."""
        end = time.monotonic() + seconds
        try:
            return [_read(reader, end) for reader in self._answers]
        finally:
            for pid, reader in zip(self.pids, self._answers, strict=True):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                os.close(reader)


def run(count: int, act: Callable[[int], Any]) -> list[Any]:
    """The results of `count` processes that begin together."""
    herd = Herd(count, act)
    herd.release()
    return herd.results()


def _work(start: int, writer: int, act: Callable[[], Any]) -> None:
    """The child's whole life."""
    logging.disable()
    try:
        os.read(start, 1)  # ends when the last copy of its other end is closed
        answer = act()
    except BaseException as error:
        answer = repr(error)
    os.write(writer, json.dumps(answer).encode())
    os._exit(0)


def _read(reader: int, end: float) -> Any:
    text = b""
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, end - time.monotonic()))
        assert ready, "a process did not end in time"
        part = os.read(reader, 65536)
        if not part:
            return json.loads(text) if text else None
        text += part
