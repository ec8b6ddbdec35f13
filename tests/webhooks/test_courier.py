"""The courier on good days: what is sent, what comes back, what is shared."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from integrations.models import AttemptOutcome
from integrations.webhooks import handles
from integrations.webhooks.courier import Courier
from tests.outbound.servers import LoopbackServer, answer, in_turn
from tests.webhooks.hostile import OK, always, courier, deliver, one, parcel, receive, says

__all__ = ["courier", "receive"]
pytestmark = pytest.mark.stackless
DELIVERED = AttemptOutcome.DELIVERED


def test_the_request_arrives_byte_by_byte_as_it_was_given(courier, receive):
    seen = []

    def script(line):
        seen.append(line.request())
        line.send(OK)

    receiver = receive(script)
    body = '{"name":"Wanjikũ", "b" : 1}\n'.encode()
    reply = one(
        courier,
        receiver.url("/hook?a=1&b=%20x"),
        body=body,
        headers=["webhook-id: msg_1", "Content-Type: application/json", "User-Agent: X"],
    )
    assert (reply.outcome, reply.status, reply.error, reply.body) == (DELIVERED, 200, "", b"ok")
    head, _, sent = seen[0].partition(b"\r\n\r\n")
    assert sent == body
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?a=1&b=%20x HTTP/1.1"
    assert sorted(lines[1:]) == sorted(
        [
            f"Host: {receiver.place}",
            "webhook-id: msg_1",
            "Content-Type: application/json",
            "User-Agent: X",
            "Accept: */*",
            "Accept-Encoding: identity",
            f"Content-Length: {len(body)}",
        ]
    )


def test_a_reply_tells_when_how_long_and_what(courier, receive):
    receiver = receive(
        says(
            b"HTTP/1.1 503 Busy\r\nRetry-After:  30 \r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 4\r\n"
            b"X-Odd: caf\xe9\r\n\r\nbusy"
        )
    )
    before = time.time()
    sent = parcel(receiver.url(), key=("any", "key"))
    (reply,) = deliver(courier, sent)
    assert reply.parcel is sent
    assert (reply.outcome, reply.status) == (AttemptOutcome.HTTP_ERROR, 503)
    assert reply.error == "Answered 503."
    assert reply.headers == {
        "retry-after": "30",
        "x-a": "1, 2",
        "content-length": "4",
        "x-odd": "caf\xe9",
    }
    assert (reply.body, reply.received) == (b"busy", 4)
    assert before - 1 <= reply.started_at <= time.time() + 1
    assert 0 < reply.seconds < 20


@pytest.mark.parametrize("size", [0, 1, 16_384, 1_500_000])
def test_a_body_of_any_size_goes_out_at_once(courier, receive, size):
    """Also above a megabyte, where libcurl would ask with Expect: 100-continue first."""
    seen = []

    def script(line):
        seen.append(line.request())
        line.send(OK)

    assert one(courier, receive(script).url(), body=b"x" * size).outcome == DELIVERED
    assert len(seen[0].partition(b"\r\n\r\n")[2]) == size
    assert b"expect" not in seen[0][:2000].lower()


def test_connections_are_kept_and_shared_only_within_a_place(courier, receive):
    receiver = receive(always(OK), names=("localhost",))
    for _ in range(10):
        assert one(courier, receiver.url()).status == 200
    assert receiver.connections == 1
    for _ in range(3):
        assert one(courier, receiver.url(host="localhost")).status == 200
    assert receiver.connections == 2


def test_many_at_a_time_come_back_each_with_its_own_parcel(courier, receive):
    def script(line):
        while request := line.request():
            body = request.partition(b"\r\n\r\n")[2]
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    receiver = receive(script)
    sent = [parcel(receiver.url(f"/{n}"), key=n, body=b"body %d" % n) for n in range(300)]
    replies = deliver(courier, *sent)
    assert [reply.parcel.key for reply in replies] == list(range(300))
    assert {reply.body for reply in replies} == {each.body for each in sent}
    assert all(reply.body == reply.parcel.body for reply in replies)


def test_a_slow_receiver_holds_up_nobody_else(courier, receive):
    slow, quick = receive(lambda line: line.wait()), receive(always(OK))
    for _ in range(50):
        courier.send(parcel(slow.url(), timeout=60.0))
    assert {reply.outcome for reply in _collect(courier, quick, 100)} == {DELIVERED}
    assert courier.in_flight == 50
    courier.close()
    assert courier.in_flight == 0


def _collect(courier, receiver, count):
    replies = []
    for _ in range(count):
        courier.send(parcel(receiver.url()))
        while not (got := courier.collect(5.0)):
            pass
        replies += got
    return replies


def test_collect_waits_no_longer_than_told_and_can_be_woken(courier, receive):
    receiver = receive(lambda line: line.wait())
    courier.send(parcel(receiver.url(), timeout=60.0))
    assert courier.collect(0.0) == []
    assert courier.collect(0.05) == []
    threading.Timer(0.1, courier.wake).start()
    started = time.monotonic()
    assert courier.collect(30.0) == []
    assert time.monotonic() - started < 15
    assert courier.in_flight == 1


@pytest.mark.parametrize(
    "headers",
    [
        ["X-A: 1\r\nX-B: 2"],
        ["X-A: 1\nX-B: 2"],
        ["X-A: 1\0"],
        ["X-A: 1\r"],
        ["X-A: \u1234"],
    ],
)
def test_a_header_that_can_not_be_sent_is_told_and_nothing_leaves(courier, receive, headers):
    receiver = receive(always(OK))
    reply = one(courier, receiver.url(), headers=headers)
    assert (reply.outcome, reply.status) == (AttemptOutcome.CONFIGURATION, None)
    assert receiver.connections == 0
    assert one(courier, receiver.url()).status == 200


def test_a_body_that_is_no_body_is_told(courier, receive):
    receiver = receive(always(OK))
    for body in (None, 7):
        assert one(courier, receiver.url(), body=body).outcome == AttemptOutcome.CONFIGURATION
    assert courier.in_flight == 0


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", "POST / HTTP/1.1"),
        ("?x=1", "POST /?x=1 HTTP/1.1"),
        ("/caf\u00e9?q=\u00e9#part", "POST /caf%C3%A9?q=%C3%A9 HTTP/1.1"),
        ("/a%2Fb;c=d,e'f(g)!$*+~", "POST /a%2Fb;c=d,e'f(g)!$*+~ HTTP/1.1"),
        ('/a"<>`{}^|', "POST /a%22%3C%3E%60%7B%7D%5E| HTTP/1.1"),
    ],
)
def test_a_path_is_sent_as_typed_or_escaped(courier, receive, path, line):
    seen = []

    def script(conn):
        seen.append(conn.request())
        conn.send(OK)

    assert one(courier, receive(script).url(path)).status == 200
    assert seen[0].split(b"\r\n")[0].decode() == line


def test_secrets_stay_out_of_the_texts_of_parcels_and_replies(courier, receive):
    receiver = receive(always(b"HTTP/1.1 200 OK\r\nX-S: s1\r\nContent-Length: 2\r\n\r\ns2"))
    reply = one(
        courier,
        receiver.url(),
        headers=["Authorization: s3"],
        body=b"s4",
    )
    text = repr(reply)
    assert not any(secret in text for secret in ("s1", "s2", "s3", "s4"))


def test_what_a_callback_raises_is_told_and_a_signal_goes_through(
    courier, receive, monkeypatch, caplog
):
    receiver = receive(always(OK))

    def fail(error):
        def raising(address):
            raise error

        return raising

    monkeypatch.setattr(handles, "open_socket", fail(RuntimeError("a bug")))
    reply = one(courier, receiver.url())
    assert (reply.outcome, reply.status) == (AttemptOutcome.CONNECT, None)
    assert "a bug" not in reply.error and "a bug" in caplog.text
    monkeypatch.setattr(handles, "open_socket", fail(OSError(24, "Too many open files")))
    assert one(courier, receiver.url()).error == "The hub had no connection to spare."
    monkeypatch.setattr(handles, "open_socket", fail(KeyboardInterrupt()))
    courier.send(parcel(receiver.url()))
    with pytest.raises(KeyboardInterrupt):
        while True:
            courier.collect(5.0)
    # The reply of the broken transfer is not lost.
    assert [reply.outcome for reply in courier.collect(0)] == [AttemptOutcome.CONNECT]
    monkeypatch.undo()


def test_a_closed_courier_starts_afresh(receive):
    receiver = receive(always(OK))
    courier = Courier()
    for _ in range(2):
        assert one(courier, receiver.url()).status == 200
        courier.close()
        courier.close()
    assert receiver.connections == 2
    courier.wake()


def test_a_connection_that_the_receiver_closed_meanwhile_is_replaced(courier, receive):
    receiver = receive(says(OK))
    for _ in range(5):
        assert one(courier, receiver.url()).status == 200
    assert receiver.connections == 5


def test_a_server_that_asks_for_a_close_gets_it(courier, settings):
    server = LoopbackServer(in_turn(answer(200, b"1", {"Connection": "close"}), answer(200, b"2")))
    settings.OUTBOUND_ALLOWED_HOSTS = [server.place]
    try:
        assert [one(courier, server.url()).body for _ in range(3)] == [b"1", b"2", b"2"]
        assert server.connections == 2
    finally:
        server.stop()


LEAK_SCRIPT = """
import os, sys
import django
django.setup()
from django.conf import settings
place, count = sys.argv[1], int(sys.argv[2])
settings.OUTBOUND_ALLOWED_HOSTS = [place]
from integrations.webhooks.courier import Courier, Parcel

courier = Courier()
def run(count):
    left = count
    while left or courier.in_flight:
        while left and courier.in_flight < 40:
            left -= 1
            fails = left % 10 == 0
            url = f"http://{place}/" if not fails else "https://127.0.0.1:1/"
            courier.send(Parcel(left, url, ["X-A: %d" % left], b"x" * 1000, timeout=30))
        courier.collect(1)

def size():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

run(count)
before, files = size(), len(os.listdir("/proc/self/fd"))
run(count * 4)
print(size() - before, len(os.listdir("/proc/self/fd")) - files)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_thousands_of_transfers_leak_nothing(receive):
    receiver = receive(always(OK))
    done = subprocess.run(
        [sys.executable, "-c", LEAK_SCRIPT, receiver.place, "600"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    grown, files = map(int, done.stdout.split()[-2:])
    assert grown < 2_000_000
    assert files <= 40
