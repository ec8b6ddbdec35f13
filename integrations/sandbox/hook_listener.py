"""Another system of the demo's: it receives webhooks and checks them, with nothing of the hub's."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATH = "/hooks"
# Seconds that the sender's clock may be off; an older request may be somebody's replay.
TOLERANCE = 300


@dataclass(frozen=True)
class Received:
    """One event as it came: its type, its data, and whether the signature is the endpoint's."""

    event_type: str
    data: dict[str, Any]
    is_genuine: bool


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the request was signed with `secret` (`whsec_…`), by Standard Webhooks `v1`.

    `headers` by their names in lower case.
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    is_fresh = abs(time.time() - int(headers["webhook-timestamp"])) <= TOLERANCE
    given = headers["webhook-signature"].split(" ")
    return is_fresh and any(hmac.compare_digest(each, expected) for each in given)


class HookListener(ThreadingHTTPServer):
    """Answers 200 to genuine events and 401 to others; keeps both in `received`."""

    daemon_threads = True
    # Set once the endpoint is made: only then is there one.
    secret = ""

    def __init__(self, place: str) -> None:
        host, _, port = place.rpartition(":")
        self.url = f"http://{place}{PATH}"
        self.received: list[Received] = []
        super().__init__((host, int(port)), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HookListener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): text for name, text in self.headers.items()}
        genuine = is_genuine(self.server.secret, headers, body)
        told = json.loads(body)
        self.server.received.append(Received(told["type"], told["data"], genuine))
        self.send_response(200 if genuine else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Its story is told by the demo."""


@contextmanager
def listening(place: str) -> Iterator[HookListener]:
    """A listener at this host:port of loopback, for as long as the block runs."""
    listener = HookListener(place)
    thread = threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.shutdown()
        listener.server_close()
