"""No parcel reaches a listener that is forbidden, whatever the URL, the resolver, the redirect or
the environment says: it counts the connections that it accepts.

Webhooks reference, section 6. Tables and listener are those of tests/outbound/forbidden.py.

Names are looked up by `use_resolver`, the place where the courier asks too. libcurl connects by
itself, so what would leave this machine is stopped where its socket is made (`outside`).
"""

from __future__ import annotations

import ipaddress
import random
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations.models import AttemptOutcome
from integrations.outbound.resolver import Address, use_resolver
from integrations.webhooks import engine, handles, lookups
from integrations.webhooks.courier import Courier
from tests.outbound.forbidden import RANGES, edges, listener, odd_spelling, tricks
from tests.webhooks.hostile import OK, always, courier, deliver, one, parcel, receive, says

__all__ = ["courier", "listener", "receive"]
pytestmark = pytest.mark.stackless
BLOCKED, CONNECT = AttemptOutcome.BLOCKED, AttemptOutcome.CONNECT
PUBLIC, PUBLIC_6 = "93.184.216.34", "2606:4700::1111"


@pytest.fixture(autouse=True)
def outside(listener: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The addresses beyond loopback that were about to be connected to.

    Every test of this file ends with this: no accept, and none but public addresses here.
    """
    settings.OUTBOUND_ALLOWED_HOSTS = []
    attempts: list[str] = []
    really = handles.open_socket

    def open_socket(address: Any) -> Any:
        where = ipaddress.ip_address(address.addr[0])
        if not (where.is_loopback or where.is_unspecified):
            attempts.append(address.addr[0])
            raise ConnectionRefusedError(111, "nobody lives there")
        return really(address)

    monkeypatch.setattr(handles, "open_socket", open_socket)
    yield attempts
    time.sleep(0.02)
    assert listener.hits == []
    assert [address for address in attempts if address not in (PUBLIC, PUBLIC_6)] == []


def _address(text: str, port: int) -> Address:
    if ":" in text:
        return Address(socket.AF_INET6, socket.SOCK_STREAM, 6, (text, port, 0, 0))
    return Address(socket.AF_INET, socket.SOCK_STREAM, 6, (text, port))


def answers(*lists: list[str]) -> Any:
    """A resolver that gives these lists of addresses in turn, the last one for ever."""
    left = list(lists)

    def resolve(host: str, port: int) -> list[Any]:
        chosen = left.pop(0) if len(left) > 1 else left[0]
        return [_address(address, port) for address in chosen]

    return use_resolver(resolve)


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer of the resolver is remembered."""
    for name in ("FRESH", "GOOD", "FAILED"):
        monkeypatch.setattr(lookups, name, 0.0)


# --- literals and spellings -----------------------------------------------------------------


def test_no_address_of_the_table_is_called_as_a_literal(courier, listener):
    sent = []
    for address in edges():
        host = f"[{address}]" if ":" in address else address
        sent += [parcel(f"{scheme}://{host}:{listener.port}/") for scheme in ("https", "http")]
    assert len(sent) > 2 * 40
    for reply in deliver(courier, *sent):
        assert (reply.outcome, reply.status) == (BLOCKED, None), reply


def test_no_trick_of_a_url_leads_to_the_listener(courier, listener):
    urls = tricks(listener.port)
    assert len(urls) > 40
    for path in ("", "/", "/hook?x=1"):
        for reply in deliver(courier, *[parcel(url + path) for url in urls]):
            assert reply.outcome == BLOCKED, reply
            assert "127.0.0.1" not in reply.error


def test_below_the_check_of_texts_the_guard_judges_the_socket(courier, listener, monkeypatch):
    """The same tricks, past the check: what libcurl itself makes of them is judged where it
    connects, or is no URL to it."""
    monkeypatch.setattr(lookups, "is_forbidden", lambda address: False)
    for url in tricks(listener.port):
        target = handles.Target(url, "x", "x", listener.port, True, False, url.startswith("https"))
        monkeypatch.setattr(engine.Targets, "find", lambda self, _, target=target: target)
        reply = one(courier, url, timeout=5.0)
        assert reply.status is None, url
        assert reply.outcome != AttemptOutcome.TIMEOUT, url


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(network=st.sampled_from(RANGES), position=st.integers(0, 2**128), seed=st.integers(0, 2**32))
def test_no_odd_spelling_of_any_forbidden_address_is_called(
    courier: Courier, listener: Any, network: str, position: int, seed: int
) -> None:
    where = ipaddress.ip_network(network)
    address = where[position % where.num_addresses]
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return
    spelling = odd_spelling(str(address), random.Random(seed))
    reply = one(courier, f"https://{spelling}:{listener.port}/")
    assert (reply.outcome, reply.status) == (BLOCKED, None), spelling


# --- resolvers ------------------------------------------------------------------------------


def test_no_address_of_the_table_is_called_as_an_answer_of_the_resolver(
    courier, listener, outside, caplog
):
    for number, address in enumerate(edges()):
        for place, found in enumerate(
            ([address], [PUBLIC, address], [address, PUBLIC], [PUBLIC_6, PUBLIC, address])
        ):
            with answers(found):
                reply = one(courier, f"https://h{number}-{place}.example.com:{listener.port}/")
            assert (reply.outcome, reply.status) == (BLOCKED, None), found
            assert address not in reply.error
            assert address in caplog.text, "the operator's log names it"
            caplog.clear()
    assert outside == []


FLIPS = {
    "public, then inside": ([PUBLIC], ["127.0.0.1"]),
    "public twice, then inside": ([PUBLIC], [PUBLIC_6], ["::1"]),
    "mixed, then inside": ([PUBLIC, PUBLIC_6], [PUBLIC, "127.0.0.1"], ["127.0.0.1"]),
    "inside, then public": (["127.0.0.1"], [PUBLIC]),
    "public, then mapped": ([PUBLIC], ["::ffff:127.0.0.1"]),
    "public, then unspecified": ([PUBLIC], ["0.0.0.0"], ["::"]),
    "public, then nothing, then inside": ([PUBLIC], [], ["127.0.0.1"]),
}


@pytest.mark.parametrize("name", FLIPS)
def test_a_resolver_that_flips_between_attempts_gains_nothing(
    courier, listener, forgetful, outside, name
):
    """A real lookup before each attempt; what it answered then is what libcurl connects to."""
    with answers(*FLIPS[name]):
        for _ in range(6):
            reply = one(courier, f"https://api.example.com:{listener.port}/")
            assert reply.outcome in (BLOCKED, CONNECT, AttemptOutcome.DNS)
            assert "127.0.0.1" not in reply.error
    assert set(outside) <= {PUBLIC, PUBLIC_6}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"])
def test_between_check_and_use_the_address_of_the_socket_is_judged(
    courier, listener, monkeypatch, caplog, address
):
    """The gap itself: the check saw nothing wrong, and libcurl was told the listener's address."""
    monkeypatch.setattr(lookups, "is_forbidden", lambda address: False)
    with answers([address]):
        reply = one(courier, f"https://api.example.com:{listener.port}/")
    assert (reply.outcome, reply.status) == (BLOCKED, None)
    assert "internal or reserved network" in reply.error
    assert "is forbidden" in caplog.text


def test_lookups_of_libcurl_itself_are_judged_too(courier, listener, monkeypatch):
    """Should it ever ask the system by itself, for want of an address: the guard still stands."""
    monkeypatch.setattr(handles.Handle, "tell", lambda self, answer: None)
    monkeypatch.setattr(lookups, "is_forbidden", lambda address: False)
    monkeypatch.setattr(engine.Targets, "find", _anything)
    with answers([PUBLIC]):
        for scheme in ("http", "https"):
            reply = one(courier, f"{scheme}://localhost:{listener.port}/")
            assert (reply.outcome, reply.status) == (BLOCKED, None)


def _anything(self: Any, url: str) -> handles.Target:
    port = int(url.rstrip("/").rpartition(":")[2])
    return handles.Target(
        url, f"localhost:{port}", "localhost", port, False, False, url.startswith("https")
    )


def test_a_lookup_counts_whatever_libcurl_would_find(courier, receive):
    """The name exists in no resolver but ours."""
    receiver = receive(always(OK), names=("hook.example.com",))
    with answers(["127.0.0.1"]):
        assert one(courier, receiver.url(host="hook.example.com")).status == 200


# --- redirects ------------------------------------------------------------------------------

LOCATIONS = (
    "http://127.0.0.1:PORT/", "https://127.0.0.1:PORT/", "//127.0.0.1:PORT/x", "http://[::1]:PORT/",
    "http://localhost:PORT/", "HTTP://127.1:PORT", "/\\127.0.0.1:PORT/", "http:127.0.0.1:PORT",
    "http://good.example@127.0.0.1:PORT/",
)  # fmt: skip


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
def test_no_redirect_of_an_allowed_host_is_followed(courier, receive, listener, status):
    for location in LOCATIONS:
        place = location.replace("PORT", str(listener.port))
        answer = (
            f"HTTP/1.1 {status} M\r\nLocation: {place}\r\nRefresh: 0;url={place}\r\n"
            f'Alt-Svc: h2="127.0.0.1:{listener.port}"\r\nContent-Length: 0\r\n\r\n'
        )
        receiver = receive(says(answer.encode(), OK))
        reply = one(courier, receiver.url())
        assert (reply.outcome, reply.status) == (AttemptOutcome.REDIRECT, status)
        assert one(courier, receiver.url()).status == 200
        assert receiver.connections == 1


# --- proxies, passwords, exceptions ---------------------------------------------------------


@pytest.fixture
def hostile_environment(monkeypatch: pytest.MonkeyPatch, listener: Any, tmp_path: Any) -> None:
    """The listener as everybody's proxy, and as the machine whose password is in ~/.netrc."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "socks_proxy"):
        for spelled in (name, name.upper()):
            monkeypatch.setenv(spelled, f"http://127.0.0.1:{listener.port}")
    for spelled in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(spelled, "*.good.example")
    (tmp_path / ".netrc").write_text("default login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_neither_proxies_nor_passwords_of_the_environment_are_used(
    hostile_environment, courier, receive, outside
):
    seen = []

    def script(line):
        seen.append(line.request())
        line.send(OK)

    receiver = receive(script)
    assert one(courier, receiver.url()).status == 200
    assert seen[0].startswith(b"POST / HTTP/1.1")
    assert b"authorization" not in seen[0].lower()
    with answers([PUBLIC]):
        one(courier, "https://api.example.com/")
    assert outside == [PUBLIC]


def test_an_exception_for_one_place_is_none_for_its_neighbours(
    courier, receive, settings, listener
):
    allowed = receive(always(OK))
    port = listener.port
    settings.OUTBOUND_ALLOWED_HOSTS = [
        allowed.place, f"localhost:{allowed.port}", f"[::1]:{allowed.port}", f"127.0.0.2:{port}",
        f"printer.example.com:{allowed.port}", f"example.com:{port}",
    ]  # fmt: skip
    with answers(["127.0.0.1"]):
        for url in (
            f"http://127.0.0.1:{port}/", f"https://127.0.0.1:{port}/", f"http://localhost:{port}/",
            f"http://[::1]:{port}/", f"http://127.0.0.3:{port}/", f"http://127.2:{port}/",
            f"http://[::ffff:127.0.0.2]:{port}/", f"http://printer.example.com:{port}/",
            f"https://printer.example.com:{port}/", f"http://127.0.0.2.:{port}/",
            f"https://www.example.com:{port}/", f"https://example.com.evil.example:{port}/",
            f"http://[::ffff:127.0.0.1]:{allowed.port}/", f"http://127.1:{allowed.port}/",
        ):  # fmt: skip
            assert one(courier, url).outcome == BLOCKED, url
    assert allowed.connections == 0


def test_a_kept_connection_serves_no_other_place_and_no_withdrawn_exception(
    courier, receive, settings, listener
):
    receiver = receive(always(OK), names=("hook.example.com",))
    with answers(["127.0.0.1"]):
        for url in (receiver.url(), receiver.url(host="hook.example.com")):
            assert one(courier, url).status == 200
        assert receiver.connections == 2
        # The same address and port, where two connections stand open: not under another name.
        for host in ("other.example.com", "localhost", "127.0.0.2"):
            for scheme in ("http", "https"):
                reply = one(courier, f"{scheme}://{host}:{receiver.port}/")
                assert reply.outcome == BLOCKED
        here = f"127.0.0.1:{listener.port}"
        for path in ("/", f"//{here}/", f"/http://{here}/", f"/..//{here}", f"/@{here}"):
            assert one(courier, receiver.url(path)).status == 200
        settings.OUTBOUND_ALLOWED_HOSTS = []
        for url in (receiver.url(), receiver.url(host="hook.example.com")):
            assert one(courier, url).outcome == BLOCKED
        settings.OUTBOUND_ALLOWED_HOSTS.append(receiver.place)  # changed in place
        assert one(courier, receiver.url()).status == 200
    assert receiver.connections == 2


def test_https_is_demanded_unless_the_operator_lists_the_place(courier, receive, settings):
    receiver = receive(always(OK), allow=False)
    settings.DEBUG = True
    reply = one(courier, receiver.url())
    assert (reply.outcome, reply.error) == (BLOCKED, "URL: must begin with https://.")
    with answers([PUBLIC]):
        assert one(courier, "http://api.example.com/").outcome == BLOCKED
        assert one(courier, "https://api.example.com:80/").outcome == BLOCKED
    settings.OUTBOUND_ALLOWED_HOSTS = [receiver.place]
    assert one(courier, receiver.url()).status == 200


def test_a_mistake_in_the_operators_list_sends_nothing(courier, receive, settings, caplog):
    receiver = receive(always(OK))
    settings.OUTBOUND_ALLOWED_HOSTS = [receiver.place, "*.example.com"]
    reply = one(courier, receiver.url())
    assert reply.outcome == AttemptOutcome.CONFIGURATION
    assert "example.com" not in reply.error and "OUTBOUND_ALLOWED_HOSTS" in caplog.text
    assert receiver.connections == 0
