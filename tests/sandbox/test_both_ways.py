"""Money both ways: what one operation does is seen by all others, to the cent."""

from __future__ import annotations

import csv
from decimal import Decimal

from tests.sandbox.driver import SandboxDriver
from tests.sandbox.office import Office, parameters


def working(sandbox: SandboxDriver) -> Decimal:
    return sandbox.accounts("600999")["Working Account"]


def test_a_day_of_a_shop(sandbox: SandboxDriver, office: Office) -> None:
    opening = working(sandbox)
    office.register()
    assert office.simulate(Amount=1000).status_code == 200
    sandbox.settle()
    (confirmation,) = office.confirmations()
    paid_in = confirmation["TransID"]
    assert working(sandbox) == opening + 1000

    payout = parameters(office.result(office.b2c(Amount=400)))
    assert working(sandbox) == opening + 600
    reversal = office.result(office.reverse(paid_in, Amount=1000))
    assert working(sandbox) == opening - 400
    taken_back = office.result(office.reverse(payout["TransactionReceipt"], Amount=400))
    assert working(sandbox) == opening

    told = parameters(office.result(office.balance()))["AccountBalance"]
    assert told.startswith(f"Working Account|KES|{opening}|{opening}|0.00|0.00&Utility Account|")
    status = parameters(office.result(office.status(TransactionID=paid_in)))
    assert (status["TransactionStatus"], status["Amount"]) == ("Completed", Decimal("1000.00"))

    office.register_pull()
    ((row,),) = office.pull().json()["Response"]
    assert (row["transactionId"], row["amount"]) == (paid_in, "1000.00")

    rows = list(csv.reader(sandbox.statement_csv("600999").splitlines()))
    table = rows[rows.index([]) + 2 :]
    receipts = [paid_in, payout["TransactionReceipt"]]
    receipts += [result["TransactionID"] for result in (reversal, taken_back)]
    assert [row[0] for row in reversed(table)] == receipts
    assert [line["receipt"] for line in sandbox.book()["statement"]] == receipts


def test_an_stk_payment_lands_on_the_account_too(sandbox: SandboxDriver, office: Office) -> None:
    before = sandbox.accounts("174379")["Working Account"]
    office.shop.pushed_id(Amount=150)
    sandbox.settle()
    assert sandbox.accounts("174379")["Working Account"] == before + 150
    (line,) = sandbox.book()["statement"]
    assert (line["kind"], line["paid_in"], line["receipt"]) == (
        "stk_push",
        "150.00",
        sandbox.prompts()[0]["receipt"],
    )
