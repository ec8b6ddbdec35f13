"""Section 18: results in every recorded shape, and all that can happen to one on its way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.sandbox.daraja import PHONE
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.office import Office, parameters
from tests.sandbox.wire import assert_body, load_wire, read_json

ORIGINATOR = load_wire("b2c_request_v3")["body"]["OriginatorConversationID"]


def shaped(sandbox: SandboxDriver, office: Office, **shape: Any) -> bytes:
    """The body of a payout's result in this shape."""
    sandbox.fault("result_shape", operation="b2c", **shape)
    office.result(office.b2c(OriginatorConversationID=ORIGINATOR))
    (arrived,) = office.arrived("res")
    return arrived.body


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        ({"parameters": "single"}, "result_b2c_paid_single"),
        ({"without_value": "ReceiverPartyPublicName"}, "result_b2c_paid_without_value"),
        ({"repeat": "TransactionReceipt"}, "result_b2c_paid_repeated"),
        ({"reference": "missing"}, "result_b2c_paid_no_reference"),
        ({"reference": "list"}, "result_b2c_paid_reference_list"),
        (
            {"code": "string", "result_type": "string", "amounts": "string"},
            "result_b2c_paid_strings",
        ),
    ],
)
def test_a_payouts_result_in_odd_shapes(
    sandbox: SandboxDriver, office: Office, shape: dict[str, str], name: str
) -> None:
    assert_body(read_json(shaped(sandbox, office, **shape)), load_wire(name))


def test_a_status_in_odd_shapes(sandbox: SandboxDriver, office: Office) -> None:
    receipt = office.result(office.b2c())["TransactionID"]
    for shape, name in (
        ({"repeat": "DebitPartyName"}, "result_status_repeated"),
        ({"spaced": True}, "result_status_spaced"),
        ({"dates": "string", "code": "string"}, "result_status_strings"),
    ):
        sandbox.fault("result_shape", operation="transaction_status", **shape)
        office.receiver.received.clear()
        office.result(office.status(TransactionID=receipt))
        assert_body(read_json(office.arrived("res")[0].body), load_wire(name))


def test_a_balance_may_be_a_single_object(sandbox: SandboxDriver, office: Office) -> None:
    sandbox.fault("result_shape", operation="account_balance", parameters="single")
    office.result(office.balance())
    assert_body(read_json(office.arrived("res")[0].body), load_wire("result_balance_single"))


@pytest.mark.parametrize(
    ("form", "pattern"), [("placeholder", "0000000"), ("empty", ""), ("missing", None)]
)
def test_a_transaction_id_can_t_be_trusted(
    sandbox: SandboxDriver, office: Office, form: str, pattern: str | None
) -> None:
    result = read_json(shaped(sandbox, office, transaction_id=form))["Result"]
    told = result.get("TransactionID")
    assert told == pattern if not pattern else told.endswith(pattern)


def test_parameters_may_be_missing_on_success_and_there_on_failure(
    sandbox: SandboxDriver, office: Office
) -> None:
    result = read_json(shaped(sandbox, office, parameters="missing"))["Result"]
    assert "ResultParameters" not in result
    sandbox.fault("result_shape", operation="b2c", parameters="list")
    sandbox.scenario("1", operation="b2c")
    assert parameters(office.result(office.b2c()))["TransactionAmount"] == 500
    sandbox.fault("result_shape", operation="b2c", parameters="empty")
    assert office.result(office.b2c())["ResultParameters"] == {"ResultParameter": []}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("1", "result_b2c_insufficient"),
        ("2", "result_b2c_below_minimum"),
        ("3", "result_b2c_above_maximum"),
        ("8006", "result_b2c_locked_credential"),
        ("2040", "result_b2c_unregistered"),
        ("SFC_IC0003", "result_b2c_alphanumeric"),
    ],
)
def test_failures_are_those_of_the_wire_files(
    sandbox: SandboxDriver, office: Office, code: str, name: str
) -> None:
    sandbox.scenario(code, operation="b2c")
    office.result(office.b2c(OriginatorConversationID=ORIGINATOR))
    assert_body(read_json(office.arrived("res")[0].body), load_wire(name))


def test_a_failure_may_have_an_empty_transaction_id(sandbox: SandboxDriver, office: Office) -> None:
    sandbox.scenario("17", operation="b2c")
    body = shaped(sandbox, office, transaction_id="empty")
    assert_body(read_json(body), load_wire("result_b2c_empty_transaction"))


class TestOnItsWay:
    def test_it_can_come_before_the_answer(self, sandbox: SandboxDriver, office: Office) -> None:
        seen: list[int] = []
        office.receiver.on_arrival = lambda: seen.append(len(sandbox.book()["payouts"]))
        sandbox.fault("early_callback", operation="b2c")
        assert office.b2c().status_code == 200
        assert seen == [1]

    def test_it_can_be_lost(self, sandbox: SandboxDriver, office: Office) -> None:
        sandbox.fault("no_callback", operation="result", phone=PHONE)
        office.b2c()
        sandbox.settle()
        assert office.receiver.received == []
        (payout,) = sandbox.book()["payouts"]
        assert (payout["result_code"], payout["deliveries"]) == ("0", [])

    @pytest.mark.parametrize("parallel", [False, True])
    def test_it_can_come_several_times(
        self, sandbox: SandboxDriver, office: Office, parallel: bool
    ) -> None:
        sandbox.fault("duplicate_callback", operation="reversal", copies=3, parallel=parallel)
        office.result(office.reverse(office.paid_receipt()))
        assert len(office.results()) == 3
        assert len(sandbox.book()["statement"]) == 2

    def test_it_can_come_late(self, sandbox: SandboxDriver, office: Office) -> None:
        sandbox.fault("late_callback", operation="b2c", seconds=100_000)
        office.b2c()
        sandbox.advance(20)
        wait_until(lambda: sandbox.book()["payouts"][0]["state"] == "decided")
        assert office.receiver.received == []
        # It may be put on its way a moment after that: the clock goes on until it came.
        wait_until(lambda: sandbox.advance(100_001) or office.receiver.received)
        assert office.result()["ResultCode"] == 0

    def test_it_can_be_overtaken(self, sandbox: SandboxDriver, office: Office) -> None:
        sandbox.fault("out_of_order", operation="b2c")
        office.b2c(OriginatorConversationID="first")
        sandbox.settle()
        office.b2c(OriginatorConversationID="second")
        sandbox.settle()
        ids = [result["OriginatorConversationID"] for result in office.results()]
        assert ids == ["second", "first"]

    def test_a_failure_can_turn_into_a_success(
        self, sandbox: SandboxDriver, office: Office
    ) -> None:
        before = sandbox.accounts("600999")["Working Account"]
        sandbox.fault("late_success", operation="b2c", seconds=1, code="26")
        office.b2c()
        sandbox.settle()
        assert [result["ResultCode"] for result in office.results()] == [26, 0]
        assert sandbox.accounts("600999")["Working Account"] == before - 500

    def test_it_can_tell_another_amount_or_conversation(
        self, sandbox: SandboxDriver, office: Office
    ) -> None:
        sandbox.fault("wrong_amount", operation="b2c", amount=5)
        assert parameters(office.result(office.b2c()))["TransactionAmount"] == 5
        sandbox.fault("unknown_conversation_id", operation="b2c", id="AG_1")
        assert office.result(office.b2c())["ConversationID"] == "AG_1"

    def test_it_can_be_no_result_at_all(self, sandbox: SandboxDriver, office: Office) -> None:
        sandbox.fault("malformed_callback", operation="b2c", form="html")
        office.b2c()
        sandbox.settle()
        assert office.arrived("res")[0].body.startswith(b"<html>")

    @pytest.mark.parametrize(
        ("form", "name"),
        [("result", "timeout_b2c"), ("zero", "timeout_b2c_zero"), ("flat", "timeout_b2c_flat")],
    )
    def test_the_timeout_address_is_told_and_the_money_moved_nevertheless(
        self, sandbox: SandboxDriver, office: Office, form: str, name: str
    ) -> None:
        before = sandbox.accounts("600999")["Working Account"]
        sandbox.fault("timeout_delivery", operation="b2c", form=form)
        office.b2c(OriginatorConversationID=ORIGINATOR)
        sandbox.settle()
        (arrived,) = office.receiver.received
        assert arrived.path == "/cb/timeout"
        assert_body(read_json(arrived.body), load_wire(name))
        assert sandbox.accounts("600999")["Working Account"] == before - 500

    def test_a_timeout_may_mean_that_nothing_happened(
        self, sandbox: SandboxDriver, office: Office
    ) -> None:
        before = sandbox.accounts("600999")["Working Account"]
        sandbox.fault("timeout_delivery", operation="b2c", processed=False)
        office.b2c(OriginatorConversationID="timed out")
        sandbox.settle()
        assert [each.path for each in office.receiver.received] == ["/cb/timeout"]
        assert sandbox.accounts("600999")["Working Account"] == before
        asked = office.status(OriginalConversationID="timed out")
        assert parameters(office.result(asked))["TransactionStatus"] == "Expired"

    def test_a_result_can_follow_a_timeout(self, sandbox: SandboxDriver, office: Office) -> None:
        sandbox.fault("timeout_delivery", operation="b2c", then_result=1)
        office.b2c()
        sandbox.settle()
        assert [each.path for each in office.receiver.received] == ["/cb/timeout", "/cb/res"]
        kinds = [each["kind"] for each in sandbox.book()["payouts"][0]["deliveries"]]
        assert kinds == ["timeout", "result"]

    def test_it_is_sent_once(self, sandbox: SandboxDriver, office: Office) -> None:
        office.receiver.status = 500
        office.b2c()
        sandbox.settle()
        assert len(office.receiver.received) == 1
        assert sandbox.book()["payouts"][0]["deliveries"][0]["status"] == 500

    @pytest.mark.parametrize(
        ("kind", "options"),
        [
            ("result_shape", {"parameters": "sideways"}),
            ("timeout_delivery", {"form": "sideways"}),
            ("timeout_delivery", {"then_result": "soon"}),
            ("late_callback", {"seconds": "soon"}),
        ],
    )
    def test_what_can_t_be_done_is_refused(
        self, sandbox: SandboxDriver, kind: str, options: dict[str, Any]
    ) -> None:
        with pytest.raises(AssertionError, match="error"):
            sandbox.fault(kind, **options)


def test_numbers_keep_their_digits(sandbox: SandboxDriver, office: Office) -> None:
    sandbox.shortcode("600111", "x", balances={"Working Account": "0.10"})
    sandbox.fund("600111", "500.20")
    office.shortcode = "600111"
    funds = parameters(office.result(office.b2c()))["B2CWorkingAccountAvailableFunds"]
    assert funds == Decimal("0.30")
    assert str(funds) == "0.30"
