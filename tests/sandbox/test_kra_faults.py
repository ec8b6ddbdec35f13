"""What goes wrong with KRA on purpose: faults, tokens, the outage and the VSCU's line."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.providers.kra.codes import RESULTS
from integrations.sandbox.server import Sandbox
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.kra import ABSENT, Trader, result, sale


@pytest.fixture
def trader(sandbox: SandboxDriver) -> Trader:
    return Trader(sandbox).equip()


@pytest.fixture
def gateway(sandbox: SandboxDriver) -> Trader:
    return Trader(sandbox, "oscu_gateway").equip()


def numbers(sandbox: SandboxDriver) -> list[int]:
    return [each["number"] for each in sandbox.kra_unit()["sales"]]


def test_a_result_code_instead_of_the_sale_and_after_it(trader: Trader) -> None:
    trader.sandbox.kra_fault("result_code", code="999", operation="save_sale")
    assert result(trader.post("sale", sale(1)))[0] == "999"
    assert numbers(trader.sandbox) == []
    trader.sandbox.kra_fault("result_code", code="999", operation="save_sale", processed=True)
    assert result(trader.post("sale", sale(1)))[0] == "999"
    assert numbers(trader.sandbox) == [1]


def test_every_code_of_the_table_can_be_had(trader: Trader) -> None:
    codes = set(RESULTS) - {"000", "001"}
    for code in codes:
        trader.sandbox.kra_fault("result_code", code=code, operation="save_sale")
        assert result(trader.post("sale", sale(1)))[0] == code
    assert {"891", "892", "893", "895", "896"} <= codes
    assert numbers(trader.sandbox) == []


def test_html_500_before_and_after(trader: Trader) -> None:
    for kind, held in (("error_before", []), ("error_after", [1])):
        trader.sandbox.kra_fault(kind, operation="save_sale", status=500)
        answer = trader.post("sale", sale(1))
        assert (answer.status_code, answer.text[:6]) == (500, "<html>")
        assert numbers(trader.sandbox) == held


def test_a_connection_dropped_before_and_an_answer_lost_after(trader: Trader) -> None:
    for kind, held in (("drop", []), ("lose_answer", [1])):
        trader.sandbox.kra_fault(kind, operation="save_sale")
        with pytest.raises(requests.ConnectionError):
            trader.post("sale", sale(1))
        assert numbers(trader.sandbox) == held


def test_a_fault_of_one_branch_leaves_the_others_alone(sandbox: SandboxDriver) -> None:
    head, other = Trader(sandbox).equip(), Trader(sandbox, branch="01").equip(serial="SECOND")
    sandbox.kra_fault("result_code", code="991", phone="P051234567X/01")
    assert result(head.post("sale", sale(1)))[0] == "000"
    assert result(other.post("sale", sale(1)))[0] == "991"


def test_counters_as_texts_and_keys_with_spaces(trader: Trader) -> None:
    trader.sandbox.kra_fault("string_counters", operation="save_sale")
    data = result(trader.post("sale", sale(1)))[1]
    assert (data["curRcptNo"], data["totRcptNo"]) == ("1", "1")
    trader.sandbox.kra_fault("spaced_keys", operation="save_sale")
    assert "curRcptNo " in result(trader.post("sale", sale(2)))[1]


def test_a_rejection_inside_200(gateway: Trader) -> None:
    gateway.sandbox.kra_fault("wrapped_200", message="Invalid taxblAmt", operation="save_sale")
    answer = gateway.post("sale", sale(1))
    header = answer.json()["responseHeader"]
    assert (answer.status_code, header["responseCode"], header["debugMessage"]) == (
        200, 400, "Invalid taxblAmt",
    )  # fmt: skip


@pytest.mark.parametrize("status", [401, 500])
def test_a_token_that_has_expired(gateway: Trader, status: int) -> None:
    gateway.sandbox.kra_fault("expired_token", status=status)
    answer = gateway.post("sale", sale(1))
    assert answer.status_code == status
    assert answer.json()["fault"]["faultstring"] == "Access Token expired"
    assert result(gateway.post("sale", sale(1)))[0] == "000"


def test_a_token_expires_by_itself(gateway: Trader) -> None:
    gateway.sandbox.advance(3600)
    answer = gateway.post("sale", sale(1))
    assert (answer.status_code, "fault" in answer.json()) == (401, True)


def test_tokens_that_are_no_good(sandbox: SandboxDriver, gateway: Trader) -> None:
    sandbox.kra("tokens")
    answer = gateway.post("sale", sale(1))
    assert (answer.status_code, set(answer.json())) == (401, {"header", "body"})
    gateway.enrol(products=["pin_by_pin"])
    answer = gateway.post("sale", sale(1))
    assert (answer.status_code, "apiproduct" in answer.text) == (403, True)
    gateway.enrol()
    assert gateway.post("sale", sale(1), {"apigee_app_id": ABSENT}).status_code == 400
    assert result(gateway.post("sale", sale(1)))[0] == "000"


def test_the_token_endpoint(sandbox: SandboxDriver) -> None:
    trader = Trader(sandbox)
    app = sandbox.kra("apps")
    credentials = (app["client_id"], app["client_secret"])
    good = trader.ask_token(*credentials).json()
    assert (len(good["access_token"]), good["expires_in"]) == (28, "3599")
    sandbox.kra("settings", expires_form="number")
    assert trader.ask_token(*credentials).json()["expires_in"] == 3599
    wrong = trader.ask_token(credentials[0], "wrong")
    assert (wrong.status_code, wrong.content) == (400, b"")
    sandbox.kra_fault("empty_400", operation="token")
    assert trader.ask_token(*credentials).status_code == 400
    url = f"{sandbox.kra_url}/v1/token/generate"
    assert trader.session.get(url, auth=credentials, timeout=10).status_code == 401
    assert (
        trader.session.post(f"{url}?grant_type=client_credentials", timeout=10).status_code == 405
    )
    sandbox.kra("apps", key=credentials[0], secret=credentials[1], refused=True)
    assert trader.ask_token(*credentials).status_code == 400


def test_latency_holds_for_every_answer(trader: Trader) -> None:
    trader.sandbox.kra("settings", latency=0.2)
    began = time.perf_counter()
    trader.post("sale", sale(1))
    assert time.perf_counter() - began >= 0.2


def test_an_outage_from_to(trader: Trader) -> None:
    trader.sandbox.kra("outage", seconds=3600)
    answer = trader.post("sale", sale(1))
    assert (answer.status_code, answer.text[:6]) == (503, "<html>")
    trader.sandbox.advance(3601)
    assert result(trader.post("sale", sale(1)))[0] == "000"
    trader.sandbox.kra("outage", on=True)
    assert trader.post("sale", sale(2)).status_code == 503
    trader.sandbox.kra("outage", on=False)
    assert result(trader.post("sale", sale(2)))[0] == "000"
    with pytest.raises(AssertionError, match="ISO"):
        trader.sandbox.kra("outage", start="tomorrow")


@pytest.mark.parametrize("cause", ["line", "outage"])
def test_a_vscu_signs_for_24_hours_without_kra(sandbox: SandboxDriver, cause: str) -> None:
    trader = Trader(sandbox, "vscu").equip()
    sandbox.kra(cause)
    assert result(trader.post("sale", sale(1)))[0] == "000"
    assert result(trader.post("codes", {"lastReqDt": "20180101000000"}))[0] == "894"
    sandbox.advance(24 * 3600 - 60)
    assert result(trader.post("sale", sale(2)))[0] == "000"
    sandbox.advance(120)
    assert trader.post("sale", sale(3)).status_code == 503
    sandbox.kra("line", cut=False)
    sandbox.kra("outage", on=False)
    assert result(trader.post("sale", sale(3)))[0] == "000"
    assert numbers(sandbox) == [1, 2, 3]


def test_the_line_of_one_branch(sandbox: SandboxDriver) -> None:
    head = Trader(sandbox, "vscu").equip()
    other = Trader(sandbox, "vscu", branch="01").equip(serial="SECOND")
    sandbox.kra("line", branch="01")
    sandbox.advance(25 * 3600)
    assert result(head.post("sale", sale(1)))[0] == "000"
    assert other.post("sale", sale(1)).status_code == 503


def test_a_vscu_takes_whole_percents_alone(sandbox: SandboxDriver) -> None:
    from tests.sandbox.kra import line

    trader = Trader(sandbox, "vscu").equip()
    lines = [line(qty=1, prc=1000, dcRt=12.5)]
    assert "whole percent" in trader.post("sale", sale(1, itemList=lines)).json()["resultMsg"]


def test_a_vscu_wants_its_second_call_where_that_is_switched_on(sandbox: SandboxDriver) -> None:
    trader = Trader(sandbox, "vscu").equip()
    trader.post("sale", sale(1))
    path = "/trnsSales/saveInvoice"
    assert result(trader.post(path, {"invcNo": 2}))[0] == "922"
    assert result(trader.post(path, {"invcNo": 1}))[0] == "000"
    assert result(trader.post(path, {"invcNo": 1}))[0] == "921"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "result_code", "code": "777"},
        {"kind": "result_code"},
        {"kind": "expired_token", "status": 403},
        {"kind": "wrapped_200", "message": 5},
    ],
)
def test_faults_that_cannot_be_done(sandbox: SandboxDriver, fault: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="error"):
        sandbox.kra_fault(**fault)
    assert sandbox.get("faults")["kra"] == []


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("approve", {"software": "abacus"}), ("approve", {"serial": 5}),
        ("numbers", {"next_invoice": 0}), ("apps", {"products": "all"}),
        ("settings", {"colour": "red"}), ("settings", {"latency": -1}),
        ("settings", {"amount_profile": "net"}), ("settings", {"is_stock_demanded": "yes"}),
        ("rates", {"rates": {"Z": 1}}), ("rates", {"rates": {"B": "much"}}),
        ("taxpayer", {"status": "X"}), ("code", {"class": "99", "code": "1"}),
        ("catalogue", {"items": ["x"]}), ("catalogue", {"stock": "much"}),
        ("purchase", {"lines": [{"taxTyCd": "Q"}]}), ("nonsense", {}),
    ],
)  # fmt: skip
def test_controls_that_are_refused(
    sandbox: SandboxDriver, action: str, payload: dict[str, Any]
) -> None:
    before = sandbox.kra_book()
    with pytest.raises(AssertionError, match="error"):
        sandbox.kra(action, **payload)
    assert sandbox.kra_book() == before


def test_the_journal_keeps_the_book_across_a_kill(tmp_path: Path) -> None:
    journal = tmp_path / "book"
    with Sandbox(journal=journal) as server:
        driver = SandboxDriver(server.url)
        trader = Trader(driver, "oscu_gateway").equip()
        trader.sell()
        trader.credit(1)
        trader.post("sale", sale(9))
        trader.post("/saveItem", {"itemCd": "x"})
        driver.kra("purchase")
        driver.kra("settings", latency=0.01)
        driver.kra("rates", rates={"E": 8})
        before = driver.kra_book()
        driver.close()
        # A kill leaves the journal as it is; the server is never asked to write a last word.
        kept = journal.read_bytes()
    assert b"cmcKey" not in kept
    again = tmp_path / "again"
    again.write_bytes(kept)
    with Sandbox(journal=again) as server:
        driver = SandboxDriver(server.url)
        assert driver.kra_book() == before
        trader.sandbox, trader.base_url = driver, driver.etims_url("oscu_gateway")
        # Tokens are not kept: the gateway wants a new one.
        assert trader.post("sale", sale(3)).status_code == 401
        trader.enrol()
        assert result(trader.post("sale", sale(3)))[0] == "000"
        assert driver.kra_unit()["counters"]["total"] == 3
        driver.close()
    assert all(json.loads(each)["emulator"] == "kra" for each in again.read_text().splitlines())
