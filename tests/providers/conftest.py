"""M-Pesa settings with an initiator, Safaricom's part of a key pair, and a Daraja that answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from integrations.config import Snapshot, clear_cache, get_snapshot
from integrations.models import MpesaSettings
from tests.conftest import CONSUMER_KEY, CONSUMER_SECRET, PASSKEY
from tests.hunt.plants import planted
from tests.outbound.servers import LoopbackServer, Request
from tests.sandbox.wire import load_wire

PASSWORD = planted("initiator password")
PEM = serialization.Encoding.PEM


def certificate_of(key: Any, public_key: Any = None) -> str:
    """A certificate in PEM, past its end as all public copies of Safaricom's are."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "apicrypt.example.ke")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    built = (
        builder.public_key(public_key or key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2017, 4, 25, tzinfo=UTC))
        .not_valid_after(datetime(2019, 4, 25, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(PEM).decode()


class Safaricom:
    """Whoever holds the private key: opens what was encrypted for it."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = certificate_of(self.key)

    @property
    def public_key(self) -> str:
        """The bare public key in PEM."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(PEM, form).decode()

    def open(self, credential: str) -> str:
        """The password in a credential."""
        sealed = base64.b64decode(credential, validate=True)
        return self.key.decrypt(sealed, padding.PKCS1v15()).decode()

    def seal(self, text: str) -> str:
        """A ready-made credential."""
        sealed = self.key.public_key().encrypt(text.encode(), padding.PKCS1v15())
        return base64.b64encode(sealed).decode()


ORIGINATOR = "bengo-7d0c5e6e-5d0b-4d7c-9c7b-2f1d3f6a9b10"
CONVERSATION = "AG_20260114_0123456789abcdef0123"
_WORDS = ("Remarks", "Occasion", "SecurityCredential")


def assert_same_message(body: dict[str, Any], name: str, *, but: tuple[str, ...] = ()) -> None:
    """The body says what the wire file says: order, types and words of our own are free."""
    expected = load_wire(name)["body"]
    free = {*_WORDS, *but}
    assert set(body) - free == set(expected) - free
    told = {key: str(value) for key, value in body.items() if key not in free}
    assert told == {key: str(value) for key, value in expected.items() if key not in free}
    if "SecurityCredential" in expected:
        assert len(body["SecurityCredential"]) == len(expected["SecurityCredential"])


@pytest.fixture(scope="session")
def safaricom() -> Safaricom:
    return Safaricom()


@pytest.fixture
def config_of(db: None, safaricom: Safaricom) -> Callable[..., Snapshot]:
    """Stores settings of the installation, and reads them as our code does."""

    def store(**changes: Any) -> Snapshot:
        MpesaSettings.objects.all().delete()
        values = {
            "consumer_key": CONSUMER_KEY,
            "consumer_secret": CONSUMER_SECRET,
            "passkey": PASSKEY,
            "short_code": "600999",
            "initiator_name": "testapi",
            "initiator_password": PASSWORD,
            "certificate": safaricom.certificate,
            **changes,
        }
        MpesaSettings.objects.create(**values)
        clear_cache()
        return get_snapshot("mpesa")

    return store


class Daraja:
    """A Daraja on loopback that gives tokens, keeps requests and answers as told."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.server = LoopbackServer(self._reply)

    def answers_with(self, *names: str) -> None:
        """The next answers, by the names of wire files; the last one for ever."""
        self.answers = [_answer(load_wire(name)) for name in names]

    def answers_json(self, status: int, body: Any) -> None:
        self.answers = [(status, json.dumps(body).encode())]

    @property
    def asked(self) -> list[Request]:
        """The requests, without those for tokens."""
        return [each for each in self.server.requests if "/oauth/" not in each.path]

    def body(self, number: int = -1) -> Any:
        return json.loads(self.asked[number].body)

    def _reply(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        status, body = _answer(load_wire("oauth_answer"))
        if "/oauth/" not in request.path:
            status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def _answer(wire: dict[str, Any]) -> tuple[int, bytes]:
    text = wire["text"] if "text" in wire else json.dumps(wire["body"], default=str)
    return wire["status"], text.encode()


@pytest.fixture
def daraja(settings: Any) -> Iterator[Daraja]:
    told = Daraja()
    settings.OUTBOUND_ALLOWED_HOSTS = [told.server.place]
    yield told
    told.server.stop()
