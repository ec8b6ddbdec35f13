"""Receivers on loopback that do to a courier whatever a stranger's server could do.

Each is a plain TCP listener; a script writes the bytes of one connection. The scripts end when the
listener is stopped, so a test that fails does not hang.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from integrations.webhooks.courier import Courier, Parcel, Reply

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_RST = struct.pack("ii", 1, 0)


class Line:
    """One connection as its script sees it."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock, self.stopping = sock, stopping
        self.sent = 0

    def request(self) -> bytes:
        """The next request, headers and body; empty when the sender has gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += (more := self.sock.recv(65536))
            if not more:
                return b""
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-l")),
            0,
        )  # fmt: skip
        while len(body) < length:
            body += self.sock.recv(65536)
        return head + b"\r\n\r\n" + body

    def send(self, data: bytes) -> None:
        """Write all of it; counted."""
        self.sock.sendall(data)
        self.sent += len(data)

    def drip(self, data: bytes, pause: float) -> None:
        """Write byte by byte, and then sit there."""
        for byte in data:
            self.send(bytes([byte]))
            if self.stopping.wait(pause):
                return
        self.wait()

    def flood(self, data: bytes, times: int = 10**9) -> None:
        """Write the same again and again."""
        for _ in range(times):
            if self.stopping.is_set():
                return
            self.send(data)

    def wait(self) -> None:
        """Do nothing until the test is over."""
        self.stopping.wait(60)

    def reset(self) -> None:
        """Break the connection with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        self.sock.close()


Script = Callable[[Line], Any]


def says(*answers: bytes) -> Script:
    """Answers one request after the other with these bytes, then closes."""

    def script(line: Line) -> None:
        for answer in answers:
            if not line.request():
                return
            line.send(answer)

    return script


def always(answer: bytes) -> Script:
    """Answers every request of a connection with the same bytes."""

    def script(line: Line) -> None:
        while line.request():
            line.send(answer)

    return script


class Receiver:
    """Listens on loopback, treats each connection as `script` says, counts them."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self.script, self.tls = script, tls
        self.lines: list[Line] = []
        self.stopping = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self.socket.getsockname()[1]
        self.place = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def connections(self) -> int:
        return len(self.lines)

    @property
    def sent(self) -> int:
        """Bytes that were written to all connections."""
        return sum(line.sent for line in self.lines)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        scheme = "https" if self.tls is not None else "http"
        return f"{scheme}://{host}:{self.port}{path}"

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            line = Line(sock, self.stopping)
            self.lines.append(line)
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: Line) -> None:
        with suppress(OSError, ValueError):
            if self.tls is not None:
                line.sock.settimeout(30)
                line.sock = self.tls.wrap_socket(line.sock, server_side=True)
            self.script(line)
            line.sock.close()

    def stop(self) -> None:
        self.stopping.set()
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for line in self.lines:
            with suppress(OSError):
                line.sock.close()


@pytest.fixture
def receive(settings: Any) -> Iterator[Callable[..., Receiver]]:
    """Starts receivers that the operator allows (allow=False: that nobody may call)."""
    started: list[Receiver] = []
    settings.OUTBOUND_ALLOWED_HOSTS = []

    def start(script: Script, *, allow: bool = True, names: tuple[str, ...] = (), **kwargs: Any):
        receiver = Receiver(script, **kwargs)
        started.append(receiver)
        if allow:
            places = [receiver.place, *(f"{name}:{receiver.port}" for name in names)]
            settings.OUTBOUND_ALLOWED_HOSTS = [*settings.OUTBOUND_ALLOWED_HOSTS, *places]
        return receiver

    yield start
    for receiver in started:
        receiver.stop()


@pytest.fixture
def courier() -> Iterator[Courier]:
    """A courier, closed after the test."""
    with Courier() as made:
        yield made


def parcel(url: str, *, key: Any = None, body: bytes = b'{"a":1}', **options: Any) -> Parcel:
    """A parcel whose limits are long: a test that waits for them has failed."""
    options = {"timeout": 20.0, "connect_timeout": 10.0, "headers": ["X-Test: 1"], **options}
    return Parcel(key, url, body=body, **options)


def deliver(courier: Courier, *parcels: Parcel) -> list[Reply]:
    """Send, and the replies in the order of sending."""
    for each in parcels:
        courier.send(each)
    replies: list[Reply] = []
    while courier.in_flight:
        replies += courier.collect(5.0)
    return sorted(replies, key=lambda reply: [p is reply.parcel for p in parcels].index(True))


def one(courier: Courier, url: str, **options: Any) -> Reply:
    """The reply to one parcel."""
    return deliver(courier, parcel(url, **options))[0]
