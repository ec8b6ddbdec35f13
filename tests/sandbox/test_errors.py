"""Sections 1-3: every synchronous error can be had, on every endpoint that can have it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from tests.sandbox.daraja import PHONE
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.office import (
    B2C,
    B2C_V1,
    BALANCE,
    PULL,
    PULL_REGISTER,
    REGISTER,
    REVERSAL,
    SIMULATE,
    STATUS,
    Office,
)
from tests.sandbox.wire import assert_answer

PATHS = [B2C, B2C_V1, STATUS, BALANCE, REVERSAL, REGISTER, "/mpesa/c2b/v1/registerurl", SIMULATE,
         "/mpesa/c2b/v1/simulate", PULL_REGISTER, PULL]  # fmt: skip
# Section 3's table and section 2's two tables, row by row.
CODES = {
    "400.002.02": 400, "400.002.05": 400, "400.003.01": 400, "400.003.02": 400, "400.008.01": 400,
    "400.008.02": 400, "401": 401, "401.001": 401, "401.002.01": 401, "401.003.01": 401,
    "403.002.1001": 403, "404.001.01": 404, "404.002.01": 404, "404.003.01": 404,
    "404.001.03": 404, "404.001.04": 404, "405.001": 405, "500.001.1001": 500,
    "500.002.1001": 500, "500.003.02": 500, "500.003.03": 500, "500.003.1001": 500,
}  # fmt: skip
MESSAGES = [
    ("500.001.1001", "wrong_credentials", "(?i)wrong credentials"),
    ("500.001.1001", "wrong_credentials_older", r"^\[MerchantValidate\] -"),
    ("500.001.1001", "unknown_merchant", "(?i)merchant does not exist"),
    ("500.001.1001", "phone_locked", "(?i)unable to lock subscriber"),
    ("500.001.1001", "processing", "(?i)the transaction is being processed"),
    ("500.001.1001", "unknown_transaction", "(?i)the transaction does not exist"),
    ("500.002.1001", "maintenance", "(?i)under maintenance"),
    ("500.003.1001", "already_registered", "(?i)urls are already registered"),
    ("500.003.1001", "duplicate_notification", "Duplicate notification info"),
]


@pytest.mark.parametrize("code", CODES)
def test_every_code_can_be_asked_for(sandbox: SandboxDriver, office: Office, code: str) -> None:
    assert office.shop.token
    sandbox.fault("error_code", code=code, operation="b2c", phone=PHONE)
    answer = office.b2c()
    assert answer.status_code == CODES[code]
    body = answer.json()
    assert list(body) == ["requestId", "errorCode", "errorMessage"]
    assert body["errorCode"] == code
    assert sandbox.book()["payouts"] == []
    assert office.b2c().status_code == 200


@pytest.mark.parametrize(("code", "means", "pattern"), MESSAGES)
def test_every_message_of_the_overloaded_codes(
    sandbox: SandboxDriver, office: Office, code: str, means: str, pattern: str
) -> None:
    sandbox.fault("error_code", code=code, means=means, operation="account_balance")
    assert re.search(pattern, office.balance().json()["errorMessage"])


def test_an_error_can_have_any_status_text_and_field(
    sandbox: SandboxDriver, office: Office
) -> None:
    assert office.shop.token
    sandbox.fault("error_code", code="500.001.1001", status=200, operation="reversal")
    answer = office.reverse("X")
    assert (answer.status_code, answer.json()["errorMessage"]) == (200, "")
    sandbox.fault("error_code", code="400.002.02", field="TransactionID")
    assert office.reverse("X").json()["errorMessage"] == "Bad Request - Invalid TransactionID"
    sandbox.fault("error_code", code="400.002.02", message="Something new")
    assert office.reverse("X").json()["errorMessage"] == "Something new"
    sandbox.fault("error_code", code="apigee")
    assert_answer(office.reverse("X"), "error_gateway_throttle")
    sandbox.fault("error_code", code="500.003.03")
    assert_answer(office.reverse("X"), "error_quota")


def test_an_error_can_hide_that_it_was_accepted(sandbox: SandboxDriver, office: Office) -> None:
    assert office.shop.token
    sandbox.fault("error_code", code="500.003.1001", processed=True)
    assert_answer(office.b2c(), "error_internal")
    assert len(sandbox.book()["payouts"]) == 1


def test_tokens_have_their_errors_too(sandbox: SandboxDriver, office: Office) -> None:
    sandbox.fault("error_code", code="500.003.02", operation="oauth")
    assert_answer(office.shop.ask_token(), "error_spike_arrest")


@pytest.mark.parametrize("options", [{}, {"code": "999"}, {"code": "401", "means": "what"}])
def test_what_is_not_in_the_tables_is_refused(
    sandbox: SandboxDriver, options: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError, match="error"):
        sandbox.fault("error_code", **options)


@pytest.mark.parametrize("path", PATHS)
class TestEveryPath:
    def test_the_verb_is_judged_first(self, sandbox: SandboxDriver, path: str) -> None:
        for method in ("GET", "PUT"):
            answer = requests.request(method, sandbox.daraja_url + path, timeout=10)
            assert_answer(answer, "error_wrong_verb")

    def test_then_the_token(self, office: Office, path: str) -> None:
        bare = requests.post(office.shop.base_url + path, json={}, timeout=10)
        assert_answer(bare, "error_token_404_001_04")
        office.shop.token = "A" * 28
        dress = {
            B2C: "404_001_03",
            B2C_V1: "404_001_03",
            REVERSAL: "404_001_03",
            STATUS: "400_003_01",
            BALANCE: "401_002_01",
            SIMULATE: "400_003_01",
            "/mpesa/c2b/v1/simulate": "400_003_01",
            PULL: "401_001",
            PULL_REGISTER: "401_001",
        }.get(path, "401_003_01")
        assert_answer(office.shop.post(path, {}), f"error_token_{dress}")

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"Amount": NaN}', b"[" * 50_000])
    def test_then_the_json(self, office: Office, path: str, body: bytes) -> None:
        answer = office.shop.post(path, data=body, headers={"Content-Type": "application/json"})
        assert_answer(answer, "error_invalid_payload")

    def test_another_content_type_gets_the_misleading_field_error(
        self, office: Office, path: str
    ) -> None:
        answer = office.shop.post(path, data="a=b")
        assert answer.status_code == 400
        assert answer.json()["errorMessage"].startswith("Bad Request - Invalid ")


def test_the_counters_name_the_operations(sandbox: SandboxDriver, office: Office) -> None:
    office.b2c()
    office.b2c(B2C_V1)
    office.reverse("X")
    office.status(TransactionID="X")
    office.balance()
    office.register()
    office.simulate()
    office.register_pull()
    office.pull()
    counted = sandbox.counters()
    told = {name: counted[name] for name in counted if name not in {"connections", "oauth"}}
    assert told == {
        "b2c": 2,
        "reversal": 1,
        "transaction_status": 1,
        "account_balance": 1,
        "c2b_register": 1,
        "c2b_simulate": 1,
        "pull_register": 1,
        "pull": 1,
        "tokens_issued": 1,
    }
