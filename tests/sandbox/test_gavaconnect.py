"""GavaConnect's desk in the emulator, asked as any program would."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.providers.kra_office import load_wire
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.wire import assert_body, read_json

OWN = "P051234567X"
# Asked with the wire file's request, answered with the wire file's answer.
BOTH = (
    "pin_by_pin", "pin_by_id", "tcc_check", "tcc_application", "nil_return", "obligations",
    "station", "withholding_vat",
)  # fmt: skip


class Desk:
    """A client that keeps its token."""

    def __init__(self, sandbox: SandboxDriver, *products: str) -> None:
        self.sandbox, self.session = sandbox, requests.Session()
        self.session.trust_env = False
        app = sandbox.kra("apps", **({"products": list(products)} if products else {}))
        url = f"{sandbox.kra_url}/v1/token/generate?grant_type=client_credentials"
        pair = (app["client_id"], app["client_secret"])
        answer = self.session.get(url, auth=pair, timeout=10).json()
        self.session.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def post(self, path: str, body: Any) -> requests.Response:
        return self.session.post(self.sandbox.kra_url + path, json=body, timeout=10)

    def ask(self, name: str, **changes: Any) -> requests.Response:
        """The request of a wire file; `changes` go to its innermost object."""
        wire = load_wire(f"gava_{name}_request")
        body = plain(wire["body"])
        inner = body.get("TAXPAYERDETAILS") or body.get("transactionHeader") or body
        inner.update(changes)
        return self.post(wire["path"], body)

    @property
    def book(self) -> dict[str, Any]:
        return dict(self.sandbox.kra_book()["gavaconnect"])


def plain(value: Any) -> Any:
    """A copy that can be sent."""
    return json.loads(json.dumps(value, default=float))


@pytest.fixture
def desk(sandbox: SandboxDriver) -> Desk:
    sandbox.kra(
        "gava-certificates", number="KRAWON1", pin="A744610021G", issued="2026-01-05",
        expires="2099-01-04",
    )  # fmt: skip
    return Desk(sandbox)


@pytest.mark.parametrize("name", BOTH)
def test_answers_are_the_documented_messages(desk: Desk, name: str) -> None:
    answer = desk.ask(name)
    wire = load_wire(f"gava_{name}")
    assert answer.status_code == wire["status"]
    assert_body(read_json(answer.content), wire)


def test_spaces_and_masks_are_switches(desk: Desk) -> None:
    desk.sandbox.kra("gava-settings", is_spaced=False, is_masked=True)
    told = desk.ask("pin_by_pin").json()
    assert (told["ResponseCode"], told["Status"]) == ("23000", "OK")
    assert told["PINDATA"]["Name"] == "J***KU"


def test_an_unknown_pin_is_refused_inside_200(desk: Desk) -> None:
    answer = desk.ask("pin_by_pin", KRAPIN="A000000000Z")
    assert_body(read_json(answer.content), load_wire("gava_pin_by_pin_nok"))
    assert desk.ask("obligations", taxPayerPin="A000000000Z").json()["ErrorCode"] == "20001"
    assert desk.ask("station", kraPIN="A000000000Z").json()["ResponseCode"].strip() == "84002"
    assert desk.ask("vat_exemption").json()["ErrorCode"] == "83002"


def test_the_case_of_keys_matters(desk: Desk) -> None:
    answer = desk.post("/checker/v1/pinbypin", {"kraPIN": "A744610021G"})
    assert (answer.status_code, "KRAPIN" in answer.json()["ErrorMessage"]) == (400, True)
    assert desk.post("/checker/v1/pinbypin", ["x"]).status_code == 400


def test_a_key_is_good_for_its_product_only(sandbox: SandboxDriver) -> None:
    desk = Desk(sandbox, "pin_by_pin")
    assert desk.ask("pin_by_pin").status_code == 200
    answer = desk.ask("pin_by_id")
    assert answer.status_code == 403
    assert "no apiproduct match" in answer.json()["fault"]["faultstring"]
    desk.session.headers["Authorization"] = "Bearer other"
    assert desk.ask("pin_by_pin").status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        {"noOfTransactions": 2},
        {"totalGrossAmount": 10000.51},
        {"totalTaxAmount": 200.02},
        {"taxPeriodFrom": "2026-03-21T00:00:00"},
        {"taxPeriodTo": "2026-03-19T00:00:00"},
        {"taxPeriodFrom": "2026-04-01T00:00:00", "taxPeriodTo": "2026-03-01T00:00:00"},
        {"taxPeriodTo": "31/03/2026"},
        {"taxObligation": "WHTIT"},
        {"transactionUniqueNo": ""},
        {"withholderPin": "P999999999Z"},
    ],
)
def test_the_servers_checks_of_withheld_tax(desk: Desk, change: dict[str, Any]) -> None:
    answer = desk.ask("withholding_vat", **change)
    assert (answer.status_code, answer.json()["ErrorCode"]) == (400, "70001")
    assert desk.book["filings"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"taxAmount": 200.02},
        {"invoiceDate": "2026-03-21T00:00:00"},
        {"paymentDate": "2026-04-01T00:00:00"},
        {"withholdeePin": "P1"},
        {"grossAmount": True},
    ],
)
def test_the_servers_checks_of_a_line(desk: Desk, change: dict[str, Any]) -> None:
    wire = load_wire("gava_withholding_vat_request")
    body = plain(wire["body"])
    body["transactionDetails"][0].update(change)
    assert desk.post(wire["path"], body).json()["ErrorCode"] == "70001"


def test_filings_stand_in_the_book_and_are_not_taken_twice(desk: Desk) -> None:
    assert desk.ask("nil_return").status_code == 200
    assert desk.ask("nil_return").json()["ErrorCode"] == "82002"
    assert desk.ask("withholding_vat").status_code == 200
    assert desk.ask("withholding_vat").json()["ErrorCode"] == "70001"
    book = desk.book
    assert [each["operation"] for each in book["filings"]] == ["nil_return", "withholding_vat"]
    assert book["asked"]["nil_return"] == 2


@pytest.mark.parametrize(
    "change",
    [{"Month": "3"}, {"Month": "13"}, {"Year": "2999"}, {"ObligationCode": "6"}],
)
def test_a_nil_return_is_checked(desk: Desk, change: dict[str, Any]) -> None:
    assert desk.ask("nil_return", **change).json()["ErrorCode"] == "82002"
    assert desk.post("/dtd/return/v1/nil", {}).json()["ErrorCode"] == "82001"


def test_a_certificate_is_issued_and_can_be_checked(desk: Desk) -> None:
    told = desk.ask("tcc_application").json()["RESPONSE"]
    standing = desk.ask("tcc_check", kraPIN=OWN, tccNumber=told["TCCNumber"]).json()
    assert standing["TCCData"]["TCCStatus"] == "Valid"
    desk.sandbox.kra("gava-taxpayers", pin=OWN, status="Suspended")
    assert desk.ask("tcc_application").json()["ErrorCode"] == "85002"


def test_planned_answers_and_faults(desk: Desk) -> None:
    desk.sandbox.kra("gava-answers", operation="pin_by_pin", shape="error", code="1", status=500)
    assert (desk.ask("pin_by_pin").status_code, desk.ask("pin_by_pin").status_code) == (500, 200)
    desk.sandbox.kra_fault("lose_answer", operation="nil_return")
    with pytest.raises(requests.ConnectionError):
        desk.ask("nil_return")
    assert len(desk.book["filings"]) == 1
    desk.sandbox.kra_fault("drop", operation="tcc_application")
    with pytest.raises(requests.ConnectionError):
        desk.ask("tcc_application")
    assert len(desk.book["filings"]) == 1


def test_a_new_pin(desk: Desk) -> None:
    body = {
        "TAXPAYERDETAILS": {
            "TaxpayerType": "KE", "IdentificationNumber": "31234567", "DateOfBirth": "01/02/1990",
            "MobileNumber": "0712345678", "EmailAddress": "a@example.ke", "IsPinWithNoOblig": "Yes",
        }
    }  # fmt: skip
    pin = desk.post("/v1/generate/pin", body).json()["RESPONSE"]["PIN"]
    assert desk.ask("pin_by_id", TaxpayerID="31234567").json()["TaxpayerPIN"] == pin


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("gava-taxpayers", {}),
        ("gava-taxpayers", {"pin": OWN, "status": "Sleeping"}),
        ("gava-certificates", {"number": "1"}),
        ("gava-records", {"list": "invoice", "key": "1"}),
        ("gava-settings", {"colour": "red"}),
        ("gava-answers", {"shape": "round"}),
    ],
)
def test_controls_refuse_what_they_can_not_do(
    desk: Desk, action: str, payload: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError):
        desk.sandbox.kra(action, **payload)
