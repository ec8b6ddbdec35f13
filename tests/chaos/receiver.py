"""A receiver of webhooks on loopback, in a process of its own: it writes down whatever arrives.

`python -m tests.chaos.receiver JOURNAL` prints its port. Each request is one line of the journal,
written before the answer, so what a killed sender sent is known. The path says how it answers:
`/ok/…`, `/fail/503/…`, `/slow/0.3/…` (seconds), `/hang/…` (never), `/first/503/0.3/…` (each message
the first time so late, and 200 afterwards).
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
_ANSWER = "HTTP/1.1 {status} Told\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Arrival:
    """One request: when (seconds of the epoch), its path and its `webhook-id`."""

    at: float
    path: str
    message_id: str


class Receiver:
    """The receiver as its child process; `place` is its host:port."""

    def __init__(self, folder: Path) -> None:
        self._journal = folder / "arrivals"
        self._journal.touch()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.receiver", str(self._journal)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.place = f"127.0.0.1:{int(self._process.stdout.readline())}"

    def url(self, path: str = "/ok/") -> str:
        """The address of one of its paths."""
        return f"http://{self.place}{path}"

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def count(self) -> int:
        """How many requests came so far."""
        with self._journal.open("rb") as journal:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: journal.read(1 << 20), b""))

    def arrivals(self) -> list[Arrival]:
        """Every request so far, in their order."""
        found = []
        whole, _, _begun = self._journal.read_text().rpartition("\n")
        for line in whole.splitlines():
            at, path, message_id = line.split(" ")
            found.append(Arrival(float(at), path, message_id))
        return found

    def times_of(self) -> Counter[str]:
        """How often each message came."""
        return Counter(arrival.message_id for arrival in self.arrivals())

    def stop(self) -> None:
        """End it; may be called twice."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


class _Conversation(asyncio.Protocol):
    """One kept connection, request after request."""

    def __init__(self, journal: int, seen: set[str]) -> None:
        self._journal, self._seen, self._buffer = journal, seen, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while _HEAD_END in self._buffer:
            head, _, rest = self._buffer.partition(_HEAD_END)
            first, *lines = head.decode("latin-1").split("\r\n")
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._take(urlsplit(first.split(" ")[1]).path, headers.get("webhook-id", "-"))

    def _take(self, path: str, message_id: str) -> None:
        # One write to a file opened for appending: lines of several receivers don't mix.
        os.write(self._journal, f"{time.time():.6f} {path} {message_id}\n".encode())
        _, how, *rest = path.split("/")
        if how == "hang":
            return
        status, seconds = 200, 0.0
        if how == "fail":
            status = int(rest[0])
        elif how == "slow":
            seconds = float(rest[0])
        elif how == "first" and message_id not in self._seen:
            status, seconds = int(rest[0]), float(rest[1])
        self._seen.add(message_id)
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self._answer, status)
        else:
            self._answer(status)

    def _answer(self, status: int) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_ANSWER.format(status=status).encode())


async def _serve(journal: Path) -> None:
    file = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    loop, seen = asyncio.get_running_loop(), set[str]()
    server = await loop.create_server(
        lambda: _Conversation(file, seen), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
