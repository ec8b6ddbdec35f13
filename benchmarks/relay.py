"""A distant provider on loopback: a delay line, and TLS behind it, in a process of its own.

    client <- delay line -> TLS <- plain HTTP -> sandbox

The line carries TLS bytes as they come, 20 ms later each way, any number at once: bandwidth is
not limited, so a handshake costs its round trips and nothing else. It holds each new connection
one round trip before anything passes, which stands for TCP's own handshake.

    python -m benchmarks.relay PORT_OF_THE_SANDBOX CERTIFICATE KEY

prints the port of the line, and ends with its parent.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from collections import deque
from collections.abc import Callable
from typing import cast

ONE_WAY = 0.020
HOST = "127.0.0.1"


class Line:
    """One direction: actions happen in order, `ONE_WAY` after they were asked for."""

    def __init__(self, opens_at: float, one_way: float) -> None:
        self._opens_at, self._one_way = opens_at, one_way
        self._waiting: deque[Callable[[], None]] = deque()

    def later(self, act: Callable[[], None]) -> None:
        """Do `act` when what was sent now would arrive."""
        loop = asyncio.get_running_loop()
        self._waiting.append(act)
        loop.call_at(max(loop.time(), self._opens_at) + self._one_way, self._next)

    def _next(self) -> None:
        self._waiting.popleft()()


class End(asyncio.Protocol):
    """One end of a relayed connection; what it hears is written at the other end."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.other: End | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.line.later(lambda: self._write(data))

    def connection_lost(self, _error: Exception | None) -> None:
        self.line.later(self._hang_up)

    def _write(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def _hang_up(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class Entrance(End):
    """The end at which connections come in; opens the far end at once."""

    def __init__(self, port: int, *, one_way: float, held: float) -> None:
        now = asyncio.get_running_loop().time()
        super().__init__(Line(now + held, one_way))
        self._back = Line(now, one_way)
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        self._opening = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        _, far = await loop.create_connection(lambda: End(self._back), HOST, self._port)
        self.other, far.other = far, self
        self.transport.resume_reading()


async def serve(backend: int, certificate: str, key: str) -> None:
    """Relay until the parent is gone."""
    loop = asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    inner = await loop.create_server(
        lambda: Entrance(backend, one_way=0.0, held=0.0), HOST, 0, ssl=context
    )
    port = inner.sockets[0].getsockname()[1]
    outer = await loop.create_server(
        lambda: Entrance(port, one_way=ONE_WAY, held=2 * ONE_WAY), HOST, 0
    )
    print(outer.sockets[0].getsockname()[1], flush=True)
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
