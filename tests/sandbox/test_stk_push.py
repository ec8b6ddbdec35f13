"""Sections 3, 4 and 21: what a push must look like, and in which order it is judged."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import requests

from tests.sandbox.daraja import EAT, PHONE, Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.wire import assert_answer, load_wire

PUSH = "/mpesa/stkpush/v1/processrequest"
TILL = {
    "BusinessShortCode": "5310080",
    "TransactionType": "CustomerBuyGoodsOnline",
    "PartyB": "9310081",
}


def travel_to_the_wire_files(sandbox: SandboxDriver) -> None:
    """Their Timestamp is 14 January 2026, 09:30:05 in Nairobi."""
    now = datetime.fromisoformat(sandbox.get("clock")["now"])
    sandbox.advance((datetime(2026, 1, 14, 9, 30, 6, tzinfo=EAT) - now).total_seconds())


@pytest.mark.parametrize(
    "name", ["stk_push_request", "stk_push_request_loose_types", "stk_push_request_till"]
)
def test_the_requests_of_the_wire_files_are_accepted(
    sandbox: SandboxDriver, shop: Shop, name: str
) -> None:
    travel_to_the_wire_files(sandbox)
    wire = load_wire(name)
    response = shop.post(wire["path"], wire["body"])
    assert_answer(response, "stk_push_ack")
    (prompt,) = sandbox.prompts()
    assert prompt["checkout_request_id"].startswith("ws_CO_14012026093006")
    assert (prompt["amount"], prompt["phone"], prompt["reference"]) == (150, PHONE, "INV001")
    assert prompt["planned_code"] == "0"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("BusinessShortCode", ["1234", "12345678", "17437a", "", True, [], Shop.absent]),
        ("Password", ["", None, True, Shop.absent]),
        ("Timestamp", ["2026011409300", "20261314093005", "tomorrow morning", Shop.absent]),
        ("TransactionType", ["CustomerPayBill", "customerpaybillonline", Shop.absent]),
        ("Amount", [0, -1, 100.75, "100.00", 150.0, 250_001, "1,000", "", True, Shop.absent]),
        ("PartyA", ["0712000001", "+254712000001", "254212000001", Shop.absent]),
        ("PartyB", ["shop", "1234", Shop.absent]),
        ("PhoneNumber", ["0712000001", "25471200000", "2547120000011", "", Shop.absent]),
        (
            "CallBackURL",
            [
                "http://erp.example.ke/cb",
                "https://erp.example.ke/c b",
                "erp.example.ke/cb",
                "ftp://127.0.0.1/cb",
                "https://",
                "https://[::1/cb",
                Shop.absent,
            ],
        ),
        ("AccountReference", ["", {}, Shop.absent]),
        ("TransactionDesc", [["text"], True]),
    ],
)
def test_a_bad_field_is_named(shop: Shop, field: str, values: list[Any]) -> None:
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in field)
    wire = "error_invalid" + {
        "CallBackURL": "_call_back_url",
        "BusinessShortCode": "_business_short_code",
    }.get(field, name)
    for value in values:
        assert_answer(shop.push(**{"PartyA": PHONE, field: value}), wire)


def test_fields_are_judged_in_the_order_of_the_documentation(shop: Shop) -> None:
    response = shop.push(Amount=0, PhoneNumber="x", BusinessShortCode="999999")
    assert_answer(response, "error_invalid_amount")


def test_the_description_is_the_only_optional_field(shop: Shop) -> None:
    assert shop.push(TransactionDesc=Shop.absent).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b'{"Amount": NaN}', b"[" * 50_000])
def test_a_body_that_is_no_json_object_is_refused(shop: Shop, body: bytes) -> None:
    response = shop.post(PUSH, data=body, headers={"Content-Type": "application/json"})
    assert_answer(response, "error_invalid_payload")


def test_another_content_type_gets_the_misleading_field_error(shop: Shop) -> None:
    response = shop.post(PUSH, data="BusinessShortCode=174379")
    assert_answer(response, "error_invalid_business_short_code")


def test_the_verb_is_judged_before_the_token(shop: Shop) -> None:
    assert_answer(requests.get(shop.base_url + PUSH, timeout=10), "error_wrong_verb")
    assert_answer(requests.put(shop.base_url + PUSH, timeout=10), "error_wrong_verb")


def test_the_token_is_judged_before_the_body(shop: Shop) -> None:
    shop.token = "A" * 28
    assert_answer(shop.push(Amount=0), "error_token_404_001_03")
    bare = requests.post(shop.base_url + PUSH, json={}, timeout=10)
    assert_answer(bare, "error_token_404_001_04")


def test_an_unknown_short_code_is_refused_before_the_password(shop: Shop) -> None:
    assert_answer(shop.push(BusinessShortCode="999999", Password="x"), "error_unknown_merchant")


@pytest.mark.parametrize("password", ["x", "not base64 é \ud800", "MTc0Mzc5"])
def test_a_wrong_password_is_refused(shop: Shop, password: str) -> None:
    assert_answer(shop.push(Password=password), "error_wrong_credentials")


def test_the_password_must_carry_the_same_timestamp(shop: Shop) -> None:
    later = f"{datetime.now(EAT) + timedelta(seconds=1):%Y%m%d%H%M%S}"
    assert_answer(shop.push(Timestamp=later), "error_wrong_credentials")


def test_a_timestamp_in_utc_is_implausible_until_the_tolerance_allows_it(
    sandbox: SandboxDriver, shop: Shop
) -> None:
    utc = f"{datetime.now(EAT) - timedelta(hours=3):%Y%m%d%H%M%S}"
    changes = {"Timestamp": utc, "Password": Shop.sign("174379", utc)}
    assert_answer(shop.push(**changes), "error_invalid_timestamp")
    sandbox.settings(timestamp_tolerance=None)
    assert shop.push(**changes).status_code == 200


def test_one_phone_has_one_open_prompt(sandbox: SandboxDriver, shop: Shop) -> None:
    sandbox.scenario("approve", seconds=1000)
    assert shop.push().status_code == 200
    assert_answer(shop.push(AccountReference="INV002"), "error_phone_locked")
    assert shop.push(PhoneNumber="254712000002").status_code == 200
    sandbox.answer(1, "cancel")
    assert shop.push().status_code == 200


def test_prompts_to_one_phone_in_one_moment_have_different_ids(
    sandbox: SandboxDriver, shop: Shop
) -> None:
    sandbox.settings(is_phone_locked=False)
    assert len({shop.pushed_id() for _ in range(20)}) == 20


def test_lengths_count_only_in_strict_mode(sandbox: SandboxDriver, shop: Shop) -> None:
    sandbox.settings(is_phone_locked=False)
    long = {"AccountReference": "INV-123456789", "TransactionDesc": "Order 12345678"}
    assert shop.push(**long).status_code == 200
    sandbox.settings(is_strict=True)
    assert_answer(shop.push(**long), "error_invalid_account_reference")
    del long["AccountReference"]
    assert_answer(shop.push(**long), "error_invalid_transaction_desc")


@pytest.mark.parametrize("url", ["https://ERP.example.ke/cb", "https://erp.example.ke/mpesa/cb"])
def test_suspicious_callback_urls_are_refused_in_strict_mode(
    sandbox: SandboxDriver, shop: Shop, url: str
) -> None:
    sandbox.settings(is_strict=True)
    assert_answer(shop.push(CallBackURL=url), "error_invalid_call_back_url")
    sandbox.settings(is_strict=False)
    assert shop.push(CallBackURL=url).status_code == 200


def test_a_new_short_code_has_its_own_passkey(sandbox: SandboxDriver, shop: Shop) -> None:
    sandbox.shortcode("600999", "other-passkey")
    stamp = shop.push_body()["Timestamp"]
    changes = {"BusinessShortCode": "600999", "PartyB": "600999", "Timestamp": stamp}
    wrong, right = Shop.sign("600999", stamp), Shop.sign("600999", stamp, "other-passkey")
    assert_answer(shop.push(**changes, Password=wrong), "error_wrong_credentials")
    assert_answer(shop.push(**changes, Password=right), "stk_push_ack")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "0"),
        ({"PartyB": "174379"}, "SFC_IC0003"),
        ({"TransactionType": "CustomerPayBillOnline"}, "2028"),
    ],
)
def test_a_wrong_till_is_accepted_and_fails_later(
    sandbox: SandboxDriver, shop: Shop, changes: dict[str, Any], code: str
) -> None:
    stamp = shop.push_body()["Timestamp"]
    signed = {"Timestamp": stamp, "Password": Shop.sign("5310080", stamp)}
    assert shop.push(**{**TILL, **signed, **changes}).status_code == 200
    sandbox.settle()
    assert sandbox.prompts()[0]["result_code"] == code


def test_a_text_too_long_for_the_prompt_fails_with_1025(sandbox: SandboxDriver, shop: Shop) -> None:
    shop.push(TransactionDesc="long " * 40)
    sandbox.settle()
    assert sandbox.prompts()[0]["result_code"] == "1025"
