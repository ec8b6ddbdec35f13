"""The organisation portal's statement, as CSV through the control API."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.sandbox.daraja import EAT
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.office import Office

COLUMNS = (
    "Receipt No.,Completion Time,Initiation Time,Details,Transaction Status,Paid In,Withdrawn,"
    "Balance,Balance Confirmed,Reason Type,Other Party Info,Linked Transaction ID,A/C No."
)


def rows_of(text: str) -> list[dict[str, str]]:
    """The table below the head lines, oldest first."""
    _head, _, table = text.partition("\r\n\r\n")
    assert table.startswith(COLUMNS + "\r\n")
    return list(csv.DictReader(table.splitlines()))[::-1]


def test_every_movement_of_the_account_has_its_line(sandbox: SandboxDriver, office: Office) -> None:
    opening = sandbox.accounts("600999")["Working Account"]
    paid = office.paid_receipt(amount="150.50", bill_ref="INV,7")
    payout = office.result(office.b2c())["TransactionID"]
    back = office.result(office.reverse(paid, Amount="150.50"))["TransactionID"]
    text = sandbox.statement_csv("600999")
    assert text.startswith("Organization Name:,SANDBOX STORES\r\nShort Code:,600999\r\n")
    assert "Total Paid In:,150.50\r\nTotal Withdrawn:,-650.50\r\n" in text
    first, second, third = rows_of(text)
    assert [row["Receipt No."] for row in (first, second, third)] == [paid, payout, back]
    assert (first["Paid In"], first["Withdrawn"]) == ("150.50", "")
    assert (second["Paid In"], second["Withdrawn"]) == ("", "-500.00")
    assert (third["Withdrawn"], third["Linked Transaction ID"]) == ("-150.50", paid)
    assert [row["A/C No."] for row in (first, second, third)] == ["INV,7", "", ""]
    assert [Decimal(row["Balance"]) for row in (first, second, third)] == [
        opening + Decimal("150.50"),
        opening - Decimal("349.50"),
        opening - 500,
    ]
    assert first["Other Party Info"].startswith("2547 ***** 001 - ")
    assert first["Details"].startswith("Pay Bill from 2547 ***** 001")
    assert {row["Transaction Status"] for row in (first, second, third)} == {"Completed"}


def test_times_are_those_of_nairobi_in_two_forms(sandbox: SandboxDriver, office: Office) -> None:
    office.paid_receipt()
    forms = {"dmy": "%d-%m-%Y %H:%M:%S", "iso": "%Y-%m-%d %H:%M:%S"}
    for name, form in forms.items():
        (row,) = rows_of(sandbox.statement_csv("600999", dates=name))
        moment = datetime.strptime(row["Completion Time"], form).replace(tzinfo=EAT)
        assert abs(moment - datetime.now(EAT)) < timedelta(minutes=1)


def test_a_day_is_a_day_in_nairobi(sandbox: SandboxDriver, office: Office) -> None:
    now = datetime.now(EAT)
    midnight = datetime(now.year, now.month, now.day, tzinfo=EAT) + timedelta(days=1)
    sandbox.advance((midnight - now).total_seconds() - 60)
    before = office.paid_receipt()
    sandbox.advance(120)
    after = office.paid_receipt()
    for day, receipt in ((now.date(), before), (midnight.date(), after)):
        (row,) = rows_of(sandbox.statement_csv("600999", day=day.isoformat()))
        assert row["Receipt No."] == receipt
    assert rows_of(sandbox.statement_csv("600999", day=date(2020, 1, 1).isoformat())) == []
    assert len(rows_of(sandbox.statement_csv("600999"))) == 2


def test_an_account_is_chosen_or_all_of_them(sandbox: SandboxDriver, office: Office) -> None:
    sandbox.settings(payout_charge=15)
    office.shortcode = "600984"
    office.paid_receipt()
    receipt = office.result(office.b2c())["TransactionID"]
    assert len(rows_of(sandbox.statement_csv("600984"))) == 1
    (row,) = rows_of(sandbox.statement_csv("600984", account="Utility Account"))
    assert row["Receipt No."] == receipt
    (row,) = rows_of(sandbox.statement_csv("600984", account="Charges Paid Account"))
    assert (row["Withdrawn"], row["Receipt No."]) == ("-15.00", receipt)
    assert len(rows_of(sandbox.statement_csv("600984", account=""))) == 3


def test_a_till_is_found_by_either_number(sandbox: SandboxDriver, office: Office) -> None:
    office.paid_receipt(shortcode="9310081")
    for number in ("9310081", "5310080"):
        (row,) = rows_of(sandbox.statement_csv(number))
        assert row["Reason Type"] == "Customer Merchant Payment"


@pytest.mark.parametrize(
    "query",
    [
        {"shortcode": "999999"},
        {"shortcode": "600999", "day": "yesterday"},
        {"shortcode": "600999", "account": "Petty Cash"},
        {"shortcode": "600999", "dates": "american"},
    ],
)
def test_what_can_t_be_shown_is_said(sandbox: SandboxDriver, query: dict[str, str]) -> None:
    with pytest.raises(AssertionError, match="error"):
        sandbox.statement_csv(**query)
