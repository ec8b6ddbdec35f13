"""The code tables of all products, against section 7 and 8 as written here by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.providers.mpesa.codes import (
    C2B_REJECTIONS,
    RESULTS,
    Outcome,
    Refusal,
    explain,
    explain_error,
)

GATEWAY = {
    **{f"1000000{number:02}": "failed" for number in range(12)},
    "100000000": "unknown",  # cached: it will still be passed on
    "100000004": "unknown",  # an internal fault
}
INITIATOR = {
    "0": "succeeded",
    "11": "failed",
    "15": "unknown",
    "17": "failed",
    "18": "failed",
    "20": "failed",
    "21": "failed",
    "22": "failed",
    "24": "failed",
    "25": "failed",
    "26": "failed",
    "29": "failed",
    "2001": "failed",
    "2006": "failed",
    "2028": "failed",
    "8006": "failed",
    "SFC_IC0003": "failed",
    **GATEWAY,
}
MONEY = dict.fromkeys(("1", "2", "3", "4", "8", "2040"), "failed")
EXPECTED = {
    "b2c": {**INITIATOR, **MONEY},
    "reversal": {**INITIATOR, **MONEY, "R000001": "failed", "R000002": "failed"},
    "transaction_status": {**INITIATOR, "R000002": "failed"},
    "account_balance": INITIATOR,
    "ratiba": {"0": "succeeded", "1050": "failed", "1051": "failed"},
}
ROWS = [(product, code) for product, codes in EXPECTED.items() for code in codes if code != "0"] + [
    ("c2b", code) for code in C2B_REJECTIONS
]
# All codes of section 7, whatever the product.
SECTION_7 = """0 1 2 3 4 8 11 15 17 18 20 21 22 24 25 26 29 1001 1019 1025 1032 1036 1037
 1050 1051 2001 2006 2028 2040 4999 8006 9999 SFC_IC0003 R000001 R000002"""


@pytest.mark.parametrize("product", EXPECTED)
def test_the_tables_are_those_of_the_reference(product: str) -> None:
    found = {code: item.outcome.value for code, item in RESULTS[product].items()}
    assert found == EXPECTED[product]


def test_no_code_of_the_reference_is_without_a_table() -> None:
    known = {code for codes in RESULTS.values() for code in codes}
    assert {*SECTION_7.split(), *GATEWAY} <= known
    assert list(C2B_REJECTIONS) == [f"C2B000{number}" for number in range(11, 17)]


@pytest.mark.parametrize(("product", "code"), ROWS)
def test_every_code_has_a_cause_and_a_next_step_in_words(product: str, code: str) -> None:
    meaning = explain(code, product)
    assert meaning.code == code
    assert meaning.cause.endswith(".")
    assert meaning.next_step.endswith(".")
    assert len(meaning.sentence) <= 300
    assert code not in meaning.sentence


def test_the_same_number_means_another_thing_elsewhere() -> None:
    assert "PIN" in explain("2001").cause
    assert not explain("2001").is_credential_fault
    for product in ("b2c", "reversal", "transaction_status", "account_balance"):
        assert "initiator" in explain("2001", product).cause
        assert explain("2001", product).is_credential_fault
        assert not explain("2001", product).retry
    assert explain("17").cause != explain("17", "b2c").cause


def test_alarms_are_those_about_the_initiator_itself() -> None:
    for product in ("b2c", "reversal", "transaction_status", "account_balance"):
        alarms = {code for code, item in RESULTS[product].items() if item.is_credential_fault}
        assert alarms == {"18", "20", "2001", "8006"}
    for product in ("stk_push", "c2b", "ratiba"):
        assert not any(item.is_credential_fault for item in RESULTS[product].values())


def test_what_may_not_be_repeated_is_not_offered_to_be() -> None:
    for product in ("b2c", "reversal"):
        for code, item in RESULTS[product].items():
            if item.outcome is not Outcome.FAILED:
                assert not item.retry, (product, code)


@given(st.sampled_from(list(RESULTS)), st.one_of(st.text(), st.integers(), st.none()))
def test_a_code_outside_its_table_is_unknown_and_never_failed(product: str, code: Any) -> None:
    if str(code).strip() in RESULTS[product]:
        return
    meaning = explain(code, product)
    assert meaning.outcome is Outcome.UNKNOWN
    assert not meaning.retry
    assert len(meaning.sentence) <= 300


def test_a_code_of_another_product_is_unknown() -> None:
    assert explain("1032", "b2c").outcome is Outcome.UNKNOWN
    assert explain("R000001", "b2c").outcome is Outcome.UNKNOWN
    assert explain("2040").outcome is Outcome.UNKNOWN


def test_a_product_that_does_not_exist_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        explain("0", "b2b")


PAYMENTS = ("stk_push", "b2c", "reversal", "c2b_simulate")
QUESTIONS = ("transaction_status", "account_balance", "c2b_register", "pull_register", "pull")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "500.003.02"),
        (500, "500.003.03"),
        (503, "policies.ratelimit.SpikeArrestViolation"),
        (503, "policies.ratelimit.QuotaViolation"),
    ],
)
def test_too_many_requests_prove_nothing_about_a_payment(status: int, code: str) -> None:
    for operation in PAYMENTS:
        meaning = explain_error(status, code, "", operation=operation)
        assert meaning.refusal is Refusal.UNCERTAIN
    for operation in QUESTIONS:
        meaning = explain_error(status, code, "", operation=operation)
        assert meaning.refusal is Refusal.LATER


@pytest.mark.parametrize(
    "code",
    [
        "400.002.02", "400.002.05", "400.003.02", "400.008.01", "400.008.02", "403.002.1001",
        "404.001.01", "404.002.01", "404.003.01", "404.001.03", "404.001.04", "400.003.01",
        "401.002.01", "401.003.01", "401.001", "401", "405.001",
    ],
)  # fmt: skip
def test_every_code_of_a_refusal_is_one_for_good_in_words(code: str) -> None:
    for operation in (*PAYMENTS, *QUESTIONS):
        meaning = explain_error(int(code[:3]), code, "Bad Request", operation=operation)
        assert meaning.refusal is Refusal.PERMANENT
        assert meaning.code == code
        assert code not in meaning.text


def test_the_message_of_a_refused_field_is_shown() -> None:
    for code in ("400.002.02", "400.003.02"):
        meaning = explain_error(400, code, "Bad Request - Invalid Amount", operation="b2c")
        assert "Invalid Amount" in meaning.text


@given(
    st.sampled_from([*PAYMENTS, *QUESTIONS, "stk_query", "token"]),
    st.integers(100, 599),
    st.sampled_from(["500.001.1001", "500.002.1001", "500.003.1001", "500.003.02"]) | st.text(),
    st.text(max_size=300),
)
def test_any_error_of_any_call_is_put_into_words(
    operation: str, status: int, code: str, message: str
) -> None:
    meaning = explain_error(status, code[:80], message, operation=operation)
    assert meaning.text.endswith(".")
    assert len(meaning.text) < 300
