"""Section 2: the token endpoint."""

from __future__ import annotations

import pytest
import requests

from tests.sandbox.daraja import Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.wire import assert_answer, load_wire

GENERATE = "/oauth/v1/generate"


def test_the_request_of_the_wire_file_earns_a_token(sandbox: SandboxDriver) -> None:
    wire = load_wire("oauth_request")
    response = requests.request(
        wire["method"], sandbox.daraja_url + wire["path"], headers=wire["headers"], timeout=10
    )
    assert_answer(response, "oauth_answer")


@pytest.mark.parametrize("header", [None, "Bearer abc", "Digest abc", ""])
def test_anything_but_basic_is_refused(shop: Shop, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    url = f"{shop.base_url}{GENERATE}?grant_type=client_credentials"
    assert_answer(requests.get(url, headers=headers, timeout=10), "oauth_wrong_auth_type")


@pytest.mark.parametrize("query", ["", "?grant_type=password", "?grant_type="])
def test_another_grant_type_is_refused(shop: Shop, query: str) -> None:
    response = shop.session.get(shop.base_url + GENERATE + query, auth=("k", "s"), timeout=10)
    assert_answer(response, "oauth_wrong_grant_type")


@pytest.mark.parametrize("encoded", ["!!!", "a2V5", "OnNlY3JldA==", "a2V5Og==", "/w=="])
def test_credentials_that_cannot_be_read_get_an_empty_400(shop: Shop, encoded: str) -> None:
    url = f"{shop.base_url}{GENERATE}?grant_type=client_credentials"
    headers = {"Authorization": f"Basic {encoded}"}
    assert_answer(requests.get(url, headers=headers, timeout=10), "oauth_wrong_credentials")


def test_a_registered_app_needs_its_own_secret(sandbox: SandboxDriver, shop: Shop) -> None:
    sandbox.app("shop-key", "shop-secret")
    assert_answer(shop.ask_token("shop-key", "shop-secret"), "oauth_answer")
    assert_answer(shop.ask_token("shop-key", "other"), "oauth_wrong_credentials")
    assert_answer(shop.ask_token("anybody", "anything"), "oauth_answer")


def test_keys_can_be_refused_one_by_one_or_all_but_the_registered(
    sandbox: SandboxDriver, shop: Shop
) -> None:
    sandbox.app("wrong", "x", refused=True)
    assert_answer(shop.ask_token("wrong", "x"), "oauth_wrong_credentials")
    sandbox.tokens(open=False)
    assert_answer(shop.ask_token("anybody", "anything"), "oauth_wrong_credentials")


def test_the_token_call_is_a_get(shop: Shop) -> None:
    assert_answer(shop.post(f"{GENERATE}?grant_type=client_credentials"), "error_wrong_verb")


def test_a_token_expires_after_3599_seconds(sandbox: SandboxDriver, shop: Shop) -> None:
    sandbox.settings(timestamp_tolerance=None)
    assert shop.token
    sandbox.advance(3590)
    assert shop.push().status_code == 200
    sandbox.advance(10)
    assert_answer(shop.push(), "error_token_404_001_03")


def test_a_token_can_be_invalidated_early(sandbox: SandboxDriver, shop: Shop) -> None:
    assert shop.push().status_code == 200
    assert sandbox.tokens(invalidate=True)["invalidated"] == 1
    assert_answer(shop.query("ws_CO_1"), "error_token_404_001_03")


def test_only_in_strict_mode_a_newer_token_cancels_the_older(
    sandbox: SandboxDriver, shop: Shop
) -> None:
    first = shop.token
    shop.ask_token()
    assert shop.query("ws_CO_1").status_code == 500
    sandbox.tokens(newest_only=True)
    newest = shop.ask_token().json()["access_token"]
    shop.ask_token("another app", "secret")
    assert_answer(shop.query("ws_CO_1"), "error_token_404_001_03")
    shop.token = newest
    assert_answer(shop.query("ws_CO_1"), "stk_query_unknown")
    assert first != newest


def test_a_product_that_is_not_ticked_is_refused_whatever_the_token(
    sandbox: SandboxDriver, shop: Shop
) -> None:
    sandbox.app("key", "secret", products=["stk_query"])
    assert_answer(shop.push(), "error_product_missing")
    assert_answer(shop.query("ws_CO_1"), "stk_query_unknown")
