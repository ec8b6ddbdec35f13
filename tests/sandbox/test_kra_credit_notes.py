"""What KRA's emulator wants of a credit note (section 6.6)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.driver import SandboxDriver
from tests.sandbox.kra import Trader, line, result, sums

CUSTOMER = {"custTin": "A123456789B", "custNm": "Customer"}


@pytest.fixture
def trader(sandbox: SandboxDriver) -> Trader:
    made = Trader(sandbox).equip()
    made.sell(**CUSTOMER)
    return made


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"orgInvcNo": 9}, "orgInvcNo does not exist"),
        ({"orgInvcNo": 0}, "orgInvcNo does not exist"),
        ({"rfdDt": None}, "Missing RfdDt Date"),
        ({"rfdRsnCd": None}, "Invalid RfdRsnCd"),
        ({"rfdRsnCd": "99"}, "Invalid RfdRsnCd"),
        ({"custNm": "Somebody else"}, "custNm does not match the original invoice"),
        ({"custTin": "A123456789C"}, "custTin does not match the original invoice"),
        ({"custTin": None}, "custTin does not match the original invoice"),
    ],
)
def test_guards(trader: Trader, changes: dict[str, Any], text: str) -> None:
    body = trader.credit(1, **CUSTOMER | changes).json()
    assert (body["resultCd"], body["resultMsg"]) == ("910", text)
    trader.number = 1
    assert result(trader.credit(1, **CUSTOMER))[0] == "000"


def test_a_credit_note_cannot_be_credited(trader: Trader) -> None:
    trader.credit(1, **CUSTOMER)
    assert trader.credit(2, **CUSTOMER).json()["resultMsg"] == "orgInvcNo does not exist"


def test_more_than_the_original_is_seen_only_where_that_is_switched_on(trader: Trader) -> None:
    """KRA may not check (section 6.6 [2]): the client must, and the book shows it."""
    lines = [line(qty=2)]
    more = {"itemList": lines, **sums(lines), **CUSTOMER}
    assert result(trader.credit(1, **more))[0] == "000"
    assert result(trader.credit(1, **more))[0] == "000"
    trader.sandbox.kra("settings", is_credit_limited=True)
    assert trader.credit(1, **more).json()["resultMsg"] == (
        "Credit notes exceed the original invoice"
    )


def test_the_gateway_credits_nothing_that_has_no_name(sandbox: SandboxDriver) -> None:
    trader = Trader(sandbox, "oscu_gateway").equip()
    trader.sell(custNm=None)
    assert result(trader.credit(1, custNm=None))[0] == "custNm of the original invoice is null"


def test_sales_and_credit_notes_share_one_sequence(trader: Trader) -> None:
    data = result(trader.credit(1, **CUSTOMER))[1]
    assert (data["curRcptNo"], data["totRcptNo"]) == (1, 2)
    data = result(trader.sell(**CUSTOMER))[1]
    assert (data["curRcptNo"], data["totRcptNo"]) == (2, 3)
    unit = trader.sandbox.kra_unit()
    assert [(each["number"], each["kind"]) for each in unit["sales"]] == [
        (1, "S"), (2, "R"), (3, "S"),
    ]  # fmt: skip
    assert unit["counters"]["receipts"] == {"S": 2, "R": 1}
