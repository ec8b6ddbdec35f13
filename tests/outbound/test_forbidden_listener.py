"""A listener that no call may reach is reached by none, whatever the URL, the resolver, the
redirect or the environment says: it counts the connections that it accepts.

Webhooks reference, section 6. The resolver is the system's, with answers of the test's choice.
"""

from __future__ import annotations

import ipaddress
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.exceptions import ConfigurationError, InvalidInput, TransportError
from integrations.outbound import Call, Client, check_typed_url, gate, host_port, sockets
from integrations.outbound.connections import GuardedHTTPConnection
from tests.conftest import clear_shared
from tests.outbound.conftest import get, limits
from tests.outbound.forbidden import (
    RANGES,
    ForbiddenListener,
    Internet,
    edges,
    internet,
    listener,
    odd_spelling,
    tricks,
)
from tests.outbound.servers import answer, in_turn

__all__ = ["internet", "listener"]
pytestmark = pytest.mark.django_db
PUBLIC, PUBLIC_6 = "93.184.216.34", "2606:4700::1111"


@pytest.fixture(autouse=True)
def nobody_is_reached(
    listener: ForbiddenListener, internet: Internet, settings: Any
) -> Iterator[None]:
    """Every test of this file ends with this: no accept, no attempt outside the public net."""
    settings.INTEGRATIONS_RATE_LIMITS = {"mpesa": [10_000, 10_000]}
    yield
    time.sleep(0.02)
    assert listener.hits == []
    assert [address for address in internet.attempts if address not in (PUBLIC, PUBLIC_6)] == []


def send(url: str, *, method: str = "GET", **options: Any) -> Exception:
    """Call a URL for which the credentials were entered; the error that stopped it."""
    try:
        hosts = frozenset({host_port(url)})
    except InvalidInput:
        hosts = frozenset({"good.example:443"})
    client = Client("mpesa", credential=url, hosts=hosts, sleep=lambda seconds: None)
    call = Call("q", method, url, idempotent=method == "GET", limits=limits(), **options)
    with pytest.raises((InvalidInput, TransportError, ConfigurationError)) as caught:
        client.send(call)
    return caught.value


def connect(host: str, port: int) -> TransportError:
    """Dial a host below the check of URLs; the guard's error."""
    bounds = sockets.Exchange(deadline=time.monotonic() + 5, connect=1, read=1)
    with sockets.serving(bounds), pytest.raises(TransportError) as caught:
        GuardedHTTPConnection(host, port).connect()
    assert not caught.value.sent
    return caught.value


def is_refused(error: Exception) -> bool:
    """By the rule for texts or by the guard, before anything left."""
    if isinstance(error, TransportError):
        return not error.sent and error.code == "blocked_address"
    return isinstance(error, InvalidInput)


# --- literals and spellings -----------------------------------------------------------------


def test_no_address_of_the_table_is_called_as_a_literal(listener: ForbiddenListener) -> None:
    for address in edges():
        host = f"[{address}]" if ":" in address else address
        for scheme in ("https", "http"):
            url = f"{scheme}://{host}:{listener.port}"
            assert is_refused(send(f"{url}/")), url
            assert is_refused(send(f"{url}/", method="POST", json={"Amount": 1})), url
            with pytest.raises(InvalidInput):
                check_typed_url(url)
        assert connect(address, listener.port).code == "blocked_address", address


def test_no_trick_of_a_url_leads_to_the_listener(listener: ForbiddenListener) -> None:
    for url in tricks(listener.port):
        assert is_refused(error := send(url)), (url, error)
        assert is_refused(send(f"{url}/oauth/v1/generate?grant_type=client_credentials")), url
        with pytest.raises(InvalidInput):
            check_typed_url(url)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(network=st.sampled_from(RANGES), position=st.integers(0, 2**128), seed=st.integers(0, 2**32))
def test_no_odd_spelling_of_any_forbidden_address_is_called(
    listener: ForbiddenListener, network: str, position: int, seed: int
) -> None:
    where = ipaddress.ip_network(network)
    address = where[position % where.num_addresses]
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return
    spelling = odd_spelling(str(address), random.Random(seed))
    assert is_refused(send(f"https://{spelling}:{listener.port}/")), spelling
    # Below the check of texts: what the system's resolver makes of it is judged, or unknown to it.
    host = spelling.strip("[]").replace("%25", "%")
    assert connect(host, listener.port).code in ("blocked_address", "dns"), spelling


# --- resolvers ------------------------------------------------------------------------------


def test_no_address_of_the_table_is_called_as_an_answer_of_the_resolver(
    listener: ForbiddenListener, internet: Internet
) -> None:
    url = f"https://api.example.com:{listener.port}/"
    for address in edges():
        for answers in (
            [address],
            [PUBLIC, address],
            [address, PUBLIC],
            [PUBLIC_6, PUBLIC, address],
        ):
            internet.answer("api.example.com", answers)
            internet.lookups.clear()
            error = send(url)
            assert isinstance(error, TransportError)
            assert (error.sent, error.code) == (False, "blocked_address"), answers
            assert address not in str(error)
            assert internet.lookups == ["api.example.com"]
    assert internet.attempts == []


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
    listener: ForbiddenListener, internet: Internet, name: str
) -> None:
    url = f"https://api.example.com:{listener.port}/"
    internet.answer("api.example.com", *FLIPS[name])
    # Each attempt looks the name up once, and goes where that answer was judged.
    for _ in range(3):
        error = send(url, retry=4)
        assert isinstance(error, TransportError) and not error.sent
        assert error.code in ("blocked_address", "connect", "dns", "breaker_open")
    assert len(internet.lookups) <= 12
    assert "127.0.0.1" not in str(error)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    answers=st.lists(
        st.lists(st.sampled_from([PUBLIC, PUBLIC_6, "127.0.0.1", "::1", "10.0.0.1"]), max_size=4),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_a_resolver_answers_only_lists_of_public_addresses_are_called(
    listener: ForbiddenListener, internet: Internet, answers: list[list[str]]
) -> None:
    gate.local.forget()
    clear_shared()
    internet.answer("api.example.com", *answers)
    before = len(internet.attempts)
    send(f"https://api.example.com:{listener.port}/", retry=6)
    called = internet.attempts[before:]
    good = [each for each in answers if all(a in (PUBLIC, PUBLIC_6) for a in each)]
    assert set(called) <= {address for each in good for address in each}


# --- redirects ------------------------------------------------------------------------------

LOCATIONS = (
    "http://127.0.0.1:PORT/", "https://127.0.0.1:PORT/", "//127.0.0.1:PORT/x", "http://[::1]:PORT/",
    "http://localhost:PORT/", "HTTP://127.1:PORT", "/\\127.0.0.1:PORT/", "http:127.0.0.1:PORT",
    "http://good.example@127.0.0.1:PORT/",
)  # fmt: skip


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
def test_no_redirect_of_an_allowed_host_is_followed(
    serve: Callable[..., Any], client_for: Callable[..., Client], listener: ForbiddenListener,
    status: int,
) -> None:  # fmt: skip
    places = [text.replace("PORT", str(listener.port)) for text in LOCATIONS]
    replies = [answer(status, b"{}", {"Location": place, "Refresh": f"0;url={place}"})
               for place in places]  # fmt: skip
    server = serve(in_turn(*[reply for reply in replies for _ in range(2)]))
    here = f"127.0.0.1:{listener.port}"
    client = client_for(server, hosts=frozenset({server.place, here}))
    for _ in places:
        assert client.send(get(server)).status == status
        assert client.send(Call("pay", "POST", server.url(), json={})).status == status
    assert len(server.requests) == 2 * len(places)


def test_no_redirect_of_a_token_request_is_followed(
    serve: Callable[..., Any], client_for: Callable[..., Client], listener: ForbiddenListener
) -> None:
    target = f"http://127.0.0.1:{listener.port}/"
    server = serve(answer(307, b"{}", {"Location": target}))
    client = client_for(server)

    def authorize(deadline: float) -> tuple[str, float]:
        response = client.send(get(server, headers={"Authorization": "Basic eDp5"}))
        raise TransportError(f"no token: {response.status}", sent=False, code="no_token")

    with pytest.raises(TransportError, match="no token: 307"):
        client.send(Call("pay", "POST", server.url(), json={}), authorize=authorize)
    assert len(server.requests) == 1


# --- proxies, passwords, exceptions ---------------------------------------------------------


@pytest.fixture
def hostile_environment(
    monkeypatch: pytest.MonkeyPatch, listener: ForbiddenListener, tmp_path: Any
) -> None:
    """The listener as everybody's proxy, and as the machine whose password is in ~/.netrc."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy", "socks_proxy"):
        for spelled in (name, name.upper()):
            monkeypatch.setenv(spelled, f"http://127.0.0.1:{listener.port}")
    for spelled in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(spelled, "*.good.example")
    (tmp_path / ".netrc").write_text("default login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))


def test_no_proxy_of_the_environment_is_asked(
    hostile_environment: None, serve: Callable[..., Any], client_for: Callable[..., Client],
    internet: Internet,
) -> None:  # fmt: skip
    server = serve()
    assert client_for(server).send(get(server)).status == 200
    assert "Authorization" not in server.requests[0].headers
    internet.answer("api.example.com", [PUBLIC])
    error = send("https://api.example.com/", retry=1)
    assert isinstance(error, TransportError) and error.code == "connect"
    assert internet.attempts == [PUBLIC]


def test_no_forbidden_literal_is_handed_to_the_proxy_of_the_settings(
    serve: Callable[..., Any], settings: Any, listener: ForbiddenListener
) -> None:
    """A proxy looks names up by itself; an address is judged before it is asked."""
    proxy = serve(allow=False)
    settings.OUTBOUND_PROXY = proxy.url().rstrip("/")
    for address in edges():
        host = f"[{address}]" if ":" in address else address
        for scheme in ("https", "http"):
            assert is_refused(send(f"{scheme}://{host}:{listener.port}/")), address
    for url in tricks(listener.port):
        assert is_refused(send(url)), url
    assert proxy.connections == 0


def test_an_exception_for_one_place_is_none_for_its_neighbours(
    serve: Callable[..., Any], settings: Any, listener: ForbiddenListener, internet: Internet
) -> None:
    allowed = serve()
    port = listener.port
    internet.answer("printer.example.com", ["127.0.0.1"])
    settings.OUTBOUND_ALLOWED_HOSTS = [
        allowed.place, f"localhost:{allowed.port}", f"[::1]:{allowed.port}", f"127.0.0.2:{port}",
        f"printer.example.com:{allowed.port}", f"example.com:{port}",
    ]  # fmt: skip
    for url in (
        f"http://127.0.0.1:{port}/", f"https://127.0.0.1:{port}/", f"http://localhost:{port}/",
        f"http://[::1]:{port}/", f"http://127.0.0.3:{port}/", f"http://[::ffff:127.0.0.2]:{port}/",
        f"http://127.2:{port}/", f"http://printer.example.com:{port}/",
        f"https://printer.example.com:{port}/", f"http://127.0.0.2.:{port}/",
        f"http://[::ffff:127.0.0.1]:{allowed.port}/", f"http://127.1:{allowed.port}/",
    ):  # fmt: skip
        assert is_refused(send(url)), url
    assert allowed.connections == 0


def test_a_kept_connection_to_an_allowed_place_serves_no_other(
    serve: Callable[..., Any], client_for: Callable[..., Client], listener: ForbiddenListener
) -> None:
    server = serve()
    here = f"127.0.0.1:{listener.port}"
    client = client_for(server, hosts=frozenset({server.place, here}))
    for path in ("/", f"//{here}/", f"/http://{here}/", f"/..//{here}"):
        assert client.send(get(server, path)).status == 200
        with pytest.raises((InvalidInput, TransportError)):
            client.send(Call("q", "GET", f"https://{here}{path}"))
    assert (len(server.requests), server.connections) == (4, 1)
