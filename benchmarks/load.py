"""A small HTTP load generator, in a process of its own; `Load` steers it from the run's process.

One thread, one epoll, requests made beforehand: about 30 µs of CPU a request, so that on a small
machine the server stays what is measured. Each connection has one request under way.
"""

from __future__ import annotations

import json
import random
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
SOURCE = "196.201.214.200"
OK = b"HTTP/1.1 200"
GRACE = 10.0


@dataclass(frozen=True)
class Answers:
    """What one burst of load met.

    `finished` in `seconds`, and the latency, in seconds, of each that began in them; `whole` is
    every request of the burst.
    """

    seconds: float
    whole: int
    finished: int
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.finished / self.seconds


class Load:
    """The steering side: one command, one answer, as JSON lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def closed(self, kind: str, *, connections: int, seconds: float) -> Answers:
        """As many requests as `connections` get through one after another."""
        return self._ask(kind=kind, connections=connections, seconds=seconds, rate=0.0)

    def open(self, kind: str, *, connections: int, seconds: float, rate: float) -> Answers:
        """Arrivals at `rate` a second at random moments, whether or not the server keeps up.

        Latency counts from the arrival, the wait for a free connection included.
        """
        return self._ask(kind=kind, connections=connections, seconds=seconds, rate=rate)

    def _ask(self, **command: Any) -> Answers:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("The load generator has no pipes.")
        stdin.write(json.dumps(command) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError("The load generator ended: see its error above.")
        return Answers(**json.loads(line))


@contextmanager
def load(port: int, requests: dict[str, Path]) -> Iterator[Load]:
    """A load generator whose kinds of request are files of JSON pairs [path, body], one a line."""
    files = [f"{kind}={path}" for kind, path in requests.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load", str(port), *files],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Load(process)
    finally:
        process.terminate()
        process.wait(10)


class _Connection:
    """A kept-alive connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._answer = b""
        self.started = 0.0

    def send(self, request: bytes, started: float, selector: selectors.BaseSelector) -> None:
        """Send; the connection is opened where the server has closed it meanwhile."""
        self.started, self._answer = started, b""
        if self._socket is None:
            self._socket = socket.create_connection((HOST, self._port))
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(self._socket, selectors.EVENT_READ, self)
        self._socket.sendall(request)

    def is_done(self) -> bool:
        """Read what is there; whether the answer is whole. RuntimeError unless it is a 200."""
        data = self._socket.recv(65536) if self._socket is not None else b""
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not data or (found and not head.startswith(OK)):
            raise RuntimeError(f"The server answered {self._answer[:300]!r}.")
        if not found:
            return False
        size = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
        return len(body) >= int(size)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class _Burst:
    """One burst of requests on connections of its own; its first tenth is not counted."""

    def __init__(self, port: int, requests: deque[bytes], *, connections: int, seconds: float):
        self._requests = requests
        self._everyone = [_Connection(port) for _ in range(connections)]
        # In turns: gunicorn closes a connection that is idle for two seconds.
        self._free = deque(self._everyone)
        self._waiting: deque[float] = deque()
        self._done: list[tuple[float, float]] = []
        self.begin = time.perf_counter()
        self.end = self.begin + seconds

    def run(self, arrive: Callable[[float, deque[float], int], float]) -> Answers:
        """`arrive(now, waiting, free)` adds arrivals and says when it wants to be asked again."""
        with selectors.DefaultSelector() as selector:
            while (now := time.perf_counter()) < self.end or self._is_busy():
                if now > self.end + GRACE:
                    raise RuntimeError("The server did not answer in time.")
                due = self.end + GRACE
                if now < self.end:
                    due = min(arrive(now, self._waiting, len(self._free)), self.end)
                while self._waiting and self._free:
                    self._send(selector)
                for key, _ in selector.select(max(0.0, due - time.perf_counter())):
                    self._read(key.data)
        for connection in self._everyone:
            connection.close()
        return self._answers()

    def _is_busy(self) -> bool:
        return bool(self._waiting) or len(self._free) < len(self._everyone)

    def _send(self, selector: selectors.BaseSelector) -> None:
        self._requests.rotate(-1)
        self._free.popleft().send(self._requests[-1], self._waiting.popleft(), selector)

    def _read(self, connection: _Connection) -> None:
        if connection.is_done():
            self._free.append(connection)
            self._done.append((connection.started, time.perf_counter()))

    def _answers(self) -> Answers:
        warm = self.begin + (self.end - self.begin) / 10
        finished = sum(warm <= finish < self.end for _, finish in self._done)
        latencies = [finish - start for start, finish in self._done if warm <= start < self.end]
        return Answers(self.end - warm, len(self._done), finished, latencies)


def _one_after_another(now: float, waiting: deque[float], free: int) -> float:
    """Closed: every free connection asks at once."""
    waiting.extend([now] * free)
    return float("inf")


def _at_random(begin: float, rate: float) -> Callable[[float, deque[float], int], float]:
    """Open: arrivals that do not know of each other."""
    due = begin

    def arrive(now: float, waiting: deque[float], _free: int) -> float:
        nonlocal due
        while due <= now:
            waiting.append(due)
            due += random.expovariate(rate)
        return due

    return arrive


def _request(path: str, body: str) -> bytes:
    """As a proxy passes on what came from one of M-Pesa's addresses."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"X-Forwarded-Proto: https\r\nX-Forwarded-For: {SOURCE}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _serve(port: str, *files: str) -> None:
    requests = {}
    for kind, _, path in (text.partition("=") for text in files):
        lines = Path(path).read_text().splitlines()
        requests[kind] = deque(_request(*json.loads(line)) for line in lines)
    for line in sys.stdin:
        command = json.loads(line)
        kind, rate = command.pop("kind"), command.pop("rate")
        burst = _Burst(int(port), requests[kind], **command)
        answers = burst.run(_at_random(burst.begin, rate) if rate else _one_after_another)
        print(json.dumps(asdict(answers)), flush=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
