"""Section 13: giving payments back, and taking payouts back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.daraja import Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.office import Office, parameters
from tests.sandbox.wire import assert_answer, assert_body, load_wire, read_json


def working(sandbox: SandboxDriver, shortcode: str = "600999") -> Decimal:
    return sandbox.accounts(shortcode)["Working Account"]


def test_the_request_of_the_wire_file_is_accepted_and_done(
    sandbox: SandboxDriver, office: Office
) -> None:
    receipt = office.paid_receipt()
    wire = load_wire("reversal_request")
    body = {**wire["body"], "SecurityCredential": office.credential, "TransactionID": receipt}
    body |= {"ResultURL": f"{office.receiver.base}/res"}
    assert_answer(office.shop.post(wire["path"], body), "initiator_ack")
    sandbox.settle()
    (arrived,) = office.arrived("res")
    assert_body(read_json(arrived.body), load_wire("result_reversal_done"))
    assert parameters(office.results()[0])["OriginalTransactionID"] == receipt


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("Initiator", ["", Shop.absent]),
        ("SecurityCredential", ["", Shop.absent]),
        ("CommandID", ["BusinessPayment", Shop.absent]),
        ("TransactionID", ["", Shop.absent]),
        ("Amount", [0, "1.005", -1, "much", Shop.absent]),
        ("ReceiverParty", ["shop", Shop.absent]),
        ("RecieverIdentifierType", ["1", Shop.absent]),
        ("ResultURL", ["x", Shop.absent]),
        ("QueueTimeOutURL", ["x", Shop.absent]),
        ("Remarks", ["x", "x" * 101, Shop.absent]),
        ("Occasion", ["x" * 101]),
    ],
)
def test_a_bad_field_is_named(office: Office, field: str, values: list[Any]) -> None:
    for value in values:
        response = office.reverse("UAE4X7K2QP", **{field: value})
        assert response.status_code == 400, value
        assert response.json()["errorMessage"] == f"Bad Request - Invalid {field}"


def test_the_right_spelling_is_no_spelling(office: Office) -> None:
    changes = {"RecieverIdentifierType": Shop.absent, "ReceiverIdentifierType": "11"}
    assert office.reverse("UAE4X7K2QP", **changes).status_code == 400
    assert office.reverse("UAE4X7K2QP", RecieverIdentifierType="4").status_code == 200


def test_a_payment_is_given_back_once(sandbox: SandboxDriver, office: Office) -> None:
    opening = working(sandbox)
    receipt = office.paid_receipt()
    assert office.result(office.reverse(receipt))["ResultCode"] == 0
    assert working(sandbox) == opening
    office.receiver.received.clear()
    office.result(office.reverse(receipt))
    (arrived,) = office.arrived("res")
    assert_body(read_json(arrived.body), load_wire("result_reversal_already"))
    assert working(sandbox) == opening


def test_in_parts_it_is_given_back_up_to_the_whole(sandbox: SandboxDriver, office: Office) -> None:
    opening = working(sandbox)
    receipt = office.paid_receipt()
    for amount, code in (("50.25", 0), (100, 3), ("99.75", 0), (1, "R000001")):
        assert office.result(office.reverse(receipt, Amount=amount))["ResultCode"] == code
    assert working(sandbox) == opening


def test_an_stk_payment_and_a_payout_are_taken_back_too(
    sandbox: SandboxDriver, office: Office
) -> None:
    office.shortcode = "174379"
    opening = working(sandbox, "174379")
    office.shop.pushed_id(Amount=150)
    sandbox.settle()
    receipt = sandbox.prompts()[0]["receipt"]
    assert office.result(office.reverse(receipt))["ResultCode"] == 0
    assert working(sandbox, "174379") == opening
    paid = office.result(office.b2c())["TransactionID"]
    assert working(sandbox, "174379") == opening - 500
    told = parameters(office.result(office.reverse(paid, Amount=500)))
    assert told["CreditPartyPublicName"] == "174379 - DARAJA SANDBOX"
    assert working(sandbox, "174379") == opening


def test_what_is_unknown_or_anothers_is_invalid(sandbox: SandboxDriver, office: Office) -> None:
    receipt = office.paid_receipt()
    office.result(office.reverse("UAE4X7K2QP"))
    wire = load_wire("result_reversal_unknown")
    assert_body(read_json(office.arrived("res")[0].body), wire)
    office.shortcode = "600997"
    assert office.result(office.reverse(receipt))["ResultCode"] == "R000002"
    # A reversal can't be reversed.
    office.shortcode = "600999"
    done = office.result(office.reverse(receipt))["TransactionID"]
    assert office.result(office.reverse(done))["ResultCode"] == "R000002"


def test_money_that_was_spent_can_t_be_given_back(sandbox: SandboxDriver, office: Office) -> None:
    sandbox.shortcode("600111", "x", balances={"Working Account": 0})
    office.shortcode = "600111"
    receipt = office.paid_receipt(amount=500)
    office.result(office.b2c(Amount=400))
    assert office.result(office.reverse(receipt, Amount=500))["ResultCode"] == 1
    assert working(sandbox, "600111") == 100
    assert office.result(office.reverse(receipt, Amount=100))["ResultCode"] == 0


def test_a_tills_payment_goes_back_from_where_it_came_to(
    sandbox: SandboxDriver, office: Office
) -> None:
    office.shortcode = "5310080"
    receipt = office.paid_receipt(shortcode="9310081")
    assert sandbox.accounts("5310080")["Merchant Account"] == 150
    assert office.result(office.reverse(receipt))["ResultCode"] == 0
    assert sandbox.accounts("5310080")["Merchant Account"] == 0


@pytest.mark.parametrize("code", ["R000001", "R000002", "1", "17", "26", "2001", "100000003"])
def test_a_scenario_can_ask_for_any_code(sandbox: SandboxDriver, office: Office, code: str) -> None:
    receipt = office.paid_receipt()
    before = working(sandbox)
    sandbox.scenario(code, operation="reversal")
    assert str(office.result(office.reverse(receipt))["ResultCode"]) == code
    assert working(sandbox) == before
