"""Sockets that know the deadline of the call they serve.

The usual timeouts count per read: a peer that drips bytes can hold a call for ever (webhooks
reference, section 6.4). Here every single wait is bounded by the time that the whole call has
left, so the total is total, whatever the layers above do.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Exchange:
    """One HTTP exchange under way: its bounds, and whether its first byte may have left.

    `deadline` is an instant of `time.monotonic()`; `connect` and `read` are seconds.
    """

    deadline: float
    connect: float
    read: float
    is_sent: bool = False

    def time_left(self) -> float:
        """Seconds until the deadline; raises TimeoutError when it has passed."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the call's deadline has passed")
        return left


_current: ContextVar[Exchange | None] = ContextVar("integrations_outbound_exchange", default=None)


def current() -> Exchange | None:
    """The exchange that this thread carries out now."""
    return _current.get()


@contextmanager
def serving(exchange: Exchange) -> Iterator[None]:
    """Bind all socket waits inside the block to `exchange`."""
    reset = _current.set(exchange)
    try:
        yield
    finally:
        _current.reset(reset)


def _arm(sock: socket.socket) -> None:
    exchange = _current.get()
    if exchange is not None:
        sock.settimeout(min(exchange.read, exchange.time_left()))


class DeadlineSocket(socket.socket):
    """A TCP socket whose every wait ends with the call."""

    def recv(self, *args: Any) -> bytes:
        """As socket.recv; TimeoutError at the read limit or the deadline."""
        _arm(self)
        return super().recv(*args)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """As socket.recv_into; TimeoutError at the read limit or the deadline."""
        _arm(self)
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any) -> int:
        """As socket.send; TimeoutError at the read limit or the deadline."""
        _arm(self)
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        """As socket.sendall; TimeoutError at the read limit or the deadline."""
        _arm(self)
        super().sendall(*args)


class DeadlineTLSSocket(ssl.SSLSocket):
    """The same over TLS, its handshake included."""

    def do_handshake(self, block: bool = False) -> None:
        """As SSLSocket.do_handshake; bounded like a connect."""
        exchange = _current.get()
        if exchange is not None:
            self.settimeout(min(exchange.connect, exchange.time_left()))
        super().do_handshake(block)

    def recv(self, *args: Any) -> bytes:
        """As SSLSocket.recv; TimeoutError at the read limit or the deadline."""
        _arm(self)
        return super().recv(*args)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """As SSLSocket.recv_into; TimeoutError at the read limit or the deadline."""
        _arm(self)
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any) -> int:
        """As SSLSocket.send; TimeoutError at the read limit or the deadline.

        `sendall` is a loop over this.
        """
        _arm(self)
        return super().send(*args)
