"""What a test can do to a running child process without killing it: fill its disk, move its clock,
hold a request of it.

A lever is a file. Nothing of the product knows about it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import time_machine
from django.db.backends.signals import connection_created

FULL = "disk-is-full"
LOOK_SECONDS = 0.02


def install(folder: Path, *, name: str) -> None:
    """Obey the levers in `folder` from now on; `name` is this process's."""
    full = folder / FULL

    def obey(connection: Any, **_rest: Any) -> None:
        if connection.vendor == "sqlite":
            # The wrappers outlive a connection.
            others = [each for each in connection.execute_wrappers if not isinstance(each, _Disk)]
            connection.execute_wrappers[:] = [*others, _Disk(full, connection)]

    connection_created.connect(obey, weak=False, dispatch_uid="chaos.disk")
    clock = folder / f"{name}.clock"
    if clock.exists():
        _follow(clock)
    hold = folder / f"{name}.hold"
    if hold.exists():
        _hold(hold)


class _Disk:
    """Lets the database file grow no further while the lever is there.

    `max_page_count` holds for one connection, so each one looks before every statement. A limit
    below the present size means the present size.
    """

    def __init__(self, lever: Path, connection: Any) -> None:
        self._lever, self._connection = lever, connection
        self._usual: int = self._pragma("max_page_count")
        self._is_full = False

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        is_full = self._lever.exists()
        if is_full != self._is_full:
            self._pragma(f"max_page_count = {1 if is_full else self._usual}")
            self._is_full = is_full
        return execute(*arguments)

    def _pragma(self, text: str) -> int:
        return int(self._connection.connection.execute(f"PRAGMA {text}").fetchone()[0])


def _follow(clock: Path) -> None:
    """Keep this process's wall clock as many seconds off as the file says.

    The monotonic clock goes on undisturbed, as it does when a real clock is set.
    """
    traveller = time_machine.travel(datetime.now(UTC), tick=True).start()
    offset = 0.0

    def follow() -> None:
        nonlocal offset
        while True:
            with contextlib.suppress(OSError, ValueError):
                wanted = float(clock.read_text())
                if wanted != offset:
                    traveller.shift(wanted - offset)
                    offset = wanted
            time.sleep(LOOK_SECONDS)

    threading.Thread(target=follow, name="chaos-clock", daemon=True).start()


def _hold(lever: Path) -> None:
    """Hold one request when its last byte has left, until `released` is there: nobody has to hit
    the moment. The lever says what its address holds; `held` tells that it is there.
    """
    word, held = lever.read_text(), lever.with_suffix(".held")
    released = lever.with_suffix(".released")
    begin, read = HTTPConnection.putrequest, HTTPConnection.getresponse
    addresses: dict[HTTPConnection, str] = {}

    def putrequest(self: HTTPConnection, method: str, url: str, *rest: Any, **more: Any) -> None:
        addresses[self] = url
        begin(self, method, url, *rest, **more)

    def getresponse(self: HTTPConnection) -> Any:
        if word in addresses.pop(self, "") and not held.exists():
            held.touch()
            while not released.exists():
                time.sleep(LOOK_SECONDS)
        return read(self)

    HTTPConnection.putrequest = putrequest  # type: ignore[method-assign]
    HTTPConnection.getresponse = getresponse  # type: ignore[method-assign]
