"""What we send to Daraja, judged by wire files that neither side made."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.callback_address import (
    FORBIDDEN_WORDS,
    check_callback_base,
    check_callback_words,
)
from integrations.exceptions import ConfigurationError
from integrations.providers.mpesa.payloads import (
    StkPush,
    clean_text,
    password_for,
    stk_push_body,
    stk_query_body,
    timestamp_at,
)
from tests.conftest import PASSKEY
from tests.sandbox.wire import load_wire

# 09:30:05 in Nairobi.
NOW = datetime(2026, 1, 14, 6, 30, 5, tzinfo=UTC)


def push(**changes: Any) -> StkPush:
    values = {
        "phone": "254712000001",
        "amount": 150,
        "account_reference": "INV001",
        "description": "Order 1",
        "transaction_type": "CustomerPayBillOnline",
        "short_code": "174379",
        "party_b": "174379",
        **changes,
    }
    return StkPush(**values)


TILL = push(transaction_type="CustomerBuyGoodsOnline", short_code="5310080", party_b="9310081")


@pytest.mark.parametrize(
    ("request_", "wire"), [(push(), "stk_push_request"), (TILL, "stk_push_request_till")]
)
def test_a_push_is_the_documented_message(request_: StkPush, wire: str) -> None:
    expected = load_wire(wire)["body"]
    body = stk_push_body(request_, passkey=PASSKEY, callback_url=expected["CallBackURL"], now=NOW)
    assert body == expected
    assert list(body) == list(expected)
    assert type(body["Amount"]) is int


def test_a_query_is_the_documented_message() -> None:
    expected = load_wire("stk_query_request")["body"]
    body = stk_query_body(
        short_code="174379",
        passkey=PASSKEY,
        checkout_id=expected["CheckoutRequestID"],
        now=NOW,
    )
    assert body == expected


def test_the_timestamp_is_that_of_nairobi_and_the_one_in_the_password() -> None:
    late = datetime(2026, 12, 31, 21, 0, 0, tzinfo=UTC)
    assert timestamp_at(late) == "20270101000000"
    body = stk_query_body(short_code="174379", passkey="p", checkout_id="x", now=late)
    assert base64.b64decode(body["Password"]).decode() == "174379p20270101000000"
    assert password_for("1", "2", "3") == base64.b64encode(b"123").decode()


@pytest.mark.parametrize(
    "base",
    [
        "http://erp.example.ke",
        "https://localhost",
        "https://127.0.0.1",
        "https://10.0.0.5:8443",
        "https://192.168.1.9",
        "https://100.64.0.1",
        "https://[::1]",
        "https://erp.local",
        "https://erp",
        "ftp://erp.example.ke",
        "erp.example.ke",
        "https://",
        "https://erp example.ke",
        "https://erp.example.ke?x=1",
        "https://erp.example.ke/#a",
        "https://user:word@erp.example.ke",
        "https://erp.example.ke:99999",
        "https://[::1",
        "",
        "   ",
    ],
)
def test_production_refuses_a_base_that_safaricom_cannot_call(base: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_callback_base(base, "production")
    assert caught.value.code in ("callback_url", "no_callback_url")
    assert "word@" not in str(caught.value)


def test_a_good_base_loses_its_slash_and_capitals_in_the_host() -> None:
    assert check_callback_base("https://ERP.Example.KE/Hub/", "production") == (
        "https://erp.example.ke/Hub"
    )
    assert check_callback_base("http://127.0.0.1:8000/", "sandbox") == "http://127.0.0.1:8000"


@pytest.mark.parametrize("word", FORBIDDEN_WORDS)
def test_forbidden_words_are_named(word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        check_callback_base(f"https://erp.example.ke/{word.upper()}/x", "sandbox")
    with pytest.raises(ConfigurationError):
        check_callback_words(f"https://{word}.example.ke")


def test_a_provider_s_text_is_cleaned_for_the_database() -> None:
    assert clean_text(" a\x00b\ud800c ", 10) == "ab?c"
    assert clean_text("x" * 50, 40) == "x" * 40
