"""A KRA on loopback that answers with wire files, and settings that lead to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from integrations.config import Snapshot, clear_cache, get_snapshot
from integrations.models import KRASettings
from tests.hunt.plants import planted
from tests.outbound.servers import LoopbackServer, Request, drop

FOLDER = Path(__file__).parent.parent / "wire" / "kra"
KEY = planted("communication key")
TRANSPORTS = ("oscu_direct", "oscu_gateway", "vscu")
Reply = Callable[[BaseHTTPRequestHandler, Request], None]


def load_wire(name: str) -> dict[str, Any]:
    """One wire file; numbers keep their digits."""
    text = (FOLDER / f"{name}.json").read_text()
    message: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return message


class Office:
    """Gives tokens, keeps requests, and answers as told."""

    def __init__(self) -> None:
        self.answers: list[Reply] = []
        self.token: Reply = reply_of("token")
        self.server = LoopbackServer(self._reply)

    def answers_with(self, *names: str) -> None:
        """The next answers, by the names of wire files ("drop" loses one); the last for ever."""
        self.answers = [drop if name == "drop" else reply_of(name) for name in names]

    def answers_json(self, body: Any, status: int = 200) -> None:
        self.answers = [_sends(status, json.dumps(body).encode())]

    def answers_bytes(self, body: bytes, status: int = 200) -> None:
        self.answers = [_sends(status, body)]

    @property
    def asked(self) -> list[Request]:
        """The requests, without those for tokens."""
        return [each for each in self.server.requests if "/token/" not in each.path]

    @property
    def tokens_asked(self) -> list[Request]:
        return [each for each in self.server.requests if "/token/" in each.path]

    def body(self, number: int = -1) -> Any:
        return json.loads(self.asked[number].body)

    def header(self, name: str, number: int = -1) -> str | None:
        held = {key.lower(): value for key, value in self.asked[number].headers.items()}
        return held.get(name.lower())

    def settings(self, transport: str = "oscu_direct", **changes: Any) -> Snapshot:
        """Settings of the installation that lead here, as our code reads them."""
        KRASettings.objects.all().delete()
        values = {
            "transport": transport,
            "kra_pin": "P051234567X",
            "branch_code": "00",
            "device_serial": "KRASERIAL0001",
            "communication_key": KEY,
            "sandbox_url": self.server.url("/etims"),
            "gavaconnect_sandbox_url": self.server.url(""),
            "apigee_app_id": "app-0001",
            "client_id": planted("client id"),
            "client_secret": planted("client secret"),
            "requests_per_second": 1000,
            **changes,
        }
        KRASettings.objects.create(**values)
        clear_cache()
        return get_snapshot("kra")

    def _reply(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        if "/token/" in request.path:
            self.token(handler, request)
            return
        reply = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        reply(handler, request)


def reply_of(name: str) -> Reply:
    wire = load_wire(name)
    text = wire["text"] if "text" in wire else json.dumps(wire["body"], default=float)
    return _sends(wire["status"], text.encode())


def _sends(status: int, body: bytes) -> Reply:
    def reply(handler: BaseHTTPRequestHandler, request: Request) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply
