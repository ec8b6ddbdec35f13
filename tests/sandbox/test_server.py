"""The server: loopback only, kept-alive connections, bad HTTP, and the control API's guard."""

from __future__ import annotations

import http.client
import socket
import threading
from urllib.parse import urlsplit

import pytest
import requests

from integrations.sandbox.server import Sandbox
from tests.sandbox.daraja import Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.receiver import Receiver
from tests.sandbox.wire import assert_answer


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.10", "::", "example.com", ""])
def test_it_listens_on_loopback_addresses_only(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Sandbox(host=host)


@pytest.mark.parametrize("path", ["/", "/nothing", "/oauth/v1/generate/", "/mpesa/b2c/v9/pay"])
def test_an_unknown_path_below_daraja_is_404_in_its_envelope(shop: Shop, path: str) -> None:
    assert_answer(shop.session.get(shop.base_url + path, timeout=10), "error_unknown_path")


def test_an_unknown_path_elsewhere_is_404_too(sandbox: SandboxDriver) -> None:
    assert_answer(requests.get(f"{sandbox.base_url}/oauth/v1/generate", timeout=10),
                  "error_unknown_path")  # fmt: skip


def test_a_connection_is_kept_alive_through_successes_and_refusals(
    sandbox: SandboxDriver, shop: Shop
) -> None:
    assert shop.push().status_code == 200
    before = sandbox.counters()
    for _ in range(5):
        assert shop.push(Amount=0).status_code == 400
        assert shop.query("ws_CO_1").status_code == 500
    after = sandbox.counters()
    assert after["connections"] == before["connections"]
    assert after["stk_push"] - before["stk_push"] == 5
    assert (after["stk_query"], after["oauth"], after["tokens_issued"]) == (5, 1, 1)


def test_each_answer_is_written_without_delay(shop: Shop) -> None:
    seconds = [shop.query("ws_CO_1").elapsed.total_seconds() for _ in range(20)]
    # Nagle's algorithm with delayed acknowledgements would cost 40 ms each.
    assert sorted(seconds)[10] < 0.03


@pytest.mark.parametrize("host", ["attacker.example", "127.0.0.1.attacker.example", "192.168.1.5"])
@pytest.mark.parametrize("path", ["/", "/_control/book", "/mpesa-daraja/oauth/v1/generate"])
def test_a_name_that_was_rebound_to_this_machine_is_refused(
    sandbox: SandboxDriver, host: str, path: str
) -> None:
    response = requests.get(sandbox.base_url + path, headers={"Host": host}, timeout=10)
    assert response.status_code == 403


@pytest.mark.parametrize("host", ["localhost:8787", "127.0.0.1", "[::1]:80", "LOCALHOST"])
def test_loopback_names_are_served(sandbox: SandboxDriver, host: str) -> None:
    url = f"{sandbox.base_url}/_control/counters"
    assert requests.get(url, headers={"Host": host}, timeout=10).status_code == 200


def test_another_page_cannot_steer_the_sandbox(sandbox: SandboxDriver, shop: Shop) -> None:
    shop.push()
    url = f"{sandbox.base_url}/_control/reset"
    for headers in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"X-Sandbox": "0"}):
        assert requests.post(url, headers=headers, timeout=10).status_code == 403
    preflight = requests.options(url, headers={"Origin": "http://evil.example"}, timeout=10)
    assert "Access-Control-Allow-Origin" not in preflight.headers
    assert len(sandbox.prompts()) == 1
    assert requests.post(url, headers={"Origin": sandbox.base_url}, timeout=10).status_code == 200
    assert sandbox.prompts() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing", b"", 404),
        ("POST", "nothing", b"", 404),
        ("DELETE", "book", b"", 405),
        ("POST", "clock", b"{", 400),
        ("POST", "clock", b"[]", 400),
        ("POST", "clock", b'{"advance": "soon"}', 400),
        ("POST", "clock", b'{"advance": NaN}', 400),
        ("POST", "clock", b'{"advance": 1e300}', 400),
        ("POST", "mpesa-daraja/dance", b"{}", 400),
        ("POST", "mpesa-daraja/settings", b'{"is_strict": 1}', 400),
        ("POST", "mpesa-daraja/settings", b'{"colour": "red"}', 400),
        ("POST", "mpesa-daraja/settings", b'{"pending_form": "maybe"}', 400),
        ("POST", "mpesa-daraja/settings", b'{"answer_seconds": null}', 400),
        ("POST", "mpesa-daraja/settings", b'{"answer_seconds": Infinity}', 400),
        ("POST", "mpesa-daraja/scenarios", b'{"times": 0}', 400),
        ("POST", "mpesa-daraja/scenarios", b'{"outcome": ""}', 400),
        ("POST", "mpesa-daraja/scenarios", b'{"seconds": -1}', 400),
        ("POST", "mpesa-daraja/scenarios", b'{"seconds": "x"}', 400),
        ("POST", "mpesa-daraja/apps", b"{}", 400),
        ("POST", "mpesa-daraja/apps", b'{"key": "k", "products": 1}', 400),
        ("POST", "mpesa-daraja/shortcodes", b'{"shortcode": "600999"}', 400),
        ("POST", "mpesa-daraja/shortcodes",
         b'{"shortcode": "600999", "passkey": "x", "kind": "bank"}', 400),
    ],
)  # fmt: skip
def test_a_wrong_control_request_is_explained(
    sandbox: SandboxDriver, method: str, path: str, body: bytes, status: int
) -> None:
    url = f"{sandbox.base_url}/_control/{path}"
    response = requests.request(method, url, data=body, headers={"X-Sandbox": "1"}, timeout=10)
    assert response.status_code == status
    assert response.json()["error"]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: 99999999\r\n", 413),
        (b"Content-Length: -5\r\n", 400),
        (b"Content-Length: many\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n", 411),
    ],
)
def test_a_body_of_unknown_or_huge_length_is_refused(
    sandbox: SandboxDriver, head: bytes, status: int
) -> None:
    address = urlsplit(sandbox.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as raw:
        raw.sendall(b"POST /mpesa-daraja/x HTTP/1.1\r\nHost: 127.0.0.1\r\n" + head + b"\r\n")
        response = http.client.HTTPResponse(raw)
        response.begin()
        assert response.status == status
        assert response.getheader("Connection") == "close"


def test_a_client_that_asks_before_sending_its_body_is_told_to_go_on(
    sandbox: SandboxDriver,
) -> None:
    address = urlsplit(sandbox.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as raw:
        raw.sendall(
            b"POST /mpesa-daraja/x HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        assert raw.recv(100).startswith(b"HTTP/1.1 100")
        raw.sendall(b"{}")
        assert raw.recv(100).startswith(b"HTTP/1.1 404")


def test_pushes_in_parallel_are_all_entered_once(
    sandbox: SandboxDriver, receiver: Receiver
) -> None:
    def push(number: int) -> None:
        shop = Shop(sandbox.daraja_url, receiver.url)
        for step in range(5):
            shop.pushed_id(PhoneNumber=f"2547120{number:02}{step:03}")
        shop.session.close()

    threads = [threading.Thread(target=push, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sandbox.settle()
    book = sandbox.book()
    assert [prompt["id"] for prompt in book["prompts"]] == list(range(1, 41))
    assert len(set(book["receipts"])) == 40
    assert book["sums"] == {"prompts": 40, "pending": 0, "paid": 40, "paid_kes": 40 * 150}
    ids = {received.callback["CheckoutRequestID"] for received in receiver.received}
    assert ids == {prompt["checkout_request_id"] for prompt in book["prompts"]}


def test_a_reset_puts_everything_back(sandbox: SandboxDriver, shop: Shop) -> None:
    sandbox.scenario("cancel", seconds=1000, times=None)
    sandbox.settings(is_strict=True, is_interactive=True)
    sandbox.tokens(open=False)
    sandbox.fault("drop", operation="stk_query")
    sandbox.advance(-100)
    sandbox.reset()
    assert sandbox.book()["sums"] == {"prompts": 0, "pending": 0, "paid": 0, "paid_kes": 0}
    assert sandbox.book()["settings"]["is_strict"] is False
    assert_answer(shop.ask_token(), "oauth_answer")
    shop.push(AccountReference="longer than twelve")
    sandbox.settle()
    assert sandbox.prompts()[0]["result_code"] == "0"


def test_a_stopped_sandbox_leaves_no_connection_open() -> None:
    server = Sandbox(speed=0.001).start()
    shop = Shop(server.url_of("mpesa-daraja"))
    assert shop.token
    threads = threading.active_count()
    server.stop()
    with pytest.raises(requests.ConnectionError):
        shop.ask_token()
    for thread in threading.enumerate():
        if thread.name.startswith("Thread-") and "process_request" in thread.name:
            thread.join(2)
    assert threading.active_count() < threads
