"""Bodies of payouts, reversals, questions, C2B and Pull, judged by wire files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError, InvalidInput, Unsupported
from integrations.providers.mpesa import payloads
from tests.providers.conftest import ORIGINATOR, PASSWORD, Safaricom, assert_same_message
from tests.sandbox.wire import assert_body, load_wire

URLS = {
    "result_url": "https://erp.example.ke/pay/cb/9f2c/result",
    "timeout_url": "https://erp.example.ke/pay/cb/9f2c/timeout",
}
MakeConfig = Callable[..., Snapshot]
PAYOUT = {"phone": "0712000001", "amount": 500, "remarks": "Refund INV001"}


def payout(config: Snapshot, **changes: Any) -> payloads.Payout:
    return payloads.check_payout(config, **{**PAYOUT, **changes})


def test_a_payout_is_the_documented_message(config_of: MakeConfig, safaricom: Safaricom) -> None:
    config = config_of()
    checked = replace(payout(config, occasion="refund"), originator_id=ORIGINATOR)
    body = payloads.b2c_body(config, checked, **URLS)
    assert_same_message(body, "b2c_request_v3")
    assert body["Remarks"] == "Refund INV001"
    assert type(body["Amount"]) is int
    assert safaricom.open(body["SecurityCredential"]) == PASSWORD


def test_version_one_has_no_id_of_ours(config_of: MakeConfig) -> None:
    config = config_of(b2c_version="v1")
    checked = payout(config, occasion="refund")
    assert_same_message(payloads.b2c_body(config, checked, **URLS), "b2c_request_v1")


def test_every_payout_has_an_id_of_its_own(config_of: MakeConfig) -> None:
    config = config_of()
    ids = {payout(config).originator_id for _ in range(50)}
    assert len(ids) == 50
    assert all(len(each) <= 40 and each.isascii() for each in ids)


def test_a_reversal_is_the_documented_message(config_of: MakeConfig) -> None:
    config = config_of()
    checked = payloads.check_reversal(
        config, receipt=" uae4x7k2qp ", amount=Decimal("150.00"), remarks="Wrong order"
    )
    body = payloads.reversal_body(config, checked, **URLS)
    assert_same_message(body, "reversal_request")
    assert (body["Remarks"], body["Occasion"]) == ("Wrong order", "")


def test_a_status_is_asked_by_receipt(config_of: MakeConfig) -> None:
    body = payloads.status_body(config_of(), receipt="UAE4X7K2QP", **URLS)
    assert_same_message(body, "status_request_receipt")


def test_a_status_is_asked_by_id_under_both_names_and_of_a_till(config_of: MakeConfig) -> None:
    body = payloads.status_body(
        config_of(till_number="9310081"),
        originator_id=ORIGINATOR,
        short_code="9310081",
        **URLS,
    )
    assert (body["PartyA"], body["IdentifierType"]) == ("9310081", "2")
    body = payloads.status_body(config_of(), originator_id=ORIGINATOR, **URLS)
    for name, other in (("originator", "Original"), ("original", "Originator")):
        assert_same_message(
            body, f"status_request_{name}", but=(f"{other}ConversationID", "TransactionID")
        )
    assert body["OriginalConversationID"] == body["OriginatorConversationID"] == ORIGINATOR
    assert body["TransactionID"] == ""


@pytest.mark.parametrize("asked", [{}, {"receipt": "UAE4X7K2QP", "originator_id": "bengo-1"}])
def test_a_status_is_asked_by_one_thing(config_of: MakeConfig, asked: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="either a receipt or an originator_id"):
        payloads.status_body(config_of(), **asked, **URLS)


def test_a_balance_is_the_documented_question(config_of: MakeConfig) -> None:
    body = payloads.balance_body(config_of(), **URLS)
    assert_same_message(body, "balance_request")
    assert payloads.balance_body(config_of(), short_code="600000", **URLS)["PartyA"] == "600000"


def test_addresses_are_registered_as_documented(config_of: MakeConfig) -> None:
    wire = load_wire("c2b_register_request_v2")
    config = config_of()
    body = payloads.register_body(
        config,
        confirmation_url=wire["body"]["ConfirmationURL"],
        validation_url=wire["body"]["ValidationURL"],
    )
    assert_body(body, wire)
    config = config_of(c2b_response_type="Cancelled")
    assert (
        payloads.register_body(config, confirmation_url="https://a.ke", validation_url="b")[
            "ResponseType"
        ]
        == "Cancelled"
    )


@pytest.mark.parametrize("name", ["confirmation_url", "validation_url"])
def test_an_address_with_a_forbidden_word_is_not_registered(
    config_of: MakeConfig, name: str
) -> None:
    urls = {"confirmation_url": "https://a.ke/c", "validation_url": "https://a.ke/v"}
    with pytest.raises(ConfigurationError, match="mpesa"):
        payloads.register_body(config_of(), **{**urls, name: "https://a.ke/mpesa"})


def test_a_payment_is_simulated_as_documented(config_of: MakeConfig) -> None:
    body = payloads.simulate_body(config_of(), phone="0708374149", amount=10, bill_ref="INV001")
    assert_same_message(body, "c2b_simulate_request_v2")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"command": "CustomerPaysNobody"}, "command"),
        ({"amount": "10.50"}, "amount"),
        ({"phone": "12"}, "phone"),
        ({"bill_ref": "x" * 21}, "bill_ref"),
        ({"bill_ref": None}, "bill_ref"),
    ],
)
def test_what_can_t_be_simulated_is_named(
    config_of: MakeConfig, changes: dict[str, Any], field: str
) -> None:
    values = {"phone": "0708374149", "amount": 10, "bill_ref": "INV001", **changes}
    with pytest.raises(InvalidInput) as caught:
        payloads.simulate_body(config_of(), **values)
    assert caught.value.field == field


def test_nothing_is_simulated_in_production(config_of: MakeConfig) -> None:
    config = config_of(environment="production")
    with pytest.raises(Unsupported):
        payloads.simulate_body(config, phone="0708374149", amount=10, bill_ref="INV001")


def test_pull_is_registered_as_documented(config_of: MakeConfig) -> None:
    wire = load_wire("pull_register_request")
    config = config_of(short_code="600000", pull_phone="0722 000 000")
    body = payloads.pull_register_body(config, callback_url=wire["body"]["CallBackURL"])
    assert_body(body, wire)


@pytest.mark.parametrize("phone", ["", "12", "+14155552671"])
def test_pull_without_its_phone_names_the_field(config_of: MakeConfig, phone: str) -> None:
    with pytest.raises(ConfigurationError, match="pull_phone") as caught:
        payloads.pull_register_body(config_of(pull_phone=phone), callback_url="https://a.ke")
    assert caught.value.code == "no_pull_phone"


def test_a_page_is_asked_for_in_the_time_of_nairobi(config_of: MakeConfig) -> None:
    body = payloads.pull_body(
        config_of(short_code="600000"),
        start=datetime(2026, 1, 14, 5, tzinfo=UTC),
        end=datetime(2026, 1, 14, 7, tzinfo=UTC),
    )
    assert_body(body, load_wire("pull_request"))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"start": datetime(2026, 1, 14, 6)}, "start"),
        ({"end": datetime(2026, 1, 14, 7)}, "end"),
        ({"start": datetime(2026, 1, 14, 7, tzinfo=UTC)}, "start"),
        ({"offset": -1}, "offset"),
        ({"offset": True}, "offset"),
        ({"offset": "0"}, "offset"),
    ],
)
def test_a_bad_span_or_offset_is_named(
    config_of: MakeConfig, changes: dict[str, Any], field: str
) -> None:
    span = {
        "start": datetime(2026, 1, 14, 6, tzinfo=UTC),
        "end": datetime(2026, 1, 14, 7, tzinfo=UTC),
    }
    with pytest.raises(InvalidInput) as caught:
        payloads.pull_body(config_of(), **{**span, **changes})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"phone": "020 123 4567"}, "phone", "invalid_phone"),
        ({"phone": None}, "phone", "invalid_phone"),
        ({"amount": 9}, "amount", "amount_out_of_range"),
        ({"amount": 250_001}, "amount", "amount_out_of_range"),
        ({"amount": "100.50"}, "amount", "fractional_amount"),
        ({"amount": 100.0}, "amount", "float_amount"),
        ({"amount": -500}, "amount", "invalid_amount"),
        ({"amount": True}, "amount", "invalid_amount"),
        ({"command": "BusinessPayBill"}, "command", "invalid_command"),
        ({"command": None}, "command", "invalid_command"),
        ({"remarks": ""}, "remarks", "invalid_remarks"),
        ({"remarks": " x "}, "remarks", "invalid_remarks"),
        ({"remarks": "x" * 101}, "remarks", "invalid_remarks"),
        ({"remarks": "one\ntwo"}, "remarks", "invalid_remarks"),
        ({"remarks": 12345}, "remarks", "invalid_remarks"),
        ({"occasion": "x" * 101}, "occasion", "invalid_occasion"),
        ({"occasion": " "}, "occasion", "invalid_occasion"),
        ({"occasion": "a\x00b"}, "occasion", "invalid_occasion"),
    ],
)
def test_a_payout_that_can_t_be_sent_names_field_and_reason(
    config_of: MakeConfig, changes: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        payout(config_of(), **changes)
    assert (caught.value.field, caught.value.code) == (field, code)
    assert caught.value.reason.endswith(".")


def test_the_limits_of_a_payout_are_those_of_the_row(config_of: MakeConfig) -> None:
    config = config_of(payout_minimum=50, payout_maximum=60)
    assert [payout(config, amount=each).amount for each in (50, "60.00")] == [50, 60]
    for amount in (49, 61):
        with pytest.raises(InvalidInput, match="KES 50 to 60"):
            payout(config, amount=amount)


@pytest.mark.parametrize("length", [2, 100])
def test_remarks_of_every_allowed_length_pass(config_of: MakeConfig, length: int) -> None:
    assert payout(config_of(), remarks="x" * length, occasion="y").remarks == "x" * length


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"receipt": ""}, "receipt"),
        ({"receipt": "UAE4X"}, "receipt"),
        ({"receipt": "UAE4X7K2QP; --"}, "receipt"),
        ({"receipt": "U" * 41}, "receipt"),
        ({"receipt": 1234567890}, "receipt"),
        ({"amount": 0}, "amount"),
        ({"amount": "1.01"}, "amount"),
        ({"remarks": "x"}, "remarks"),
    ],
)
def test_a_reversal_that_can_t_be_sent_names_its_field(
    config_of: MakeConfig, changes: dict[str, Any], field: str
) -> None:
    values = {"receipt": "UAE4X7K2QP", "amount": 150, "remarks": "Wrong order", **changes}
    with pytest.raises(InvalidInput) as caught:
        payloads.check_reversal(config_of(), **values)
    assert caught.value.field == field


def test_a_reversal_knows_no_limits_of_the_row(config_of: MakeConfig) -> None:
    config = config_of(minimum_amount=100, maximum_amount=200, payout_minimum=100)
    for amount in (1, 250_000):
        checked = payloads.check_reversal(
            config, receipt="UAE4X7K2QP", amount=amount, remarks="Wrong order"
        )
        assert checked.amount == amount


@given(st.one_of(st.text(max_size=120), st.integers(), st.none(), st.booleans()))
def test_any_text_is_checked_or_refused(value: Any) -> None:
    for check in (payloads.check_remarks, payloads.check_occasion, payloads.check_receipt):
        try:
            text = check(value)
        except InvalidInput:
            continue
        assert text.isprintable()
        assert len(text) <= 100
