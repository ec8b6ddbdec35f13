"""The stock of signed documents: goods out for a sale, in for a credit note."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.kra.service import KRAService
from integrations.kra.writes import report_sale
from integrations.models import KRABranch, KRAInvoice, KRAWrite
from tests.kra.writes.deeds import SUGAR, bring, send_all, states, stock_of, told
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.kra import line, sale

DELIVERY = {"itemCd": "KE3CTNO0000006", "itemNm": "Delivery", "prc": 500, "qty": 1}


def signed(kind: str = "sale", *lines: Any, number: int = 1) -> KRAInvoice:
    """A document that KRA has signed, with the body that it got."""
    body = sale(number, itemList=list(lines) or [line()])
    return KRAInvoice.objects.create(
        branch=KRABranch.objects.get(),
        environment="sandbox",
        kind=kind,
        state="signed",
        trader_number=f"INV-{number}",
        number=number,
        issued_at=datetime(2026, 11, 27, 9, tzinfo=UTC),
        total=2320,
        tax=320,
        taxable=2000,
        document={},
        digest="",
        profile="net_taxable",
        transport="oscu_direct",
        body=body,
        next_attempt_at=None,
        work_state="done",
    )


@pytest.mark.parametrize("kra", ["oscu_direct", "oscu_gateway"], indirect=True)
def test_goods_go_out_and_come_back(service: KRAService, sandbox: SandboxDriver) -> None:
    bring(service, 10)
    told(service.exclude_item("KE2NTNO0000002"))
    lines = [line(1), line(2, **DELIVERY), line(3, itemCd="KE2NTNO0000002", qty=1, prc=55)]
    report_sale(signed("sale", *lines))
    report_sale(signed("credit_note", line(1, qty=1), number=2))
    send_all()
    assert {state for _, state, _ in states()} == {"done"}
    assert stock_of(sandbox, SUGAR) == "9"
    sold, back = KRAWrite.objects.filter(kind="stock_io").order_by("pk")[1:]
    assert (sold.body["sarTyCd"], sold.body["totItemCnt"], sold.number) == ("11", 1, 2)
    assert (back.body["sarTyCd"], back.number) == ("03", 3)
    assert sold.invoice is not None


def test_the_same_document_is_one_movement(service: KRAService) -> None:
    invoice = signed()
    first = report_sale(invoice)
    assert report_sale(invoice) == first
    assert KRAWrite.objects.count() == 2


def test_the_stocks_supply_is_before_the_discount_whatever_the_sales_was(
    service: KRAService,
) -> None:
    sold = line(1, dcRt=10)
    report_sale(signed("sale", {**sold, "splyAmt": sold["splyAmt"] - sold["dcAmt"]}))
    stored = KRAWrite.objects.get(kind="stock_io").document["lines"][0]
    assert (stored["supply"], stored["discount"]) == ("2320.00", "232.0")


def test_services_alone_move_nothing(service: KRAService) -> None:
    assert report_sale(signed("sale", line(1, **DELIVERY))) == []


def test_what_was_sold_without_stock_is_told_as_none_left(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    report_sale(signed())
    send_all()
    assert {state for _, state, _ in states()} == {"done"}
    assert stock_of(sandbox, SUGAR) == "0"
    assert "More was sold" in KRAWrite.objects.get(kind="stock_master").attention
