"""The plain way through the door, and what the client refuses before anything leaves."""

from __future__ import annotations

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from integrations.crypto.masking import MASK
from integrations.exceptions import ConfigurationError, InvalidInput, TransportError
from integrations.outbound import Call, Client
from integrations.outbound.resolver import use_resolver
from tests.outbound.conftest import get, pay
from tests.outbound.servers import answer, in_turn


def test_a_call_brings_the_answer_back(serve, client_for):
    server = serve(answer(200, b'{"ResponseCode": "0", "Amount": 10.10}', {"X-Id": "7"}))
    response = client_for(server).send(pay(server, json={"Amount": 1, "Note": "chai \u2615"}))
    assert (response.status, response.headers["x-ID"]) == (200, "7")
    assert response.json() == {"ResponseCode": "0", "Amount": Decimal("10.10")}
    assert 0 < response.elapsed < 5
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/pay")
    assert request.body.decode() == '{"Amount": 1, "Note": "chai \u2615"}'
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Accept-Encoding"] == "identity"
    assert request.headers["User-Agent"].startswith("BengoERP")


@pytest.mark.parametrize("status", [400, 401, 404, 405, 409, 500, 503])
def test_an_answer_of_any_status_is_returned_not_raised(serve, client_for, status):
    server = serve(answer(status, b'{"errorCode": "404.001.03"}'))
    response = client_for(server).send(pay(server))
    assert (response.status, response.json()["errorCode"]) == (status, "404.001.03")
    assert len(server.requests) == 1


def test_steady_state_is_one_request_and_no_new_connection_per_call(serve, client_for):
    server = serve()
    client = client_for(server)
    for _ in range(10):
        client.send(pay(server))
    assert (len(server.requests), server.connections) == (10, 1)


def test_a_second_client_of_the_same_credential_uses_the_same_connection(serve, client_for):
    server = serve()
    client_for(server).send(pay(server))
    client_for(server).send(pay(server))
    assert server.connections == 1
    client_for(server, credential="c2").send(pay(server))
    assert server.connections == 2


def test_threads_keep_their_connections_in_the_common_pool(serve, client_for):
    together = threading.Barrier(4)

    def meet(handler, request):
        together.wait(5)
        answer()(handler, request)

    server = serve(meet)
    client = client_for(server)
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            list(threads.map(lambda _: client.send(pay(server)), range(4)))
    assert (len(server.requests), server.connections) == (20, 4)


def test_a_connection_that_was_idle_too_long_is_not_trusted_with_a_payment(serve, client_for):
    server = serve()
    client = client_for(server, idle_seconds=0.05)
    client.send(pay(server))
    time.sleep(0.1)
    client.send(pay(server))
    assert (len(server.requests), server.connections) == (2, 2)


def test_a_connection_that_the_provider_closed_is_replaced_before_sending(serve, client_for):
    def once(handler, request):
        answer()(handler, request)
        handler.close_connection = True

    server = serve(once)
    client = client_for(server)
    client.send(pay(server))
    time.sleep(0.1)
    assert client.send(pay(server)).status == 200
    assert (len(server.requests), server.connections) == (2, 2)


def test_cookies_are_not_kept(serve, client_for):
    server = serve(answer(headers={"Set-Cookie": "session=abc; Path=/"}))
    client = client_for(server)
    client.send(pay(server))
    client.send(pay(server))
    assert "Cookie" not in server.requests[1].headers


def test_a_redirect_is_returned_and_not_followed(serve, client_for):
    other = serve()
    server = serve(answer(302, b"moved", {"Location": other.url("/elsewhere")}))
    response = client_for(server, hosts=frozenset({server.place, other.place})).send(get(server))
    assert (response.status, response.body) == (302, b"moved")
    assert other.connections == 0


def test_a_host_that_the_secrets_were_not_entered_for_gets_nothing(serve, client_for):
    ours, other = serve(), serve()
    with pytest.raises(ConfigurationError, match="Enter the secrets again") as caught:
        client_for(ours).send(get(other))
    assert caught.value.code == "host_not_confirmed"
    assert (ours.connections, other.connections) == (0, 0)


def test_an_unconfirmed_host_is_not_even_looked_up():
    asked = []
    with use_resolver(lambda host, port: asked.append(host) or []):
        client = Client("mpesa", credential="c", hosts=frozenset({"api.example.com:443"}))
        with pytest.raises(ConfigurationError):
            client.send(Call("q", "GET", "https://evil.example.com/"))
        with pytest.raises(TransportError):
            client.send(Call("q", "GET", "https://api.example.com/", retry=1))
    assert asked == ["api.example.com"]


@pytest.mark.parametrize(
    "parts",
    [
        {"json": {"Password": MASK}},
        {"json": {"deep": [{"list": ("a", f"x{MASK}")}]}},
        {"json": {"Password": base64.b64encode(f"174379{MASK}20260101".encode()).decode()}},
        {"headers": {"Authorization": f"Bearer {MASK}"}},
        {"headers": {"Authorization": "Basic " + base64.b64encode(f"k:{MASK}".encode()).decode()}},
    ],
)
def test_the_mask_of_a_secret_never_leaves(serve, client_for, parts):
    server = serve()
    with pytest.raises(InvalidInput, match="mask"):
        client_for(server).send(pay(server, **parts))
    assert server.connections == 0


@pytest.mark.parametrize("path", [f"/?key={MASK}", "/?key=" + "%E2%80%A2" * 8])
def test_the_mask_of_a_secret_never_leaves_in_a_url(serve, client_for, path):
    server = serve()
    with pytest.raises(InvalidInput, match="mask"):
        client_for(server).send(get(server, path))
    assert server.connections == 0


@pytest.mark.parametrize(
    "parts",
    [
        {"json": {"Amount": Decimal("1")}},
        {"json": {"Amount": float("nan")}},
        {"headers": {"X-Name": "a\r\nX-Evil: 1"}},
        {"headers": {"X-Name": "caf\u2615"}},
    ],
)
def test_what_http_or_json_cannot_carry_is_refused_by_field(serve, client_for, parts):
    server = serve()
    with pytest.raises(InvalidInput, match=next(iter(parts))):
        client_for(server).send(pay(server, **parts))
    assert server.requests == []


def test_environment_proxies_and_netrc_have_no_say(serve, client_for, monkeypatch, tmp_path):
    proxy, server = serve(allow=False), serve()
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url())
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert client_for(server).send(get(server)).status == 200
    assert proxy.connections == 0
    assert "Authorization" not in server.requests[0].headers


def test_reprs_hold_no_body_and_no_header(serve, client_for):
    server = serve(in_turn(answer(200, b'{"access_token": "t0psecret"}', {"X-Key": "t0psecret"})))
    call = pay(
        server, json={"Password": "t0psecret"}, headers={"Authorization": "Bearer t0psecret"}
    )
    response = client_for(server).send(call)
    assert "t0psecret" not in repr(call) + repr(response)
