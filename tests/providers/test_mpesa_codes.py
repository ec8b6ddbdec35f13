"""Codes in words: the catalogue of sections 3, 5 and 7, judged by the wire files."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.providers.mpesa.client import read_query_answer
from integrations.providers.mpesa.codes import (
    STK_RESULTS,
    Outcome,
    Refusal,
    explain,
    explain_error,
)
from tests.sandbox.wire import load_wire

# The STK column of section 7, by hand.
EXPECTED = {
    "0": "succeeded",
    "1": "failed",
    "2": "failed",
    "3": "failed",
    "4": "failed",
    "8": "failed",
    "17": "failed",
    "26": "failed",
    "1001": "failed",
    "1019": "expired",
    "1025": "failed",
    "1032": "cancelled",
    "1036": "expired",
    "1037": "expired",
    "2001": "failed",
    "2028": "failed",
    "4999": "pending",
    "8006": "failed",
    "9999": "failed",
    "SFC_IC0003": "failed",
}


def test_the_catalogue_is_that_of_the_reference() -> None:
    assert {code: str(item.outcome) for code, item in STK_RESULTS.items()} == EXPECTED


@pytest.mark.parametrize("code", [code for code in EXPECTED if code not in ("0", "4999")])
def test_every_unpaid_code_has_a_cause_and_a_next_step(code: str) -> None:
    meaning = explain(code)
    assert meaning.cause.endswith(".")
    assert meaning.next_step.endswith(".")
    assert len(meaning.sentence) <= 300
    assert code not in meaning.sentence


@given(st.one_of(st.text(), st.integers(), st.none()))
def test_a_code_outside_the_catalogue_is_unknown_and_never_failed(code: Any) -> None:
    if str(code).strip() in EXPECTED:
        return
    meaning = explain(code)
    assert meaning.outcome is Outcome.UNKNOWN
    assert len(meaning.code) <= 40
    assert len(meaning.sentence) <= 300


def test_the_same_code_is_understood_as_number_and_text() -> None:
    assert explain(1032) is explain("1032") is explain(" 1032 ")


@pytest.mark.parametrize(
    ("wire", "outcome"),
    [
        ("stk_query_paid", Outcome.SUCCEEDED),
        ("stk_query_cancelled", Outcome.CANCELLED),
        ("stk_query_no_answer", Outcome.EXPIRED),
        ("stk_query_pending_4999", Outcome.PENDING),
    ],
)
def test_a_query_s_state_is_read(wire: str, outcome: Outcome) -> None:
    message = load_wire(wire)
    answer = read_query_answer(message["status"], message["body"])
    assert answer.explanation is not None
    assert answer.explanation.outcome is outcome
    assert answer.result_text == message["body"]["ResultDesc"]


@pytest.mark.parametrize(
    ("wire", "refusal"),
    [
        ("stk_query_pending_500", Refusal.PENDING),
        ("stk_query_pending_empty_500", Refusal.UNCERTAIN),
        ("stk_query_pending_empty_200", Refusal.UNCERTAIN),
        ("stk_query_unknown", Refusal.ABSENT),
        ("error_spike_arrest", Refusal.UNCERTAIN),
        ("error_wrong_credentials", Refusal.PERMANENT),
    ],
)
def test_a_query_without_a_state_says_why(wire: str, refusal: Refusal) -> None:
    message = load_wire(wire)
    answer = read_query_answer(message["status"], message["body"])
    assert answer.explanation is None
    assert answer.error is not None
    assert answer.error.refusal is refusal


@pytest.mark.parametrize(
    "body", [{}, {"ResultCode": None}, {"ResultCode": " "}, {"ResponseCode": "0"}]
)
def test_an_answer_without_a_code_is_no_state(body: dict[str, Any]) -> None:
    assert read_query_answer(200, body).explanation is None


def test_a_result_code_beside_an_error_code_is_not_believed() -> None:
    body = {"ResultCode": "0", "errorCode": "500.001.1001", "errorMessage": ""}
    assert read_query_answer(200, body).explanation is None


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 200, 302])
def test_only_a_refusal_proves_that_nothing_was_created(status: int) -> None:
    assert explain_error(status, "", "").refusal is Refusal.UNCERTAIN


@given(st.integers(100, 599), st.text(max_size=20), st.text(max_size=300))
def test_any_error_is_put_into_words(status: int, code: str, message: str) -> None:
    meaning = explain_error(status, code, message)
    assert meaning.text.endswith(".")
    assert len(meaning.text) < 300
