"""A loopback server that keeps the callbacks it is sent, in order of arrival."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.sandbox.wire import read_json


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def callback(self) -> dict[str, Any]:
        callback: dict[str, Any] = read_json(self.body)["Body"]["stkCallback"]
        return callback

    @property
    def items(self) -> dict[str, Any]:
        return {
            item["Name"]: item.get("Value") for item in self.callback["CallbackMetadata"]["Item"]
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # copies that arrive at once must not wait for a second knock


@dataclass
class Receiver:
    """Answers every POST with `status` and `answer`; `on_arrival` runs before the answer."""

    status: int = 200
    answer: bytes = b""
    received: list[Received] = field(default_factory=list)
    on_arrival: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.received.append(Received(self.path, dict(self.headers), body))
                if receiver.on_arrival is not None:
                    receiver.on_arrival()
                self.send_response(receiver.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(receiver.answer)))
                self.end_headers()
                with contextlib.suppress(BrokenPipeError):  # whoever asked waits no longer
                    self.wfile.write(receiver.answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"{self.base}/9f2c/stk"

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/cb"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
