"""TLS: verified always, and a failed handshake has sent nothing."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integrations.exceptions import TransportError
from integrations.outbound import Call, Client
from integrations.outbound.resolver import system_lookup, use_resolver
from tests.outbound.conftest import limits
from tests.outbound.servers import answer

NAME = "api.bank.example"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """PEM file with the key and the self-signed certificate of NAME."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls_server(serve, certificate, settings):
    """A TLS server that the name NAME leads to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = serve(tls=context)
    settings.OUTBOUND_ALLOWED_HOSTS = [f"{NAME}:{server.port}", f"other.example:{server.port}"]
    with use_resolver(lambda host, port: system_lookup("127.0.0.1", port)):
        yield server


def _send(server, host=NAME, **kwargs):
    place = f"{host}:{server.port}"
    client = Client("mpesa", credential="c", hosts=frozenset({place}))
    call = Call("q", "POST", f"https://{place}/", json={"a": 1}, retry=1, **kwargs)
    return client.send(call)


def test_a_trusted_certificate_works_and_the_connection_is_kept(
    tls_server, certificate, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for _ in range(3):
        assert _send(tls_server).json() == {"ok": True}
    assert (len(tls_server.requests), tls_server.connections) == (3, 1)
    assert tls_server.requests[0].headers["Host"] == f"{NAME}:{tls_server.port}"


def test_a_self_signed_certificate_is_refused_and_nothing_was_sent(tls_server):
    with pytest.raises(TransportError) as caught:
        _send(tls_server)
    assert (caught.value.sent, caught.value.code) == (False, "tls")
    assert tls_server.connections == 1
    assert tls_server.requests == []


def test_a_certificate_of_another_name_is_refused(tls_server, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(TransportError) as caught:
        _send(tls_server, "other.example")
    assert (caught.value.sent, caught.value.code) == (False, "tls")
    assert tls_server.requests == []


def test_a_peer_that_speaks_no_tls_is_refused(serve, settings):
    server = serve()
    settings.OUTBOUND_ALLOWED_HOSTS = [f"{NAME}:{server.port}"]
    with (
        use_resolver(lambda host, port: system_lookup("127.0.0.1", port)),
        pytest.raises(TransportError) as caught,
    ):
        _send(server)
    assert (caught.value.sent, caught.value.code) == (False, "tls")
    assert server.requests == []


def test_a_handshake_that_hangs_is_bounded_and_nothing_was_sent(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings.OUTBOUND_ALLOWED_HOSTS = [f"127.0.0.1:{port}"]
        client = Client("mpesa", credential="c", hosts=frozenset({f"127.0.0.1:{port}"}))
        started = time.monotonic()
        with pytest.raises(TransportError) as caught:
            client.send(
                Call(
                    "q",
                    "POST",
                    f"https://127.0.0.1:{port}/",
                    retry=1,
                    limits=limits(connect=0.3, read=9, total=9),
                )
            )
    assert (caught.value.sent, caught.value.code) == (False, "tls")
    assert time.monotonic() - started < 3


def test_over_tls_a_dripping_peer_does_not_extend_the_total(tls_server, certificate, monkeypatch):
    def drip(handler, request):
        for byte in b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100:
            handler.connection.sendall(bytes([byte]))
            if handler.server.stopping.wait(0.1):
                return

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls_server.reply = drip
    started = time.monotonic()
    with pytest.raises(TransportError) as caught:
        _send(tls_server, limits=limits(read=0.5, total=0.6))
    assert (caught.value.sent, caught.value.code) == (True, "timeout")
    assert 0.5 < time.monotonic() - started < 3


def test_threads_share_the_trust_settings(tls_server, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(_send(tls_server).status)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert statuses == [200] * 6


class ConnectProxy:
    """A proxy that opens every tunnel to one server, whatever name it is asked for."""

    def __init__(self, target_port: int, *, refuse: bool = False) -> None:
        self.asked: list[str] = []
        self.refuse, self.target_port = refuse, target_port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            head = b""
            while b"\r\n\r\n" not in head:
                head += near.recv(4096)
            self.asked.append(head.split(b"\r\n")[0].decode())
            if self.refuse:
                near.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                near.close()
                continue
            near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            far = socket.create_connection(("127.0.0.1", self.target_port))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)

    def stop(self) -> None:
        self.listener.close()


@pytest.fixture
def through_proxy(tls_server, settings):
    """Sends calls through a proxy, with no host allowed."""
    proxies = []

    def start(**kwargs):
        proxy = ConnectProxy(tls_server.port, **kwargs)
        proxies.append(proxy)
        settings.OUTBOUND_PROXY, settings.OUTBOUND_ALLOWED_HOSTS = proxy.url, []
        return proxy

    yield start
    for proxy in proxies:
        proxy.stop()


def test_the_explicit_proxy_is_used_and_looks_the_name_up(
    through_proxy, tls_server, certificate, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    proxy = through_proxy()
    for _ in range(2):
        assert _send(tls_server).json() == {"ok": True}
    [asked] = proxy.asked
    assert asked.startswith(f"CONNECT {NAME}:{tls_server.port} ")


def test_behind_a_proxy_the_certificate_is_verified_too(through_proxy, tls_server):
    through_proxy()
    with pytest.raises(TransportError) as caught:
        _send(tls_server)
    assert (caught.value.sent, caught.value.code) == (False, "tls")
    assert tls_server.requests == []


def test_a_proxy_that_refuses_has_sent_nothing(through_proxy, tls_server):
    through_proxy(refuse=True)
    with pytest.raises(TransportError) as caught:
        _send(tls_server)
    assert (caught.value.sent, caught.value.code) == (False, "connect")


def test_a_forbidden_address_is_not_even_named_to_the_proxy(through_proxy, tls_server):
    proxy = through_proxy()
    with pytest.raises(TransportError) as caught:
        _send(tls_server, "169.254.169.254")
    assert caught.value.code == "blocked_address"
    assert proxy.asked == []


def test_allowed_hosts_are_called_directly(serve, client_for, settings):
    server = serve(answer(200, b'{"direct": true}'))
    settings.OUTBOUND_PROXY = "http://127.0.0.1:9"
    call = Call("q", "GET", server.url(), retry=1)
    assert client_for(server).send(call).json() == {"direct": True}
