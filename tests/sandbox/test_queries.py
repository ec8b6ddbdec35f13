"""Sections 11 and 12: what became of a transaction, and what the accounts hold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.sandbox.daraja import Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.office import Office, parameters
from tests.sandbox.wire import assert_answer, assert_body, load_wire, read_json


def send(office: Office, name: str, **changes: Any) -> None:
    """Send a wire file's request; its result comes to the office."""
    wire = load_wire(name)
    body = {**wire["body"], "SecurityCredential": office.credential, **changes}
    body |= {"ResultURL": f"{office.receiver.base}/res"}
    office.receiver.received.clear()
    assert_answer(office.shop.post(wire["path"], body), "initiator_ack")
    office.sandbox.settle()


def assert_result(office: Office, name: str) -> None:
    (arrived,) = office.arrived("res")
    assert_body(read_json(arrived.body), load_wire(name))


def test_a_payout_is_found_in_all_three_ways(sandbox: SandboxDriver, office: Office) -> None:
    asked = load_wire("status_request_original")["body"]["OriginalConversationID"]
    receipt = office.result(office.b2c(OriginatorConversationID=asked))["TransactionID"]
    send(office, "status_request_receipt", TransactionID=receipt)
    assert_result(office, "result_status_completed")
    for name in ("status_request_original", "status_request_originator"):
        send(office, name)
        assert_result(office, "result_status_completed")
        assert parameters(office.results()[0])["ReceiptNo"] == receipt


def test_a_customers_payment_is_found(sandbox: SandboxDriver, office: Office) -> None:
    receipt = office.paid_receipt(amount=500)
    send(office, "status_request_receipt", TransactionID=receipt)
    wire = load_wire("result_status_payment")
    wire["varies"] |= {"ConversationID": "^(AG_.*)?$", "OriginatorConversationID": "^.*$"}
    (arrived,) = office.arrived("res")
    assert_body(read_json(arrived.body), wire)


def test_stk_payments_and_reversals_are_found_too(sandbox: SandboxDriver, office: Office) -> None:
    office.shortcode = "174379"
    office.shop.pushed_id()
    sandbox.settle()
    receipt = sandbox.prompts()[0]["receipt"]
    told = parameters(office.result(office.status(TransactionID=receipt)))
    assert (told["ReceiptNo"], told["ReasonType"]) == (receipt, "Pay Bill Online")
    reversal = office.result(office.reverse(receipt))
    told = parameters(office.result(office.status(TransactionID=reversal["TransactionID"])))
    assert told["ReasonType"] == "Transaction Reversal"
    by_id = office.status(OriginatorConversationID=reversal["OriginatorConversationID"])
    assert parameters(office.result(by_id))["ReceiptNo"] == reversal["TransactionID"]


def test_by_the_simulation_s_own_id(sandbox: SandboxDriver, office: Office) -> None:
    originator = office.simulate().json()["OriginatorCoversationID"]
    sandbox.settle()
    told = parameters(office.result(office.status(OriginalConversationID=originator)))
    assert told["Amount"] == Decimal("150.00")


def test_what_is_under_way_and_what_failed_have_words(
    sandbox: SandboxDriver, office: Office
) -> None:
    asked = load_wire("status_request_original")["body"]["OriginalConversationID"]
    sandbox.scenario("1", operation="b2c", seconds=5000)
    office.b2c(OriginatorConversationID=asked)
    sandbox.scenario("approve", operation="transaction_status", seconds=1)
    answer = office.status(OriginalConversationID=asked)
    assert answer.status_code == 200
    wait_until(lambda: office.arrived("res"))
    assert_result(office, "result_status_authorized")
    sandbox.advance(5001)
    sandbox.settle()
    office.shop.token = ""
    send(office, "status_request_original")
    assert_result(office, "result_status_declined")


def test_what_is_unknown_or_anothers_is_not_found(sandbox: SandboxDriver, office: Office) -> None:
    receipt = office.paid_receipt()
    send(office, "status_request_receipt", TransactionID="UAE4X7K2QP")
    assert_result(office, "result_status_unknown")
    payout = office.result(office.b2c())
    office.shortcode = "600997"
    for changes in (
        {"TransactionID": receipt},
        {"OriginalConversationID": payout["OriginatorConversationID"]},
        {"OriginatorConversationID": "nobody's"},
    ):
        assert office.result(office.status(**changes))["ResultCode"] == "R000002"


@pytest.mark.parametrize(
    ("operation", "field", "values"),
    [
        ("status", "Initiator", ["", Shop.absent]),
        ("status", "SecurityCredential", ["", Shop.absent]),
        ("status", "CommandID", ["AccountBalance", Shop.absent]),
        ("status", "TransactionID", ["", Shop.absent]),
        ("status", "PartyA", ["shop", Shop.absent]),
        ("status", "IdentifierType", ["3", Shop.absent]),
        ("status", "ResultURL", ["x", Shop.absent]),
        ("status", "QueueTimeOutURL", ["x", Shop.absent]),
        ("status", "Remarks", ["x", Shop.absent]),
        ("balance", "Initiator", ["", Shop.absent]),
        ("balance", "SecurityCredential", ["", Shop.absent]),
        ("balance", "CommandID", ["TransactionStatusQuery", Shop.absent]),
        ("balance", "PartyA", ["shop", Shop.absent]),
        ("balance", "IdentifierType", ["1", Shop.absent]),
        ("balance", "Remarks", ["x", Shop.absent]),
        ("balance", "ResultURL", ["x", Shop.absent]),
        ("balance", "QueueTimeOutURL", ["x", Shop.absent]),
    ],
)
def test_a_bad_field_is_named(
    office: Office, operation: str, field: str, values: list[Any]
) -> None:
    for value in values:
        response = getattr(office, operation)(**{field: value})
        assert response.status_code == 400, value
        assert response.json()["errorMessage"] == f"Bad Request - Invalid {field}"


def test_a_balance_lists_all_accounts(sandbox: SandboxDriver, office: Office) -> None:
    send(office, "balance_request")
    assert_result(office, "result_balance")
    sandbox.settings(payout_charge=15)
    office.result(office.b2c())
    text = parameters(office.result(office.balance()))["AccountBalance"]
    accounts = {part.split("|")[0]: Decimal(part.split("|")[2]) for part in text.split("&")}
    assert accounts == sandbox.accounts("600999")
    assert accounts["Charges Paid Account"] == -15


def test_a_till_has_a_merchant_account(sandbox: SandboxDriver, office: Office) -> None:
    send(office, "balance_request", PartyA="5310080")
    assert_result(office, "result_balance_till")


@pytest.mark.parametrize("operation", ["transaction_status", "account_balance"])
@pytest.mark.parametrize("code", ["17", "18", "20", "21", "22", "26", "2001", "8006", "100000011"])
def test_a_scenario_can_ask_for_any_code(
    sandbox: SandboxDriver, office: Office, operation: str, code: str
) -> None:
    sandbox.scenario(code, operation=operation)
    is_status = operation == "transaction_status"
    answer = office.status(TransactionID="X") if is_status else office.balance()
    assert str(office.result(answer)["ResultCode"]) == code
