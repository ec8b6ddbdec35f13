"""Real HTTP servers on loopback that behave as badly as told."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Request:
    """What one request looked like on arrival."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self.method = handler.command
        self.path = handler.path
        self.headers = dict(handler.headers.items())
        length = int(handler.headers.get("Content-Length") or 0)
        self.body = handler.rfile.read(length)


Reply = Callable[[BaseHTTPRequestHandler, Request], None]


def answer(
    status: int = 200, body: bytes = b'{"ok": true}', headers: dict[str, str] | None = None
) -> Reply:
    """A reply with a status, a body and headers."""

    def reply(handler: BaseHTTPRequestHandler, request: Request) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def drop(handler: BaseHTTPRequestHandler, request: Request) -> None:
    """Read the request, then close without a word: the answer is lost."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def in_turn(*replies: Reply) -> Reply:
    """Each reply once, the last one for ever."""
    left = list(replies)

    def reply(handler: BaseHTTPRequestHandler, request: Request) -> None:
        chosen = left.pop(0) if len(left) > 1 else left[0]
        chosen(handler, request)

    return reply


class LoopbackServer(ThreadingHTTPServer):
    """Counts connections, keeps requests; answers with `reply`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, reply: Reply, *, tls: ssl.SSLContext | None = None) -> None:
        self.reply = reply
        self.requests: list[Request] = []
        self.connections = 0
        self.tls = tls
        self.stopping = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection and count it."""
        sock, address = super().get_request()
        self.connections += 1
        return sock, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Speak TLS first where asked to, in the connection's own thread."""
        if self.tls is not None:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are what these servers are for."""

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.server_address[1]

    @property
    def place(self) -> str:
        """Its host:port."""
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/") -> str:
        """A URL on this server."""
        return f"http://{self.place}{path}"

    def stop(self) -> None:
        """Stop serving."""
        self.stopping.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackServer
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        request = Request(self)
        self.server.requests.append(request)
        self.server.reply(self, request)

    def log_message(self, *args: Any) -> None:
        pass
