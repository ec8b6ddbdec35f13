"""TLS: always verified, client certificates never mixed up, HTTP/2 where it is offered."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from integrations.models import AttemptOutcome
from integrations.outbound.resolver import system_lookup, use_resolver
from integrations.webhooks.courier import Courier
from tests.webhooks.certificates import authority, stranger
from tests.webhooks.hostile import OK, always, courier, deliver, one, parcel, receive

__all__ = ["authority", "courier", "receive", "stranger"]
pytestmark = pytest.mark.stackless
TLS = AttemptOutcome.TLS
NAME, OTHER = "hook.example.com", "other.example.com"


@pytest.fixture(autouse=True)
def names_lead_here():
    """Every name leads to loopback; the receivers' places are allowed one by one."""
    with use_resolver(lambda host, port: system_lookup("127.0.0.1", port)):
        yield


@pytest.fixture
def trusting(authority):
    """A courier that trusts the tests' authority and nobody else."""
    with Courier(ca_file=str(authority.file)) as made:
        yield made


def test_a_trusted_certificate_works_and_the_connection_is_kept(trusting, receive, authority):
    receiver = receive(always(OK), tls=authority.server(NAME), names=(NAME,))
    for _ in range(3):
        assert one(trusting, receiver.url(host=NAME)).status == 200
    assert receiver.connections == 1


def test_the_file_of_the_settings_is_trusted_instead_of_certifis(receive, authority, settings):
    receiver = receive(always(OK), tls=authority.server(NAME), names=(NAME,))
    with Courier() as usual:
        assert one(usual, receiver.url(host=NAME)).outcome == TLS
    settings.INTEGRATIONS_WEBHOOK_CA_BUNDLE = str(authority.file)
    with Courier() as made:
        assert one(made, receiver.url(host=NAME)).status == 200
    settings.INTEGRATIONS_WEBHOOK_CA_BUNDLE = "/nowhere/ca.pem"
    with Courier() as broken:
        reply = one(broken, receiver.url(host=NAME))
        assert reply.outcome == AttemptOutcome.CONFIGURATION
        assert "/nowhere" not in reply.error


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("a stranger's", "certificate"),
        ("another name's", "matches target host"),
        ("expired", "expired"),
        ("not yet valid", "not yet valid"),
        ("self-signed", "self-signed"),
    ],
)
def test_a_certificate_that_proves_nothing_is_refused_and_nothing_is_sent(
    trusting, receive, authority, stranger, kind, words
):
    contexts = {
        "a stranger's": lambda: stranger.server(NAME),
        "another name's": lambda: authority.server(OTHER, f"x.{NAME}"),
        "expired": lambda: authority.server(NAME, age=2),
        "not yet valid": lambda: authority.server(NAME, age=-2),
        "self-signed": lambda: _self_signed(stranger),
    }
    requests = []
    receiver = receive(
        lambda line: requests.append(line.request()), tls=contexts[kind](), names=(NAME,)
    )
    reply = one(trusting, receiver.url(host=NAME))
    assert (reply.outcome, reply.status) == (TLS, None)
    assert words in reply.error
    assert "127.0.0.1" not in reply.error
    assert requests in ([], [b""])


def _self_signed(stranger):
    """The authority's own certificate, served as it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(stranger.file, stranger.key_file)
    return context


def test_a_peer_that_speaks_no_tls(trusting, receive, settings):
    receiver = receive(lambda line: (line.send(OK), line.wait()), names=(NAME,))
    reply = one(trusting, f"https://{NAME}:{receiver.port}/")
    assert (reply.outcome, reply.status) == (TLS, None)
    assert reply.error.startswith("TLS failed: ")


def test_an_old_version_of_tls_is_refused(trusting, receive, authority):
    context = authority.server(NAME)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    receiver = receive(always(OK), tls=context, names=(NAME,))
    assert one(trusting, receiver.url(host=NAME)).outcome == TLS


def test_a_handshake_that_hangs_ends_with_the_connect_limit(trusting, receive):
    receiver = receive(lambda line: line.wait(), names=(NAME,))
    reply = one(trusting, f"https://{NAME}:{receiver.port}/", connect_timeout=0.5, timeout=60.0)
    assert (reply.outcome, reply.error) == (TLS, "The TLS handshake did not end in time.")
    assert reply.seconds < 15


def test_a_handshake_that_breaks(trusting, receive):
    for act in (lambda line: line.sock.close(), lambda line: line.reset()):
        receiver = receive(act, names=(NAME,))
        reply = one(trusting, f"https://{NAME}:{receiver.port}/")
        assert reply.status is None
        # A reset may come before libcurl knows that it was connected.
        assert reply.outcome in (TLS, AttemptOutcome.CONNECT)


def test_over_tls_a_dripping_body_ends_with_the_total_limit(trusting, receive, authority):
    def drip(line):
        line.request()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")
        line.drip(b"x" * 999, 0.05)

    receiver = receive(drip, tls=authority.server(NAME), names=(NAME,))
    reply = one(trusting, receiver.url(host=NAME), timeout=1.0)
    assert (reply.outcome, reply.status) == (AttemptOutcome.DELIVERED, 200)
    assert reply.seconds < 10


# --- client certificates --------------------------------------------------------------------


def _who_is_it(line):
    """Answers with the name of the client's certificate."""
    while line.request():
        peer = line.sock.getpeercert()
        name = dict(field[0] for field in peer["subject"])["commonName"].encode() if peer else b"-"
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(name), name))


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_each_client_certificate_has_connections_of_its_own(trusting, receive, authority, version):
    context = authority.server(NAME, asks=True)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    receiver = receive(_who_is_it, tls=context, names=(NAME,))
    clients = {name: authority.issue(name) for name in ("client-a", "client-b")}
    clients["-"] = (None, None)
    for _ in range(3):
        sent = [
            parcel(receiver.url(host=NAME), key=name, certificate=pair[0], private_key=pair[1])
            for name, pair in clients.items()
            for _ in range(2)
        ]
        for each in sent:  # one at a time: every one could take over a free connection
            (reply,) = deliver(trusting, each)
            assert reply.body.decode() == reply.parcel.key
    assert receiver.connections == 3
    # And all at once.
    for reply in deliver(trusting, *(sent * 5)):
        assert reply.body.decode() == reply.parcel.key


def test_a_receiver_that_demands_a_certificate_gets_none_of_anothers(
    trusting, receive, authority, stranger
):
    receiver = receive(_who_is_it, tls=authority.server(NAME, asks=True), names=(NAME,))
    url = receiver.url(host=NAME)
    certificate, key = authority.issue("client-a")
    good = one(trusting, url, certificate=certificate, private_key=key)
    assert good.body == b"client-a"
    without = one(trusting, url)
    assert without.status is None
    assert without.outcome in (TLS, AttemptOutcome.LOST)
    unknown, its_key = stranger.issue("client-a")
    reply = one(trusting, url, certificate=unknown, private_key=its_key)
    assert reply.status is None


def test_a_client_certificate_that_can_not_be_used_is_told(trusting, receive, authority):
    receiver = receive(_who_is_it, tls=authority.server(NAME, asks=True), names=(NAME,))
    certificate, key = authority.issue("client-a")
    for pair in (
        (b"nonsense", key),
        (certificate, b"nonsense"),
        (certificate, None),
        (certificate, authority.issue("client-b")[1]),
    ):
        reply = one(trusting, receiver.url(host=NAME), certificate=pair[0], private_key=pair[1])
        assert (reply.outcome, reply.status) == (AttemptOutcome.CONFIGURATION, None), pair
        assert b"BEGIN" not in reply.error.encode()


# --- HTTP/2, with an nginx if there is one --------------------------------------------------

CONFIG = """
worker_processes 1; daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 1024; }}
http {{ log_format spoken '$server_protocol $connection'; access_log {folder}/access spoken;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {crt}; ssl_certificate_key {key};
    location / {{ return 200 "ok"; }}
    location /big {{ root {folder}; error_page 405 =200 $uri; }}
    location /hang {{ proxy_pass http://127.0.0.1:{hanging}; }} }} }}
"""


@pytest.fixture
def nginx(tmp_path, authority, receive, settings):
    """An nginx that offers HTTP/2 at NAME; its port, and the file of its access log."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None and os.environ.get("CI_STACK"):
        pytest.fail("CI needs nginx")
    if program is None:
        pytest.skip("no nginx on this machine")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    crt, key = authority.files(NAME, OTHER)
    hanging = receive(lambda line: line.wait(), allow=False)
    (tmp_path / "big").write_bytes(b"x" * 5_000_000)
    config = tmp_path / "nginx.conf"
    config.write_text(
        CONFIG.format(folder=tmp_path, port=port, crt=crt, key=key, hanging=hanging.port)
    )
    process = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
    for _ in range(500):
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.02)
    settings.OUTBOUND_ALLOWED_HOSTS = [f"{NAME}:{port}", f"{OTHER}:{port}"]
    yield port, tmp_path / "access"
    process.terminate()
    process.wait(10)


def _spoken(log: Path, count: int) -> tuple[set[str], int]:
    """The versions spoken and the number of connections, once `count` requests are logged."""
    for _ in range(500):
        rows = [row.split() for row in log.read_text().splitlines()]
        if len(rows) >= count:
            break
        time.sleep(0.02)
    assert len(rows) == count
    return {row[0] for row in rows}, len({row[1] for row in rows})


def test_http_2_is_spoken_where_offered_and_shares_a_connection(trusting, nginx):
    port, log = nginx
    url = f"https://{NAME}:{port}/"
    assert one(trusting, url).body == b"ok"
    replies = deliver(trusting, *[parcel(url, key=n) for n in range(60)])
    assert [reply.body for reply in replies] == [b"ok"] * 60
    assert _spoken(log, 61) == ({"HTTP/2.0"}, 1)
    # Another name at the same address, in the same certificate: a connection of its own.
    assert one(trusting, f"https://{OTHER}:{port}/").body == b"ok"
    assert _spoken(log, 62) == ({"HTTP/2.0"}, 2)


def test_over_http_2_an_answer_that_is_too_long_does_not_cost_the_connection(trusting, nginx):
    port, _ = nginx
    replies = deliver(
        trusting,
        *[parcel(f"https://{NAME}:{port}{path}") for path in ("/", "/big", "/", "/big", "/")],
    )
    assert [reply.status for reply in replies] == [200] * 5
    assert [len(reply.body) for reply in replies] == [2, 65536, 2, 65536, 2]


def test_a_silent_shared_connection_is_not_trusted_again(trusting, nginx):
    """libcurl would put the next transfers on the connection on which others timed out."""
    port, log = nginx
    assert one(trusting, f"https://{NAME}:{port}/").status == 200
    hung = one(trusting, f"https://{NAME}:{port}/hang", timeout=0.5)
    assert hung.outcome == AttemptOutcome.TIMEOUT
    assert one(trusting, f"https://{NAME}:{port}/").status == 200
    assert _spoken(log, 3)[0] == {"HTTP/2.0", "HTTP/1.1"}


# --- fork -----------------------------------------------------------------------------------

FORK_SCRIPT = """
import gc, os, sys
import django
django.setup()
from django.conf import settings
port, ca = sys.argv[1], sys.argv[2]
settings.OUTBOUND_ALLOWED_HOSTS = [f"hook.example.com:{port}"]
from integrations.outbound.resolver import system_lookup, use_resolver
from integrations.webhooks.courier import Courier, Parcel

courier = Courier(ca_file=ca)
def send(who):
    url = f"https://hook.example.com:{port}/{who}"
    courier.send(Parcel(who, url, [], b"{}", timeout=20))
    replies = []
    while not replies:
        replies = courier.collect(1)
    assert [(reply.parcel.key, reply.status) for reply in replies] == [(who, 200)], replies

with use_resolver(lambda host, port: system_lookup("127.0.0.1", port)):
    send("parent")
    # One that is under way at the fork stays the parent's.
    courier.send(Parcel("slow", f"https://hook.example.com:{port}/slow", [], b"{}", timeout=20))
    courier.collect(0.05)
    child = os.fork()
    if child == 0:
        assert courier.in_flight == 0
        send("child")
        if sys.argv[3] == "close":
            courier.close()
        gc.collect()
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, status
    seen = []
    while not seen:
        seen = courier.collect(1)
    assert [reply.parcel.key for reply in seen] == ["slow"], seen
    send("parent")
"""


@pytest.mark.parametrize("ending", ["close", "exit"])
def test_a_child_uses_no_connection_of_its_parent_and_closes_none(receive, authority, ending):
    seen = []

    def script(line):
        while request := line.request():
            seen.append((request.split()[1], line))
            if request.split()[1] == b"/slow":
                line.stopping.wait(1.0)
            line.send(OK)

    receiver = receive(script, tls=authority.server(NAME), names=(NAME,))
    done = subprocess.run(
        [sys.executable, "-c", FORK_SCRIPT, str(receiver.port), str(authority.file), ending],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    parents = {id(line) for path, line in seen if path in (b"/parent", b"/slow")}
    children = {id(line) for path, line in seen if path == b"/child"}
    # "slow" went over the connection of the first one, and so did the last.
    assert (len(parents), len(children), receiver.connections) == (1, 1, 2)
