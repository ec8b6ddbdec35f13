"""libcurl's multi handle on epoll: many transfers in one thread, and idle ones cost nothing."""

from __future__ import annotations

import os
import select
import threading
import time
from contextlib import suppress
from typing import Any

import pycurl

from integrations.webhooks.handles import Handle

# Linux; elsewhere poll() costs more with many transfers, and its constants are the same.
_IN, _OUT, _BAD = select.POLLIN, select.POLLOUT, select.POLLERR | select.POLLHUP
_IS_EPOLL = hasattr(select, "epoll")
_PER_ROUND = 1000
# Sockets that are served before the caller gets its turn: answers come to it in a stream, so that
# it can store some while others are under way.
_SOCKETS = 32


class Reactor:
    """Runs transfers. `keep` bounds the idle connections. For one thread, but for `ring`."""

    def __init__(self, keep: int) -> None:
        self._poller: Any = select.epoll() if _IS_EPOLL else select.poll()
        self._watched: dict[int, int] = {}
        self._due: float | None = None
        self._bell, self._button = os.pipe()
        self._closing = threading.Lock()
        self._is_closed = False
        for end in (self._bell, self._button):
            os.set_blocking(end, False)
        self._poller.register(self._bell, _IN)
        self.running: set[Handle] = set()
        self._multi: Any = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, keep)
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)

    def ring(self) -> None:
        """End a wait in `run`; from any thread."""
        # A descriptor that was closed may be somebody else's by now.
        with self._closing, suppress(BlockingIOError):
            if not self._is_closed:
                os.write(self._button, b"\0")

    def start(self, handle: Handle) -> None:
        """Begin a loaded handle's transfer."""
        self._multi.add_handle(handle.curl)
        self.running.add(handle)

    def run(self, seconds: float) -> list[tuple[Handle, int, str]]:
        """Move all transfers on, waiting at most so long for something to happen.

        Returns what ended: handle, libcurl's error code (0 for none) and its text.
        """
        now = time.monotonic()
        wait = max(min(seconds, seconds if self._due is None else self._due - now), 0.0)
        for fd, events in self._ready(wait):
            if fd == self._bell:
                self._hush()
                continue
            mask = (pycurl.CSELECT_IN if events & (_IN | _BAD) else 0) | (
                pycurl.CSELECT_OUT if events & _OUT else 0
            )
            self._multi.socket_action(fd, mask)
        if self._due is not None and self._due <= time.monotonic():
            self._due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        return self._reap()

    def _ready(self, wait: float) -> list[tuple[int, int]]:
        if _IS_EPOLL:
            return list(self._poller.poll(wait, _SOCKETS))
        return list(self._poller.poll(wait * 1000))

    def _hush(self) -> None:
        with suppress(OSError):
            while os.read(self._bell, 4096):
                pass

    def _reap(self) -> list[tuple[Handle, int, str]]:
        ended: list[tuple[Handle, int, str]] = []
        left = 1
        while left:
            left, good, bad = self._multi.info_read(_PER_ROUND)
            ended += [(curl.handle, 0, "") for curl in good]
            ended += [(curl.handle, code, text) for curl, code, text in bad]
        for handle, _, _ in ended:
            self._multi.remove_handle(handle.curl)
            self.running.discard(handle)
        return ended

    def close(self) -> None:
        """Break off what is running and close all connections."""
        for handle in self.running:
            self._multi.remove_handle(handle.curl)
            handle.close()
        self.running.clear()
        self._multi.close()
        if _IS_EPOLL:
            self._poller.close()
        with self._closing:
            self._is_closed = True
            os.close(self._bell)
            os.close(self._button)

    # --- called by libcurl; nothing may be raised here ---------------------------------------

    def _watch(self, event: int, fd: int, multi: Any, data: Any) -> None:
        if event == pycurl.POLL_REMOVE:
            if self._watched.pop(fd, None) is not None:
                with suppress(OSError, KeyError):  # closed already
                    self._poller.unregister(fd)
            return
        mask = (_IN if event & pycurl.POLL_IN else 0) | (_OUT if event & pycurl.POLL_OUT else 0)
        former = self._watched.get(fd)
        if former == mask:
            return
        self._watched[fd] = mask
        try:
            (self._poller.register if former is None else self._poller.modify)(fd, mask)
        except FileExistsError:
            self._poller.modify(fd, mask)
        except FileNotFoundError:
            self._poller.register(fd, mask)

    def _set_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000
