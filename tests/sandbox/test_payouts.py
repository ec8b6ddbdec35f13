"""Section 9: paying out, what it is judged by, and what it does to the accounts."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.sandbox.daraja import PHONE, Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.office import B2C, B2C_V1, Office, encrypt, parameters
from tests.sandbox.wire import assert_answer, assert_body, load_wire, read_json

WORKING, UTILITY, CHARGES = "Working Account", "Utility Account", "Charges Paid Account"
# Section 7, every code that the table lists for payouts, and some that nobody documented.
CODES = ["0", "1", "2", "3", "4", "8", "11", "15", "17", "18", "20", "21", "22", "24", "25", "26",
         "29", "1050", "1051", "2001", "2006", "2028", "2040", "8006", "SFC_IC0003", "R000001",
         "R000002", *(str(100_000_000 + number) for number in range(12)), "777777",
         "NEW_CODE"]  # fmt: skip


def working(sandbox: SandboxDriver, shortcode: str = "600999") -> Decimal:
    return sandbox.accounts(shortcode)[WORKING]


@pytest.mark.parametrize(("version", "ack"), [("v3", "b2c_ack"), ("v1", "initiator_ack")])
def test_the_requests_of_the_wire_files_are_accepted_and_paid(
    sandbox: SandboxDriver, office: Office, version: str, ack: str
) -> None:
    wire = load_wire(f"b2c_request_{version}")
    body = {**wire["body"], "SecurityCredential": office.credential}
    body |= {"ResultURL": f"{office.receiver.base}/res"}
    assert_answer(office.shop.post(wire["path"], body), ack)
    sandbox.settle()
    (arrived,) = office.arrived("res")
    assert arrived.headers["Content-Type"] == "application/json;charset=UTF-8"
    wire = load_wire("result_b2c_paid")
    if version == "v1":
        wire["varies"]["OriginatorConversationID"] = ".+"
    assert_body(read_json(arrived.body), wire)
    (payout,) = sandbox.book()["payouts"]
    assert (payout["amount"], payout["phone"], payout["version"]) == ("500.00", PHONE, version)
    assert [each["status"] for each in payout["deliveries"]] == [200]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("OriginatorConversationID", ["", {}, Shop.absent]),
        ("InitiatorName", ["", True, Shop.absent]),
        ("SecurityCredential", ["", None, Shop.absent]),
        ("CommandID", ["businesspayment", "BusinessPayBill", Shop.absent]),
        ("Amount", [0, -1, 100.75, "100.00", "1,000", True, Shop.absent]),
        ("PartyA", ["1234", "shop", Shop.absent]),
        ("PartyB", ["0712000001", "+254712000001", "254212000001", Shop.absent]),
        ("Remarks", ["x", "x" * 101, Shop.absent]),
        ("QueueTimeOutURL", ["http://erp.example.ke/t", "erp", Shop.absent]),
        ("ResultURL", ["https://erp.example.ke/a b", Shop.absent]),
        ("Occassion", ["x" * 101, []]),
    ],
)
def test_a_bad_field_is_named(
    sandbox: SandboxDriver, office: Office, field: str, values: list[Any]
) -> None:
    wire = load_wire("error_invalid_amount")
    wire["body"]["errorMessage"] = f"Bad Request - Invalid {field}"
    for value in values:
        response = office.b2c(**{field: value})
        assert response.status_code == 400, value
        assert_body(response.json(), wire)
    assert sandbox.book()["payouts"] == []


def test_what_is_optional_may_be_left_out_and_what_is_misspelt_is_ignored(office: Office) -> None:
    assert office.b2c(Occassion=Shop.absent, Occasion="x" * 200).status_code == 200
    assert office.b2c(Initiator="testapi", InitiatorName=Shop.absent).status_code == 400


def test_an_unknown_short_code_has_no_merchant(office: Office) -> None:
    assert_answer(office.b2c(PartyA="999999"), "error_unknown_merchant")


def test_an_originator_id_is_used_once(sandbox: SandboxDriver, office: Office) -> None:
    before = working(sandbox)
    office.result(office.b2c(OriginatorConversationID="once"))
    assert_answer(office.b2c(OriginatorConversationID="once"), "error_duplicate_originator")
    assert working(sandbox) == before - 500
    assert len(sandbox.book()["payouts"]) == 1


def test_of_many_at_once_with_one_id_one_is_accepted(
    sandbox: SandboxDriver, office: Office
) -> None:
    credential, statuses = office.credential, []

    def pay() -> None:
        other = Shop(sandbox.daraja_url)
        other.token = office.shop.token
        mine = Office(sandbox, other, office.receiver)
        sent = mine.b2c(OriginatorConversationID="one", SecurityCredential=credential)
        statuses.append(sent.status_code)

    assert office.shop.token
    threads = [threading.Thread(target=pay) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [500] * 7
    sandbox.settle()
    assert len(sandbox.book()["statement"]) == 1


@pytest.mark.parametrize("code", CODES)
def test_a_scenario_can_ask_for_any_code(sandbox: SandboxDriver, office: Office, code: str) -> None:
    before = working(sandbox)
    sandbox.scenario(code, operation="b2c", description="Because")
    result = office.result(office.b2c())
    assert result["ResultCode"] == (int(code) if code.isdigit() else code)
    assert result["ResultDesc"] == "Because"
    assert ("ResultParameters" in result) is (code == "0")
    assert working(sandbox) == before - (500 if code == "0" else 0)


def test_the_amount_chooses_a_code_from_90001_and_a_scenario_waits_for_its_phone(
    sandbox: SandboxDriver, office: Office
) -> None:
    for amount, code in ((92_040, 2040), (90_001, 1), (93_003, "SFC_IC0003"), (2040, 0)):
        assert office.result(office.b2c(Amount=amount))["ResultCode"] == code
    sandbox.scenario("8", operation="b2c", phone="254712000009")
    assert office.result(office.b2c())["ResultCode"] == 0
    assert office.result(office.b2c(PartyB="254712000009"))["ResultCode"] == 8
    # A scenario for payouts is none for prompts.
    sandbox.scenario("cancel")
    assert office.result(office.b2c())["ResultCode"] == 0


def test_the_limits_are_kept(sandbox: SandboxDriver, office: Office) -> None:
    for amount, code in ((9, 2), (10, 0), (250_001, 3), (250_000, 0), (249_990, 0), (10, 4)):
        assert office.result(office.b2c(Amount=amount))["ResultCode"] == code, amount
    assert office.result(office.b2c(Amount=10, PartyB="254712000002"))["ResultCode"] == 0
    sandbox.advance(86_400)
    office.shop.token = ""  # it expired, too
    assert office.result(office.b2c(Amount=10))["ResultCode"] == 0
    sandbox.settings(payout_minimum=1, transaction_maximum=100)
    assert office.result(office.b2c(Amount=1))["ResultCode"] == 0
    assert office.result(office.b2c(Amount=101))["ResultCode"] == 3


def test_no_account_is_overdrawn(sandbox: SandboxDriver, office: Office) -> None:
    sandbox.shortcode("600111", "x", balances={WORKING: "1000.50"})
    office.shortcode = "600111"
    assert office.result(office.b2c(Amount=1001))["ResultCode"] == 1
    assert working(sandbox, "600111") == Decimal("1000.50")
    assert office.result(office.b2c(Amount=1000))["ResultCode"] == 0
    assert office.result(office.b2c(Amount=10))["ResultCode"] == 1
    sandbox.fund("600111", "9.50")
    assert office.result(office.b2c(Amount=10))["ResultCode"] == 0
    assert working(sandbox, "600111") == 0


def test_many_at_once_never_overdraw(sandbox: SandboxDriver, office: Office) -> None:
    sandbox.shortcode("600111", "x", balances={WORKING: 1000})
    office.shortcode = "600111"
    for _ in range(15):
        assert office.b2c(Amount=100).status_code == 200
    sandbox.settle()
    codes = [result["ResultCode"] for result in office.results()]
    assert sorted(codes) == [0] * 10 + [1] * 5
    assert working(sandbox, "600111") == 0


def test_a_bulk_organisation_pays_out_of_its_utility_account(
    sandbox: SandboxDriver, office: Office
) -> None:
    office.shortcode = "600984"
    before = sandbox.accounts("600984")
    told = parameters(office.result(office.b2c()))
    after = sandbox.accounts("600984")
    assert after[UTILITY] == before[UTILITY] - 500 == told["B2CUtilityAccountAvailableFunds"]
    assert after[WORKING] == before[WORKING] == told["B2CWorkingAccountAvailableFunds"]


def test_a_till_may_not_pay_out(office: Office) -> None:
    office.shortcode = "5310080"
    assert office.result(office.b2c())["ResultCode"] == 2028


def test_a_charge_is_taken_from_the_charges_account(sandbox: SandboxDriver, office: Office) -> None:
    sandbox.settings(payout_charge=15)
    before = working(sandbox)
    told = parameters(office.result(office.b2c()))
    assert told["B2CChargesPaidAccountAvailableFunds"] == Decimal("-15.00")
    assert sandbox.accounts("600999")[CHARGES] == -15
    assert working(sandbox) == before - 500
    assert sandbox.book()["payouts"][0]["charge"] == "15.00"
    assert [line["kind"] for line in sandbox.book()["statement"]] == ["b2c", "charge"]


def test_a_lost_answer_was_accepted_and_an_error_before_was_not(
    sandbox: SandboxDriver, office: Office
) -> None:
    assert office.shop.token
    sandbox.fault("lose_answer", operation="b2c", phone=PHONE)
    with pytest.raises(requests.ConnectionError):
        office.b2c(OriginatorConversationID="lost")
    sandbox.fault("error_before", operation="b2c")
    assert office.b2c(OriginatorConversationID="never").status_code == 500
    sandbox.settle()
    assert [payout["originator_id"] for payout in sandbox.book()["payouts"]] == ["lost"]
    assert sandbox.counters()["b2c"] == 2


class TestCredential:
    def codes(self, office: Office, **changes: Any) -> list[Any]:
        """The codes of a payout, a reversal and both questions with the same change."""
        receipt = office.paid_receipt()
        named = {**changes}
        if "Initiator" in named:
            named["InitiatorName"] = named.pop("Initiator")
        return [
            office.result(office.b2c(**named))["ResultCode"],
            office.result(office.reverse(receipt, **changes))["ResultCode"],
            office.result(office.status(TransactionID=receipt, **changes))["ResultCode"],
            office.result(office.balance(**changes))["ResultCode"],
        ]

    @pytest.mark.parametrize("form", ["wrong", "with_timestamp", "plain", "garbage"])
    def test_a_wrong_one_is_accepted_and_refused_later(
        self, sandbox: SandboxDriver, office: Office, form: str
    ) -> None:
        certificate = sandbox.certificate()
        credential = {
            "wrong": encrypt(certificate, "Safaricom"),
            "with_timestamp": encrypt(certificate, "Safaricom123!!20260114093005"),
            "plain": "Safaricom123!!",
            "garbage": "AAAA" * 86,
        }[form]
        sandbox.settings(wrong_passwords_allowed=100)
        before = working(sandbox)
        codes = self.codes(office, SecurityCredential=credential)
        assert codes == [2001] * 4
        assert working(sandbox) == before + 150

    def test_the_result_is_that_of_the_wire_file(self, office: Office) -> None:
        office.password = "wrong"
        office.result(office.b2c(OriginatorConversationID=wire_id()))
        assert_body(
            read_json(office.arrived("res")[0].body), load_wire("result_b2c_bad_credential")
        )

    def test_three_in_a_row_lock_it_until_a_new_password_is_set(
        self, sandbox: SandboxDriver, office: Office
    ) -> None:
        office.password = "wrong"
        assert self.codes(office) == [2001, 2001, 2001, 8006]
        office.password = "Safaricom123!!"
        assert self.codes(office) == [8006] * 4
        sandbox.initiator("600999", password="New#2026")
        office.password = "New#2026"
        assert self.codes(office) == [0] * 4

    def test_a_right_one_between_starts_the_count_anew(self, office: Office) -> None:
        for password, code in (("wrong", 2001), ("wrong", 2001), ("Safaricom123!!", 0)) * 2:
            office.password = password
            assert office.result(office.b2c())["ResultCode"] == code

    def test_name_role_and_state_have_codes_of_their_own(
        self, sandbox: SandboxDriver, office: Office
    ) -> None:
        assert self.codes(office, Initiator="nobody") == [20] * 4
        sandbox.initiator("600999", roles=["transaction_status", "account_balance"])
        assert self.codes(office) == [21, 21, 0, 0]
        sandbox.initiator("600999", active=False)
        assert self.codes(office) == [22] * 4
        sandbox.initiator("600999", active=True, name="bengoapi")
        assert self.codes(office, Initiator="bengoapi") == [0] * 4

    def test_each_short_code_has_its_own(self, sandbox: SandboxDriver, office: Office) -> None:
        sandbox.initiator("600997", password="Other#1")
        office.shortcode = "600997"
        assert office.result(office.b2c())["ResultCode"] == 2001
        office.password = "Other#1"
        assert office.result(office.b2c())["ResultCode"] == 0
        assert "Other#1" not in str(sandbox.book())


def wire_id() -> str:
    wanted: str = load_wire("b2c_request_v3")["body"]["OriginatorConversationID"]
    return wanted


def test_an_app_has_products(sandbox: SandboxDriver, office: Office) -> None:
    sandbox.app("v1-only", "secret", products=["b2c_v1"])
    office.shop.token = office.shop.ask_token("v1-only").json()["access_token"]
    assert_answer(office.b2c(), "error_endpoint_forbidden")
    assert office.b2c(B2C_V1).status_code == 200
    assert_answer(office.balance(), "error_product_missing")
    sandbox.app("v3-only", "secret", products=["b2c_v3", "c2b_v1"])
    office.shop.token = office.shop.ask_token("v3-only").json()["access_token"]
    assert_answer(office.b2c(B2C_V1), "error_endpoint_forbidden")
    assert office.b2c(B2C).status_code == 200
    # The wrong version of C2B is just a missing product.
    assert_answer(office.register(), "error_product_missing")
    assert_answer(office.simulate(), "error_product_missing")
    sandbox.app("none", "secret", products=["stk_push"])
    office.shop.token = office.shop.ask_token("none").json()["access_token"]
    for response in (office.b2c(), office.b2c(B2C_V1), office.pull(), office.reverse("X")):
        assert_answer(response, "error_product_missing")
