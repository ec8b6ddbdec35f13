"""Names are looked up beside the transfers: each once, and dead ones hold up only themselves."""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.models import AttemptOutcome
from integrations.outbound.resolver import Address, use_resolver
from integrations.webhooks import lookups
from integrations.webhooks.courier import Courier
from integrations.webhooks.lookups import Lookups
from tests.webhooks.hostile import OK, always, courier, deliver, one, parcel, receive

__all__ = ["courier", "receive"]
pytestmark = pytest.mark.stackless


class Names:
    """A resolver whose names hang, fail or lead to loopback, and which counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.released = threading.Event()
        self.failing: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, host: str, port: int) -> list[Address]:
        with self._lock:
            self.asked.append(host)
        if host.startswith("hang"):
            self.released.wait(60)
        if host.startswith("hang") or host in self.failing:
            raise socket.gaierror(-2, "Name or service not known")
        return [Address(socket.AF_INET, socket.SOCK_STREAM, 6, ("127.0.0.1", port))]


@pytest.fixture
def names() -> Iterator[Names]:
    resolver = Names()
    with use_resolver(resolver):
        yield resolver
        resolver.released.set()


def until(condition: Callable[[], Any]) -> Any:
    for _ in range(1500):
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError("it did not come about")


def test_a_name_is_looked_up_once_for_many_parcels(courier, receive, names):
    receiver = receive(always(OK), names=("a.example.com",))
    url = receiver.url(host="a.example.com")
    for _ in range(2):
        replies = deliver(courier, *[parcel(url) for _ in range(50)])
        assert {reply.status for reply in replies} == {200}
    assert names.asked == ["a.example.com"]


def test_a_name_that_does_not_exist_is_told_and_remembered_for_a_while(courier, receive, names):
    names.failing.add("gone.example.com")
    for _ in range(5):
        reply = one(courier, "https://gone.example.com/")
        assert (reply.outcome, reply.status) == (AttemptOutcome.DNS, None)
        assert reply.error == "The host's name was not found."
    assert names.asked == ["gone.example.com"]


def test_a_lookup_that_hangs_ends_with_the_connect_limit_and_counts_as_failed(
    courier, names, monkeypatch
):
    monkeypatch.setattr(lookups, "HANGING", 0.3)
    first = one(courier, "https://hang.example.com/", connect_timeout=0.5)
    assert (first.outcome, first.error) == (
        AttemptOutcome.DNS,
        "The host's name was not found in time.",
    )
    assert first.seconds < 10
    # It hangs still: nobody waits for it again.
    second = one(courier, "https://hang.example.com/", connect_timeout=60.0, timeout=60.0)
    assert second.outcome == AttemptOutcome.DNS
    assert second.seconds < 10
    assert names.asked == ["hang.example.com"]


def test_the_time_of_the_lookup_counts_towards_the_total(courier, receive):
    receiver = receive(lambda line: line.wait(), names=("slow.example.com",))

    def slow(host, port):
        time.sleep(0.4)
        return [Address(socket.AF_INET, socket.SOCK_STREAM, 6, ("127.0.0.1", port))]

    with use_resolver(slow):
        reply = one(courier, receiver.url(host="slow.example.com"), timeout=1.0)
    assert reply.outcome == AttemptOutcome.TIMEOUT
    assert reply.seconds < 8


def test_many_dead_names_hold_up_no_other(receive, names):
    """More than libcurl has threads for; and more than ours, once they are known to be slow."""
    receiver = receive(always(OK), names=("good.example.com",))
    courier = Courier()
    for number in range(60):
        courier.send(parcel(f"https://hang{number}.example.com/", connect_timeout=60.0, timeout=60))
    courier.send(parcel(receiver.url(host="good.example.com"), key="good"))
    (reply,) = until(lambda: courier.collect(1.0))
    assert (reply.parcel.key, reply.status) == ("good", 200)
    started = time.monotonic()
    courier.close()  # does not wait for those that hang
    assert time.monotonic() - started < 10
    names.released.set()
    gc.collect()


def test_names_that_were_slow_have_lanes_of_their_own(names, monkeypatch):
    monkeypatch.setattr(lookups, "SLOW", -1.0)
    monkeypatch.setattr(lookups, "FAILED", 0.0)
    known = Lookups(lambda: None)
    slow = [(f"x{number}.example.com", 443) for number in range(200)]
    names.failing.update(host for host, _ in slow)
    for name in slow:
        known.get(name)
    until(lambda: len(names.asked) == 200)
    until(lambda: known._running == [0, 0])
    monkeypatch.setattr(lookups, "FAILED", 60.0)
    hanging = threading.Event()

    def hang(host, port):
        if host.startswith("x"):
            hanging.wait(60)
        return [Address(socket.AF_INET, socket.SOCK_STREAM, 6, ("127.0.0.1", port))]

    with use_resolver(hang):
        for name in slow:
            known.get(name)
        assert known._running[0] == 0
        assert known._running[1] == lookups.MOST_SLOW
        assert known.get(("new.example.com", 443)) is None
        answer = until(lambda: known.get(("new.example.com", 443)))
        assert answer.addresses == ("127.0.0.1",)
        hanging.set()
        until(lambda: known._running == [0, 0])
    assert known.get(slow[-1]).addresses == ("127.0.0.1",)


def test_an_outage_of_the_name_server_is_bridged_with_the_last_answer(names, monkeypatch):
    monkeypatch.setattr(lookups, "FRESH", 0.0)
    known, name = Lookups(lambda: None), ("a.example.com", 443)
    until(lambda: known.get(name))
    monkeypatch.setattr(lookups, "FAILED", 0.05)
    names.failing.add("a.example.com")
    asked = len(names.asked)
    until(lambda: known.get(name) and len(names.asked) > asked)
    assert known.get(name).addresses == ("127.0.0.1",)
    # But not for ever.
    monkeypatch.setattr(lookups, "GOOD", 0.0)
    monkeypatch.setattr(lookups, "FAILED", 0.0)
    names.failing.clear()
    until(lambda: known.get(name) is None)


def test_what_is_remembered_is_bounded(names, monkeypatch):
    monkeypatch.setattr(lookups, "_KNOWN", 10)
    known = Lookups(lambda: None)
    for number in range(50):
        name = (f"n{number}.example.com", 443)
        until(lambda name=name: known.get(name))
    assert len(known._answers) <= 10


def test_a_host_that_moved_is_found_at_its_new_address(receive, settings, monkeypatch):
    monkeypatch.setattr(lookups, "FRESH", 0.0)
    monkeypatch.setattr(lookups, "GOOD", 0.0)
    old = receive(always(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nold"))
    new = socket.create_server(("127.0.0.2", old.port))
    where = ["127.0.0.1"]

    def resolve(host, port):
        return [Address(socket.AF_INET, socket.SOCK_STREAM, 6, (where[0], port))]

    def serve():
        while True:
            try:
                conn, _ = new.accept()
            except OSError:
                return
            conn.recv(65536)
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew")
            conn.close()

    threading.Thread(target=serve, daemon=True).start()
    settings.OUTBOUND_ALLOWED_HOSTS = [f"moves.example.com:{old.port}"]
    with use_resolver(resolve), Courier() as courier:
        url = f"http://moves.example.com:{old.port}/"
        bodies = []
        for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.2"):
            where[0] = address
            bodies.append(one(courier, url).body)
    new.shutdown(socket.SHUT_RDWR)
    new.close()
    assert bodies == [b"old", b"new", b"old", b"new"]
