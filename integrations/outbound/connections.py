"""HTTP connections that go only to vetted addresses, and say whether a request left."""

from __future__ import annotations

import functools
import socket
import ssl
import time
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from integrations.exceptions import TransportError
from integrations.outbound import sockets
from integrations.outbound.guard import vetted_addresses
from integrations.outbound.resolver import Address, lookup

LOOKUP_SECONDS = 3.0


def _dial(address: Address, timeout: float) -> socket.socket:
    sock = sockets.DeadlineSocket(address.family, address.kind, address.protocol)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(timeout)
        sock.connect(address.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


def _dial_any(addresses: list[Address], exchange: sockets.Exchange) -> socket.socket:
    """A connection to the first address that answers; each gets a fair part of the time."""
    until = time.monotonic() + exchange.connect
    for position, address in enumerate(addresses):
        share = (until - time.monotonic()) / (len(addresses) - position)
        try:
            return _dial(address, max(min(share, exchange.time_left()), 0.001))
        except OSError:
            continue
    raise TransportError("The provider did not accept a connection.", sent=False, code="connect")


def _unsent(error: Exception, *, is_tls: bool) -> TransportError:
    """What a failure to connect means; our own haste is not held against the provider."""
    exchange = sockets.current()
    if isinstance(error, TransportError) and error.code == "blocked_address":
        return error
    if exchange is not None and time.monotonic() >= exchange.deadline:
        return TransportError(
            "The provider was not called: the time was over.", sent=False, code="timeout"
        )
    if isinstance(error, TransportError):
        return error
    return TransportError(
        "No trusted connection to the provider could be made.",
        sent=False,
        code="tls" if is_tls else "connect",
    )


class _Guarded:
    """What both schemes share; mixed in before urllib3's class."""

    # Set on the pool's own subclass, see pool.py.
    max_idle: float = 20.0
    _last_used: float = 0.0
    _is_connecting: bool = False

    @property
    def is_connected(self) -> bool:
        """False also for a connection that was idle for too long.

        A peer may be closing it just now, and a payment lost in that race would be "unknown".
        """
        if time.monotonic() - self._last_used > self.max_idle:
            return False
        return bool(super().is_connected)  # type: ignore[misc]

    def _new_conn(self: Any) -> socket.socket:
        exchange = sockets.current()
        if exchange is None:
            raise TransportError("No call is under way.", sent=False, code="connect")
        limit = min(LOOKUP_SECONDS, exchange.time_left())
        # The operator chose the proxy and it is usually internal; it must filter by itself.
        find = lookup if self.proxy is not None else vetted_addresses
        return _dial_any(find(self._dns_host, self.port, timeout=limit), exchange)

    def connect(self) -> None:
        """Connect; every failure is a TransportError(sent=False)."""
        self._is_connecting = True
        try:
            super().connect()  # type: ignore[misc]
        except (TransportError, OSError, HTTPError, ssl.CertificateError) as error:
            raise _unsent(error, is_tls=isinstance(self, HTTPSConnection)) from None
        finally:
            self._is_connecting = False

    def _tunnel(self) -> None:
        try:
            super()._tunnel()  # type: ignore[misc]
        except OSError as error:
            raise TransportError(
                "The proxy did not open a way to the provider.", sent=False, code="connect"
            ) from error

    def send(self: Any, data: Any) -> None:
        """Send a part of a request; refuses to begin one after the deadline."""
        if self._is_connecting:  # a proxy's CONNECT is not yet the request
            HTTPConnection.send(self, data)
            return
        if self.sock is None:
            self.connect()
        exchange = sockets.current()
        if exchange is not None:
            exchange.time_left()
            exchange.is_sent = True
        HTTPConnection.send(self, data)

    def getresponse(self) -> Any:
        """The answer's head; the connection counts as used until now."""
        response = super().getresponse()  # type: ignore[misc]
        self._last_used = time.monotonic()
        return response


class GuardedHTTPConnection(_Guarded, HTTPConnection):
    """Plain HTTP, for hosts of OUTBOUND_ALLOWED_HOSTS."""


class GuardedHTTPSConnection(_Guarded, HTTPSConnection):
    """HTTPS, certificate and name checked."""


@functools.cache
def pool_classes(max_idle: float) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3 pool classes by scheme whose connections are dropped after `max_idle` seconds."""
    plain = type("PlainConnection", (GuardedHTTPConnection,), {"max_idle": max_idle})
    secure = type("SecureConnection", (GuardedHTTPSConnection,), {"max_idle": max_idle})
    return {
        "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }
