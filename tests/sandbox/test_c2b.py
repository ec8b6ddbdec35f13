"""Section 8: registering, simulating, validating and confirming what customers pay."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import pytest

from tests.sandbox.daraja import PHONE, Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.office import SIMULATE, Office
from tests.sandbox.wire import assert_answer, assert_body, load_wire, read_json

HOSTILE = '=HYPERLINK("http://x")<script>alert(1)</script>'


def working(sandbox: SandboxDriver) -> Any:
    return sandbox.accounts("600999")["Working Account"]


class TestRegistering:
    @pytest.mark.parametrize(
        ("request_name", "ack"),
        [
            ("c2b_register_request_v1", "c2b_register_ack_lower"),
            ("c2b_register_request_v2", "c2b_register_ack"),
            ("c2b_register_request_cancelled", "c2b_register_ack"),
        ],
    )
    def test_the_requests_of_the_wire_files(
        self, sandbox: SandboxDriver, office: Office, request_name: str, ack: str
    ) -> None:
        wire = load_wire(request_name)
        assert_answer(office.shop.post(wire["path"], wire["body"]), ack)
        (registration,) = sandbox.book()["registrations"]
        assert registration["response_type"] == wire["body"]["ResponseType"]
        assert registration["confirmation_url"] == wire["body"]["ConfirmationURL"]

    def test_any_all_zero_code_is_success(self, sandbox: SandboxDriver, office: Office) -> None:
        sandbox.settings(c2b_ack_code="00000000")
        assert_answer(office.register(), "c2b_register_ack_zeros")

    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("ShortCode", ["1234", "shop", Shop.absent]),
            ("ResponseType", ["completed", "CANCELLED", "Canceled", Shop.absent]),
            ("ConfirmationURL", ["http://erp.example.ke/c", "https://erp.ke/c d", Shop.absent]),
            ("ValidationURL", ["https://erp.example.ke/SQL/v", "erp", Shop.absent]),
        ],
    )
    def test_a_bad_field_is_named(self, office: Office, field: str, values: list[Any]) -> None:
        for value in values:
            response = office.register(**{field: value})
            assert response.status_code == 400, value
            assert response.json()["errorMessage"] == f"Bad Request - Invalid {field}"

    @pytest.mark.parametrize(
        "word", ["mpesa", "m-pesa", "SafariCom", "exe", "exec", "cmd", "sql", "query"]
    )
    def test_words_that_no_address_may_have(self, office: Office, word: str) -> None:
        answer = office.register(ConfirmationURL=f"https://erp.example.ke/{word}/conf")
        assert answer.json()["errorMessage"] == "Bad Request - Invalid ConfirmationURL"

    def test_an_unknown_short_code_has_no_merchant(self, office: Office) -> None:
        assert_answer(office.register(ShortCode="999999"), "error_unknown_merchant")

    def test_the_sandbox_takes_it_again_and_production_once(
        self, sandbox: SandboxDriver, office: Office
    ) -> None:
        assert [office.register().status_code for _ in range(2)] == [200, 200]
        sandbox.settings(is_production=True)
        assert_answer(office.register(), "error_already_registered")
        sandbox.c2b("600999", delete=True)
        assert sandbox.book()["registrations"] == []
        assert office.register().status_code == 200
        assert_answer(office.register(), "error_already_registered")
        # Simulating is for the sandbox alone.
        assert_answer(office.simulate(), "error_unknown_path")


class TestSimulating:
    @pytest.mark.parametrize("name", ["v1", "v2", "till"])
    def test_the_requests_of_the_wire_files(
        self, sandbox: SandboxDriver, office: Office, name: str
    ) -> None:
        wire = load_wire(f"c2b_simulate_request_{name}")
        assert_answer(office.shop.post(wire["path"], wire["body"]), "c2b_simulate_ack")
        sandbox.settle()
        (payment,) = sandbox.book()["c2b"]
        assert (payment["state"], payment["amount"]) == ("completed", "10.00")
        assert payment["bill_ref"] == ("" if name == "till" else "INV001")

    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("ShortCode", ["1234", True, Shop.absent]),
            ("CommandID", ["Pay Bill", Shop.absent]),
            ("Amount", [0, -5, "1.005", "x", Shop.absent]),
            ("Msisdn", ["0712000001", Shop.absent]),
            ("BillRefNumber", [["INV"], {}]),
        ],
    )
    def test_a_bad_field_is_named(self, office: Office, field: str, values: list[Any]) -> None:
        for value in values:
            response = office.simulate(**{field: value})
            assert response.status_code == 400, value
            assert response.json()["errorMessage"] == f"Bad Request - Invalid {field}"

    def test_nothing_is_sent_where_nothing_is_registered(
        self, sandbox: SandboxDriver, office: Office
    ) -> None:
        before = working(sandbox)
        office.simulate()
        sandbox.settle()
        assert office.receiver.received == []
        assert working(sandbox) == before + 150

    def test_cents_are_kept(self, sandbox: SandboxDriver, office: Office) -> None:
        office.register()
        office.simulate(Amount="0.05")
        sandbox.settle()
        assert office.confirmations()[0]["TransAmount"] == "0.05"
        assert sandbox.book()["statement"][0]["paid_in"] == "0.05"

    @pytest.mark.parametrize("code", ["1", "4", "17", "2001", "8006"])
    def test_a_payer_can_fail(self, sandbox: SandboxDriver, office: Office, code: str) -> None:
        before = working(sandbox)
        office.register()
        sandbox.scenario(code, operation="c2b_simulate")
        office.simulate()
        sandbox.settle()
        assert office.receiver.received == []
        (payment,) = sandbox.book()["c2b"]
        assert (payment["state"], payment["code"]) == ("failed", code)
        assert working(sandbox) == before

    def test_more_than_the_maximum_fails(self, sandbox: SandboxDriver, office: Office) -> None:
        office.simulate(Amount=250_001)
        sandbox.settle()
        assert sandbox.book()["c2b"][0]["code"] == "3"


class TestConfirming:
    def test_it_is_that_of_the_wire_file(self, sandbox: SandboxDriver, office: Office) -> None:
        office.register()
        office.simulate()
        sandbox.settle()
        (arrived,) = office.arrived("conf")
        assert_body(read_json(arrived.body), load_wire("c2b_confirmation"))
        told = office.confirmations()[0]
        (line,) = sandbox.book()["statement"]
        assert told["TransID"] == line["receipt"]
        assert told["OrgAccountBalance"] == line["balance"]

    @pytest.mark.parametrize(
        ("form", "name"),
        [
            ("masked", "c2b_confirmation"),
            ("masked_tight", "c2b_confirmation_masked_tight"),
            ("hashed", "c2b_confirmation_hashed"),
            ("plain", "c2b_confirmation_plain"),
        ],
    )
    def test_the_payer_is_masked_or_hashed(
        self, sandbox: SandboxDriver, office: Office, form: str, name: str
    ) -> None:
        sandbox.settings(msisdn_form=form)
        office.register()
        office.simulate()
        sandbox.settle()
        assert_body(read_json(office.arrived("conf")[0].body), load_wire(name))

    def test_a_hash_is_that_of_the_wire_form(self, sandbox: SandboxDriver, office: Office) -> None:
        sandbox.settings(msisdn_form="hashed")
        office.register()
        office.simulate()
        sandbox.settle()
        expected = hashlib.sha256(PHONE.encode()).hexdigest()
        assert office.confirmations()[0]["MSISDN"] == expected

    def test_a_hostile_reference_is_passed_on(self, sandbox: SandboxDriver, office: Office) -> None:
        office.register()
        for text in (HOSTILE, "x" * 10_000, "é\u202e\x00\n", "' OR 1=1 --"):
            office.receiver.received.clear()
            office.simulate(BillRefNumber=text)
            sandbox.settle()
            assert office.confirmations()[0]["BillRefNumber"] == text
        office.receiver.received.clear()
        office.simulate(BillRefNumber=HOSTILE)
        sandbox.settle()
        wire = load_wire("c2b_confirmation_hostile")
        assert_body(read_json(office.arrived("conf")[0].body), wire)

    def test_a_till(self, sandbox: SandboxDriver, office: Office) -> None:
        office.register(ShortCode="9310081")
        sandbox.simulate_c2b(150, "", shortcode="9310081", first_name="JANE")
        sandbox.settle()
        body = read_json(office.arrived("conf")[0].body)
        assert_body(body, load_wire("c2b_confirmation_buy_goods"))
        assert body["FirstName"] == "JANE"
        assert sandbox.accounts("5310080")["Merchant Account"] == 150

    def test_strict_mode_keeps_to_20_characters(
        self, sandbox: SandboxDriver, office: Office
    ) -> None:
        sandbox.settings(is_strict=True)
        assert office.simulate(BillRefNumber="x" * 21).status_code == 400
        assert office.simulate(BillRefNumber="x" * 20).status_code == 200

    def test_what_can_happen_on_the_way(self, sandbox: SandboxDriver, office: Office) -> None:
        office.register()
        sandbox.fault("duplicate_callback", operation="c2b_confirmation")
        office.simulate()
        sandbox.settle()
        assert len(office.confirmations()) == 2
        sandbox.fault("no_callback", operation="c2b_confirmation", phone=PHONE)
        office.simulate()
        sandbox.settle()
        assert len(office.confirmations()) == 2
        sandbox.fault("early_callback", operation="c2b_confirmation")
        office.simulate()
        assert len(office.confirmations()) == 3
        assert len(sandbox.book()["statement"]) == 3


class TestValidating:
    @pytest.fixture
    def asked(self, sandbox: SandboxDriver, office: Office) -> Office:
        office.register(ResponseType="Completed")
        sandbox.c2b("600999", validation=True)
        return office

    def pay(self, office: Office) -> dict[str, Any]:
        assert office.simulate().status_code == 200
        office.sandbox.settle()
        payment: dict[str, Any] = office.sandbox.book()["c2b"][-1]
        return payment

    def test_the_shop_is_asked_first_and_its_id_comes_back(
        self, sandbox: SandboxDriver, asked: Office
    ) -> None:
        answer = load_wire("c2b_validation_accepted")["body"] | {"ThirdPartyTransID": "ERP-77"}
        asked.receiver.answer = json.dumps(answer).encode()
        assert self.pay(asked)["state"] == "completed"
        assert [each.path for each in asked.receiver.received] == ["/cb/val", "/cb/conf"]
        first, second = (read_json(each.body) for each in asked.receiver.received)
        assert_body(first, load_wire("c2b_validation"))
        assert_body(second, load_wire("c2b_confirmation_third_party"))
        assert first["TransID"] == second["TransID"]

    @pytest.mark.parametrize("code", [f"C2B000{number}" for number in range(11, 17)])
    def test_a_shop_can_turn_a_payment_down(
        self, sandbox: SandboxDriver, asked: Office, code: str
    ) -> None:
        before = working(sandbox)
        answer = load_wire("c2b_validation_rejected")["body"] | {"ResultCode": code}
        asked.receiver.answer = json.dumps(answer).encode()
        payment = self.pay(asked)
        assert (payment["state"], payment["code"]) == ("rejected", code)
        assert working(sandbox) == before
        assert [each.path for each in asked.receiver.received] == ["/cb/val"]

    def test_any_other_code_is_a_refusal_too(self, sandbox: SandboxDriver, asked: Office) -> None:
        asked.receiver.answer = b'{"ResultCode": 1, "ResultDesc": "No"}'
        assert self.pay(asked)["code"] == "C2B00016"

    @pytest.mark.parametrize("answer", [b'{"ResultCode":0}', b'{"ResultCode":"00000000"}'])
    def test_numbers_and_zeros_accept(self, asked: Office, answer: bytes) -> None:
        asked.receiver.answer = answer
        assert self.pay(asked)["state"] == "completed"

    @pytest.mark.parametrize(
        ("response_type", "state"), [("Completed", "completed"), ("Cancelled", "rejected")]
    )
    @pytest.mark.parametrize("trouble", ["status", "html", "list", "slow", "away"])
    def test_the_response_type_decides_where_the_shop_can_t_be_reached(
        self, sandbox: SandboxDriver, office: Office, response_type: str, state: str, trouble: str
    ) -> None:
        changes: dict[str, Any] = {"ResponseType": response_type}
        if trouble == "away":
            changes["ValidationURL"] = "http://127.0.0.1:9/val"
        office.register(**changes)
        sandbox.c2b("600999", validation=True)
        office.receiver.answer = {"html": b"<html>", "list": b"[]"}.get(
            trouble, b'{"ResultCode":"0"}'
        )
        if trouble == "status":
            office.receiver.status = 500
        if trouble == "slow":
            sandbox.settings(validation_seconds=0.05)
            office.receiver.on_arrival = lambda: time.sleep(0.2)
        assert self.pay(office)["state"] == state

    def test_it_is_off_until_safaricom_turns_it_on(
        self, sandbox: SandboxDriver, asked: Office
    ) -> None:
        sandbox.c2b("600999", validation=False)
        self.pay(asked)
        assert [each.path for each in asked.receiver.received] == ["/cb/conf"]


class TestBesideStk:
    @pytest.mark.parametrize("order", ["before", "after"])
    def test_one_receipt_comes_both_ways(
        self, sandbox: SandboxDriver, office: Office, order: str
    ) -> None:
        office.shortcode = "174379"
        office.register()
        sandbox.settings(stk_c2b=order)
        office.shop.push()
        sandbox.settle()
        paths = [each.path for each in office.receiver.received]
        expected = ["/cb/conf", "/cb/9f2c/stk"]
        assert paths == (expected if order == "before" else expected[::-1])
        (confirmation,) = office.confirmations()
        assert confirmation["TransID"] == sandbox.prompts()[0]["receipt"]
        assert confirmation["BusinessShortCode"] == "174379"
        assert len(sandbox.book()["statement"]) == 1

    def test_failures_and_unregistered_shops_get_none(
        self, sandbox: SandboxDriver, office: Office
    ) -> None:
        sandbox.settings(stk_c2b="after")
        office.shop.push()
        sandbox.settle()
        office.shortcode = "174379"
        office.register()
        sandbox.scenario("cancel")
        office.shop.push()
        sandbox.settle()
        assert office.arrived("conf") == []


def test_the_path_of_the_wrong_version_is_a_missing_product(
    sandbox: SandboxDriver, office: Office
) -> None:
    sandbox.app("v1", "secret", products=["c2b_v1"])
    office.shop.token = office.shop.ask_token("v1").json()["access_token"]
    assert_answer(office.register(), "error_product_missing")
    assert office.register("/mpesa/c2b/v1/registerurl").status_code == 200
    assert_answer(office.simulate(SIMULATE), "error_product_missing")
