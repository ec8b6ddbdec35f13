"""Answers that never came, came too slowly, too large, or are not what they seem."""

from __future__ import annotations

import gzip
import socket
import threading
import time

import pytest

from integrations.exceptions import TransportError
from integrations.outbound import Call, Client, resolver, sockets
from integrations.outbound.pool import sessions
from tests.outbound.conftest import get, limits, pay
from tests.outbound.servers import answer, drop


def _failure(client: Client, call: Call) -> tuple[bool, str]:
    with pytest.raises(TransportError) as caught:
        client.send(call)
    return caught.value.sent, caught.value.code


def _silent(handler, request):
    handler.server.stopping.wait(5)


def _drip(handler, request):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(50):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        if handler.server.stopping.wait(0.1):
            return


def _drip_head(handler, request):
    for byte in b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100:
        handler.connection.sendall(bytes([byte]))
        if handler.server.stopping.wait(0.1):
            return


def test_no_answer_within_the_read_limit_is_sent_and_unknown(serve, client_for):
    server = serve(_silent)
    started = time.monotonic()
    assert _failure(client_for(server), pay(server, limits=limits())) == (True, "timeout")
    assert time.monotonic() - started < 3
    assert len(server.requests) == 1


@pytest.mark.parametrize("reply", [_drip, _drip_head])
def test_a_dripping_peer_does_not_extend_the_total(serve, client_for, reply):
    server = serve(reply)
    call = get(server, limits=limits(read=1.0, total=1.5))
    started = time.monotonic()
    assert _failure(client_for(server), call) == (True, "timeout")
    assert 1.0 < time.monotonic() - started < 4.5


def test_the_earlier_deadline_of_the_caller_holds(serve, client_for):
    server = serve(_silent)
    call = pay(server, limits=limits(read=5, total=10), deadline=time.monotonic() + 1.0)
    started = time.monotonic()
    assert _failure(client_for(server), call) == (True, "timeout")
    assert time.monotonic() - started < 3


def test_a_deadline_that_has_passed_sends_nothing(serve, client_for):
    server = serve()
    call = pay(server, deadline=time.monotonic() - 1)
    assert _failure(client_for(server), call) == (False, "timeout")
    assert server.connections == 0


def test_a_worker_that_was_paused_while_connecting_sends_nothing(serve, client_for):
    server = serve()

    def slow(host, port):
        time.sleep(0.2)
        return resolver.system_lookup(host, port)

    with resolver.use_resolver(slow):
        call = pay(server, deadline=time.monotonic() + 0.15, retry=1)
        sent, code = _failure(client_for(server), call)
    assert (sent, code) == (False, "timeout")
    assert server.requests == []


def test_an_expired_call_on_an_open_connection_is_refused_before_its_first_byte(serve, client_for):
    server = serve()
    client_for(server).send(pay(server))
    session = sessions.get(("mpesa", "c1", frozenset({server.place})), max_idle=20)
    expired = sockets.Exchange(time.monotonic() - 1, connect=1, read=1)
    with sockets.serving(expired), pytest.raises(OSError, match="deadline"):
        session.post(server.url("/pay"), data=b"{}")
    assert not expired.is_sent
    assert len(server.requests) == 1


def test_a_lost_answer_is_sent(serve, client_for):
    server = serve(drop)
    assert _failure(client_for(server), pay(server)) == (True, "connection_lost")
    assert len(server.requests) == 1


def test_an_answer_that_breaks_off_is_sent(serve, client_for):
    def half(handler, request):
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b'{"half":')
        handler.close_connection = True

    server = serve(half)
    assert _failure(client_for(server), pay(server)) == (True, "connection_lost")


def test_a_peer_that_does_not_speak_http_is_sent(serve, client_for):
    def gibberish(handler, request):
        handler.connection.sendall(b"\x00\x01\x02 not http\r\n\r\n")
        handler.close_connection = True

    server = serve(gibberish)
    assert _failure(client_for(server), pay(server)) == (True, "connection_lost")


def test_a_refused_connection_is_not_sent(settings):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{closed.getsockname()[1]}"
    settings.OUTBOUND_ALLOWED_HOSTS = [place]
    client = Client("mpesa", credential="c", hosts=frozenset({place}))
    assert _failure(client, Call("q", "POST", f"http://{place}/", retry=1)) == (False, "connect")


def test_a_connect_timeout_is_not_sent(settings):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = f"127.0.0.1:{full.getsockname()[1]}"
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:  # fill the queue: the kernel then drops further attempts
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        settings.OUTBOUND_ALLOWED_HOSTS = [place]
        client = Client("mpesa", credential="c", hosts=frozenset({place}))
        call = Call("q", "POST", f"http://{place}/", retry=1, limits=limits(connect=0.2))
        assert _failure(client, call) == (False, "connect")
        for one in waiting:
            one.close()


def test_an_unknown_name_is_not_sent():
    def missing(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    client = Client("mpesa", credential="c", hosts=frozenset({"gone.example.com:443"}))
    with resolver.use_resolver(missing):
        call = Call("q", "POST", "https://gone.example.com/", retry=1)
        assert _failure(client, call) == (False, "dns")


def test_a_name_server_that_hangs_does_not_hold_the_call():
    release = threading.Event()
    client = Client("mpesa", credential="c", hosts=frozenset({"slow.example.com:443"}))
    with resolver.use_resolver(lambda host, port: release.wait(5) and []):
        call = Call("q", "POST", "https://slow.example.com/", retry=1, limits=limits(total=0.3))
        started = time.monotonic()
        sent, _ = _failure(client, call)
        assert not sent
        assert time.monotonic() - started < 3
    release.set()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_cap_is_not_read_on(serve, client_for, chunked):
    def flood(handler, request):
        handler.send_response(200)
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            handler.send_header("Content-Length", str(10**9))
        handler.end_headers()
        block = b"x" * 65536
        for _ in range(10**9 // len(block)):
            handler.wfile.write(b"10000\r\n" + block + b"\r\n" if chunked else block)

    server = serve(flood)
    client = client_for(server)
    call = pay(server, limits=limits(max_bytes=1000))
    assert _failure(client, call) == (True, "response_too_large")
    server.reply = answer()
    assert client.send(pay(server)).json() == {"ok": True}


def test_a_body_of_exactly_the_cap_is_fine(serve, client_for):
    server = serve(answer(200, b'"' + b"x" * 998 + b'"'))
    assert len(client_for(server).send(get(server, limits=limits(max_bytes=1000))).body) == 1000


def test_the_body_of_a_redirect_is_capped_too(serve, client_for):
    server = serve(answer(302, b"x" * 2000, {"Location": "/next"}))
    call = get(server, limits=limits(max_bytes=1000))
    assert _failure(client_for(server), call) == (True, "response_too_large")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Service unavailable</body></html>",
        b"[1, 2]",
        b'"text"',
        b"null",
        b'{"a": NaN}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"n": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_a_json_object_is_never_taken_for_one(serve, client_for, body):
    server = serve(answer(200, body, {"Content-Type": "application/json"}))
    response = client_for(server).send(pay(server))
    assert response.status == 200
    with pytest.raises(TransportError) as caught:
        response.json()
    assert (caught.value.sent, caught.value.code) == (True, "not_json")


def test_a_compressed_answer_is_not_expanded(serve, client_for):
    bomb = gzip.compress(b"0" * 10_000_000)
    server = serve(answer(200, bomb, {"Content-Encoding": "gzip"}))
    assert client_for(server).send(get(server)).body == bomb
