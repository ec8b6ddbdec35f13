"""Hostile receivers: the status alone decides, and every slot is free in time."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time

import pytest

from integrations.models import AttemptOutcome
from integrations.webhooks.courier import KEPT_BODY
from tests.chaos.disasters import IS_FULL
from tests.webhooks.hostile import (
    OK,
    Receiver,
    always,
    courier,
    deliver,
    one,
    parcel,
    receive,
    says,
)

__all__ = ["courier", "receive"]
pytestmark = pytest.mark.stackless
# Seconds past its limit in which a slot must be free. A busy machine is given some more.
GRACE = 1.0 if IS_FULL else 5.0
DELIVERED, HTTP_ERROR = AttemptOutcome.DELIVERED, AttemptOutcome.HTTP_ERROR
LOST, TIMEOUT = AttemptOutcome.LOST, AttemptOutcome.TIMEOUT
HEAD = b"HTTP/1.1 200 OK\r\n"
FAILED = b"HTTP/1.1 500 Oh\r\n"
LONG = b"Content-Length: 100000\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def then(answer, act):
    """Answer with bytes, then do something to the connection."""

    def script(line):
        line.request()
        line.send(answer)
        act(line)

    return script


def flood(answer, more):
    return then(answer, lambda line: line.flood(more))


def reset(answer):
    def script(line):
        line.request()
        if answer:
            line.send(answer)
            time.sleep(0.05)  # the bytes before the RST must have been read
        line.reset()

    return script


# Those that only a deadline ends: name -> script, outcome, status, words of the error.
SLOW = {
    "says nothing": (lambda line: line.wait(), TIMEOUT, None, "No answer within 0.6 s."),
    "drips its status line": (
        then(b"", lambda line: line.drip(HEAD * 9, 0.2)), TIMEOUT, None, "No answer within 0.6 s.",
    ),
    "drips its headers": (
        then(HEAD, lambda line: line.drip(b"X-A: " + b"a" * 999, 0.02)), DELIVERED, 200, "in time",
    ),
    "drips the headers of a failure": (
        then(FAILED, lambda line: line.drip(b"X-A: " + b"a" * 999, 0.02)), HTTP_ERROR, 500,
        "Answered 500. The end of the answer did not come in time.",
    ),
    "drips its body": (
        then(HEAD + LONG, lambda line: line.drip(b"x" * 999, 0.02)), DELIVERED, 200, "in time",
    ),
    "drips chunks": (
        then(HEAD + CHUNKED, lambda line: line.drip(b"1\r\nx\r\n" * 200, 0.02)), DELIVERED, 200,
        "in time",
    ),
    "never ends its body": (
        then(HEAD + LONG + b"begin", lambda line: line.wait()), DELIVERED, 200, "in time",
    ),
    "says 100 and nothing more": (
        then(b"HTTP/1.1 100 Continue\r\n\r\n", lambda line: line.wait()), TIMEOUT, None,
        "No answer within 0.6 s.",
    ),
    "drips 102": (
        then(b"", lambda line: line.drip(b"HTTP/1.1 102 P\r\n\r\n" * 99, 0.01)), TIMEOUT, None,
        "No answer within 0.6 s.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOW)
def test_a_slot_is_free_at_the_total_limit(courier, receive, name):
    script, outcome, status, words = SLOW[name]
    reply = one(courier, receive(script).url(), timeout=0.6, connect_timeout=0.6)
    assert (reply.outcome, reply.status) == (outcome, status)
    assert words in reply.error
    # The scripts last for ever.
    assert 0.5 < reply.seconds < 0.6 + GRACE


# Those that end by themselves, or that we end.
WRONG = {
    "closes before the status": (says(b""), LOST, None, "lost before an answer"),
    "resets before the status": (reset(b""), LOST, None, "lost before an answer"),
    "resets within the status": (reset(b"HTTP/1."), LOST, None, ""),
    "resets within the headers": (reset(HEAD + b"X-A: "), DELIVERED, 200, "lost or malformed"),
    "resets within the body": (reset(HEAD + LONG + b"begin"), DELIVERED, 200, "lost or malformed"),
    "resets within a failure": (
        reset(FAILED + LONG + b"begin"), HTTP_ERROR, 500, "Answered 500. The end of the answer was",
    ),
    "closes within the body": (says(HEAD + LONG + b"x"), DELIVERED, 200, "lost or malformed"),
    "sends an endless body": (
        flood(HEAD + b"\r\n", b"x" * 65536), DELIVERED, 200, "too long",
    ),
    "sends endless chunks": (
        flood(HEAD + CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"), DELIVERED, 200, "too long",
    ),
    "fails with an endless body": (
        flood(FAILED + b"\r\n", b"x" * 65536), HTTP_ERROR, 500, "Answered 500. The answer was too",
    ),
    "sends endless headers": (
        flood(HEAD, b"X-Fill: " + b"x" * 1000 + b"\r\n"), DELIVERED, 200, "too long",
    ),
    "sends one endless header": (
        flood(HEAD + b"X-Fill: ", b"x" * 65536), DELIVERED, 200, "",
    ),
    "sends an endless status line": (
        flood(b"HTTP/1.1 200 ", b"x" * 65536), LOST, None, "",
    ),
    "sends endless 1xx": (
        flood(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), LOST, None,
        "too long, without a final status",
    ),
    "sends garbage for chunks": (
        says(HEAD + CHUNKED + b"zz\r\n!!\r\n"), DELIVERED, 200, "lost or malformed",
    ),
    "sends a chunk of a negative size": (
        says(HEAD + CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n"), DELIVERED, 200, "malformed",
    ),
    "sends a chunk of a giant size": (
        says(HEAD + CHUNKED + b"ffffffffffffffffff\r\n"), DELIVERED, 200, "malformed",
    ),
    "claims two lengths": (
        says(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"), DELIVERED, 200, "",
    ),
    "claims a length that is none": (
        says(HEAD + b"Content-Length: -7\r\n\r\nok"), DELIVERED, 200, "",
    ),
    "puts NUL into a header": (says(HEAD + b"X: a\0b\r\n\r\n"), DELIVERED, 200, ""),
    "claims a coding": (
        says(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08"), DELIVERED,
        200, "",
    ),
    "claims an unknown coding": (
        says(HEAD + b"Transfer-Encoding: nonsense\r\n\r\nx"), DELIVERED, 200, "",
    ),
    "speaks SSH": (
        says(b"SSH-2.0-OpenSSH_9.2\r\n"), LOST, None, "was not HTTP",
    ),
    "speaks HTTP/0.9": (says(b"<html>hello</html>"), LOST, None, "was not HTTP"),
    "sends zeroes": (says(b"\0" * 5000), LOST, None, "was not HTTP"),
    "answers with a status of two digits": (says(b"HTTP/1.1 20\r\n\r\n"), LOST, None, "not HTTP"),
    "answers with a status in words": (says(b"HTTP/1.1 OK\r\n\r\n"), LOST, None, "not HTTP"),
    "answers in HTTP/7": (says(b"HTTP/7.0 200 OK\r\n\r\n"), LOST, None, "not HTTP"),
    "answers 999": (
        says(b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n"), HTTP_ERROR, 999, "Answered 999.",
    ),
    "answers 204": (says(b"HTTP/1.1 204 None\r\n\r\n"), DELIVERED, 204, ""),
    "answers 204 with a body": (
        says(b"HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\nhello"), DELIVERED, 204, "",
    ),
    "answers 299": (says(b"HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n"), DELIVERED, 299, ""),
    "answers 304": (says(b"HTTP/1.1 304 Same\r\n\r\n"), HTTP_ERROR, 304, "Answered 304."),
    "answers 300 without a place": (
        says(b"HTTP/1.1 300 Many\r\nContent-Length: 0\r\n\r\n"), HTTP_ERROR, 300, "Answered 300.",
    ),
    "answers 410": (
        says(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"), HTTP_ERROR, 410, "Answered 410.",
    ),
    "answers 101": (
        says(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"), None, None,
        "",
    ),
    "answers 100, 103 and 200": (
        says(b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nX-A: early\r\n\r\n" + OK), DELIVERED, 200,
        "",
    ),
    "answers 103 and 500": (
        says(b"HTTP/1.1 103 E\r\n\r\n" + FAILED + b"Content-Length: 0\r\n\r\n"), HTTP_ERROR, 500,
        "Answered 500.",
    ),
    "answers before it was asked": (
        lambda line: (line.send(OK), line.wait()), DELIVERED, 200, "",
    ),
    "answers in HTTP/1.0": (says(b"HTTP/1.0 200 OK\r\n\r\nuntil the end"), DELIVERED, 200, ""),
    "closes at once": (lambda line: line.sock.close(), LOST, None, "lost before an answer"),
    "asks for a password": (
        says(b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'),
        HTTP_ERROR, 401, "Answered 401.",
    ),
    "sets a cookie": (
        says(HEAD + b"Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"), DELIVERED, 200, "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_whatever_a_receiver_does_its_status_decides(courier, receive, name):
    script, outcome, status, words = WRONG[name]
    receiver = receive(script)
    reply = one(courier, receiver.url())
    if outcome is None:  # 101 is an answer that nobody asked for
        assert reply.outcome in (HTTP_ERROR, LOST)
        return
    assert (reply.outcome, reply.status) == (outcome, status)
    assert words in reply.error
    assert "127.0.0.1" not in reply.error
    assert len(reply.error) < 300
    assert len(reply.body) <= KEPT_BODY
    assert reply.seconds < 15, "it waited for the deadline"
    # It is as good as new for the next receiver.
    assert one(courier, receive(always(OK)).url()).body == b"ok"


def test_of_an_endless_answer_64_kib_are_kept_and_little_more_is_read(courier, receive):
    receiver = receive(then(HEAD + b"\r\n", lambda line: line.flood(b"abcdefgh" * 1024)))
    reply = one(courier, receiver.url())
    assert reply.body == b"abcdefgh" * (KEPT_BODY // 8)
    assert KEPT_BODY < reply.received < 4 * KEPT_BODY
    assert receiver.sent < 20_000_000  # what the sockets between us hold, not what we took


def test_an_answer_of_exactly_64_kib_is_whole(courier, receive):
    body = b"x" * KEPT_BODY
    receiver = receive(always(b"%sContent-Length: %d\r\n\r\n%s" % (HEAD, len(body), body)))
    replies = [one(courier, receiver.url()) for _ in range(2)]
    assert [(reply.error, reply.body == body) for reply in replies] == [("", True)] * 2
    assert receiver.connections == 1


def test_trailers_and_early_hints_are_no_headers(courier, receive):
    answer = (
        b"HTTP/1.1 103 E\r\nX-Early: 1\r\n\r\n" + HEAD + b"X-True: 1\r\nTrailer: X-Late\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Late: 1\r\nX-True: 2\r\n\r\n"
    )
    reply = one(courier, receive(says(answer)).url())
    assert (reply.body, reply.error) == (b"ok", "")
    assert reply.headers["x-true"] == "1"
    assert not {"x-early", "x-late"} & reply.headers.keys()


def test_a_second_answer_that_nobody_asked_for_is_nobodys(courier, receive):
    """Else it would be taken for the answer to the next parcel on this connection."""
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    receiver = receive(always(OK + forged))
    replies = [one(courier, receiver.url()) for _ in range(4)]
    assert [reply.body for reply in replies] == [b"ok"] * 4


def test_a_port_that_nobody_listens_on(courier, receive, settings):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    settings.OUTBOUND_ALLOWED_HOSTS = [f"127.0.0.1:{port}"]
    reply = one(courier, f"http://127.0.0.1:{port}/")
    assert (reply.outcome, reply.status) == (AttemptOutcome.CONNECT, None)
    assert reply.error == "The host did not accept a connection."


def test_a_peer_that_never_completes_the_connection(courier, settings):
    """A listener whose queue is full answers no SYN."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        place = full.getsockname()
        fillers = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(place)
            fillers.append(filler)
        settings.OUTBOUND_ALLOWED_HOSTS = [f"127.0.0.1:{place[1]}"]
        reply = one(courier, f"http://127.0.0.1:{place[1]}/", connect_timeout=0.4)
        for filler in fillers:
            filler.close()
    assert reply.outcome == AttemptOutcome.CONNECT
    assert reply.error == "No connection came about in time."
    assert reply.seconds < 10


def test_all_hostile_receivers_at_once_and_a_good_one_beside(courier, receive):
    scripts = [row[0] for row in (*SLOW.values(), *WRONG.values())]
    good = receive(always(OK))
    bad = [parcel(receive(script).url(), timeout=2.0) for script in scripts]
    replies = deliver(courier, *bad, *[parcel(good.url()) for _ in range(50)])
    assert [reply.body for reply in replies[len(bad) :]] == [b"ok"] * 50
    assert max(reply.seconds for reply in replies) < 2.0 + 2 * GRACE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://other.example/x?secret=1", "other.example"),
        ("/elsewhere", "the same host"),
        ("http://[::1", "an odd address"),
        ("https://exa mple/", "an odd address"),
    ],
)
def test_a_redirect_is_told_by_its_host_and_not_followed(courier, receive, status, location, words):
    answer = f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    receiver = receive(says(answer.encode()))
    reply = one(courier, receiver.url())
    assert (reply.outcome, reply.status) == (AttemptOutcome.REDIRECT, status)
    assert reply.error == f"Answered {status}, a redirect to {words}; not followed."
    assert receiver.connections == 1


MEMORY_SCRIPT = """
import json, sys
import django
django.setup()
from django.conf import settings
places = json.loads(sys.argv[1])
settings.OUTBOUND_ALLOWED_HOSTS = places
from integrations.webhooks.courier import Courier, Parcel

courier = Courier()
def run(times):
    for place in places:
        for _ in range(times):
            courier.send(Parcel(place, f"http://{place}/", [], b"{}", timeout=0.6))
    while courier.in_flight:
        for reply in courier.collect(1):
            assert reply.status in (200, None), reply
            assert len(reply.body) <= 65536 and reply.seconds < 8, reply
def size():
    # The peak, so that what is freed in between counts as well.
    return next(int(row.split()[1]) for row in open("/proc/self/status") if "VmHWM" in row)

run(5)
before = size()
for _ in range(3):
    run(5)
print(size() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_200_megabytes_floods_and_drips_take_no_memory():
    names = ("sends endless headers", "sends endless 1xx", "sends endless chunks")
    big = then(
        HEAD + b"Content-Length: 200000000\r\n\r\n", lambda line: line.flood(b"x" * 65536, 3052)
    )
    scripts = [big, *(WRONG[name][0] for name in names), SLOW["drips its body"][0]]
    receivers = [Receiver(script) for script in scripts]
    places = "[" + ", ".join(f'"{receiver.place}"' for receiver in receivers) + "]"
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_SCRIPT, places],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    for receiver in receivers:
        receiver.stop()
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(re.findall(r"-?\d+", done.stdout)[-1]) < 5_000, "KiB"
    # 20 times 200 MB were offered.
    assert receivers[0].sent < 20 * 20_000_000
