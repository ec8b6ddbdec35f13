"""HTTP/1.1 on a kept-alive loopback connection: read, check, route, write once."""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from integrations.providers.emulation import Answer, Request
from integrations.providers.mpesa.emulator import envelopes
from integrations.sandbox.addresses import is_loopback_authority
from integrations.sandbox.control import PREFIX, answer_control

if TYPE_CHECKING:
    from integrations.sandbox.server import Sandbox

logger = logging.getLogger(__name__)
MAXIMUM_BODY = 1024 * 1024  # bytes
_PANEL = Path(__file__).with_name("panel.html")


class SandboxHandler(BaseHTTPRequestHandler):
    """Serves one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    disable_nagle_algorithm = True  # TCP_NODELAY
    wbufsize = -1  # one write per answer
    timeout = 75  # seconds a connection may idle

    def handle_expect_100(self) -> bool:
        """Tell a waiting client at once to go on; the buffer would keep the word from it."""
        is_welcome = super().handle_expect_100()
        self.wfile.flush()
        return is_welcome

    def _serve(self) -> None:
        body = self._read_body()
        if body is None:
            return
        if not is_loopback_authority(self.headers.get("Host", "")):
            self._write(envelopes.error(403, "403.001", "This Host is not served here"))
            return
        try:
            answer = self._route(urlsplit(self.path).path, body)
        except Exception:
            logger.exception("The sandbox failed at %s", self.path.partition("?")[0])
            answer = envelopes.error(500, "500.003.1001", "Internal Server Error")
        if answer is None:
            self.close_connection = True
        else:
            self._write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815

    @property
    def _sandbox(self) -> Sandbox:
        return self.server.sandbox  # type: ignore[attr-defined, no-any-return]

    def _route(self, path: str, body: bytes) -> Answer | None:
        if path.startswith(PREFIX):
            if self.command != "GET" and not self._is_trusted():
                return envelopes.error(403, "403.002", "Send the header X-Sandbox: 1")
            return answer_control(self._sandbox, self.command, self.path, body)
        if path == "/" and self.command == "GET":
            return _panel()
        slug, _, rest = path.removeprefix("/").partition("/")
        mount = self._sandbox.mounts.get(slug)
        if mount is None:
            return envelopes.unknown_path()
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return mount.exchange(Request(self.command, f"/{rest}", query, headers, body))

    def _is_trusted(self) -> bool:
        """Whether a changing request comes from a program or from the panel, not another page.

        Another origin can't send this header without a preflight, which is never granted.
        """
        if self.headers.get("X-Sandbox") == "1":
            return True
        return self.headers.get("Origin") == f"http://{self.headers.get('Host', '')}"

    def _read_body(self) -> bytes | None:
        if self.headers.get("Transfer-Encoding"):
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
            return None
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            self._refuse(HTTPStatus.BAD_REQUEST)
            return None
        if int(length) > MAXIMUM_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        return self.rfile.read(int(length))

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True  # the unread body would be taken for the next request
        self._write(envelopes.error(status, "400.002.05", status.phrase))

    def _write(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep requests out of the terminal; the counters and the book tell more."""


def _panel() -> Answer:
    nonce = secrets.token_urlsafe(16)
    page = _PANEL.read_text(encoding="utf-8").replace("{{nonce}}", nonce)
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    return Answer(200, page.encode(), "text/html; charset=utf-8", headers)
