"""The amounts of a document, first of all those of the reference's worked example."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from integrations.config import Snapshot
from integrations.kra.documents import prepare, read_invoice
from integrations.models import KRAItem
from integrations.providers.kra.payloads.sale import sale_body
from tests.kra.documents.conftest import line, simple

EXAMPLE = simple(
    line("Sugar", 2, "1160.00"),
    line("Sugar", 5, "99.99", discount_rate=10),
    line("Bread", 4, "55.50"),
    line("Tea", 1, "750.25"),
    line("Milk", 3, "33.35"),
)


def body_of(data: dict[str, Any], config: Snapshot, number: int = 1) -> dict[str, Any]:
    prepared = prepare(read_invoice(data), config)
    return sale_body(prepared.document, config=config, number=number)


def columns(body: dict[str, Any], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(each[name] for name in names) for each in body["itemList"]]


def test_the_worked_example_of_section_7(config: Snapshot, items: list[KRAItem]) -> None:
    body = body_of(EXAMPLE, config)
    names = ("taxTyCd", "dcRt", "splyAmt", "dcAmt", "totAmt", "taxAmt", "taxblAmt")
    assert columns(body, *names) == [
        ("B", 0, 2320, 0, 2320, 320, 2000),
        ("B", 10, 499.95, 50, 449.95, 62.06, 387.89),
        ("A", 0, 222, 0, 222, 0, 222),
        ("C", 0, 750.25, 0, 750.25, 0, 750.25),
        ("D", 0, 100.05, 0, 100.05, 0, 100.05),
    ]
    assert (body["taxblAmtB"], body["taxAmtB"]) == (2387.89, 382.06)
    sums = (body["totTaxblAmt"], body["totTaxAmt"], body["totAmt"])
    assert sums == (3460.19, 382.06, 3842.25)


def test_the_example_by_the_specifications_samples(
    config_of: Callable[..., Snapshot], items: list[KRAItem]
) -> None:
    body = body_of(EXAMPLE, config_of(amount_profile="spec_inclusive"))
    assert (body["taxblAmtB"], body["taxAmtB"]) == (2769.95, 382.06)
    assert (body["totTaxblAmt"], body["totAmt"]) == (3842.25, 3842.25)


def test_the_example_without_tax_in_any_price(
    config_of: Callable[..., Snapshot], items: list[KRAItem]
) -> None:
    body = body_of(EXAMPLE, config_of(amount_profile="all_net"))
    assert body["itemList"][0]["prc"] == 1000
    assert (body["totTaxblAmt"], body["totTaxAmt"], body["totAmt"]) == (3460.19, 382.06, 3842.25)


def test_a_prepared_document_says_what_is_stored(config: Snapshot, items: list[KRAItem]) -> None:
    prepared = prepare(read_invoice(EXAMPLE), config)
    assert (prepared.kind, prepared.trader_number) == ("sale", "INV-1")
    assert (prepared.customer_pin, prepared.customer_name) == ("P051234568Y", "Wanjiku Traders Ltd")
    assert (prepared.total, prepared.tax) == (Decimal("3842.25"), Decimal("382.06"))
    assert prepared.taxable == Decimal("3460.19")
    assert prepared.is_required
    assert prepared.warnings == ()


@pytest.mark.parametrize(
    ("profile", "quantity", "price"),
    [("net_taxable", "10", "99.99"), ("spec_inclusive", "7.25", "3.33"), ("all_net", "9", "0.07")],
)
def test_prices_without_tax_cost_the_buyer_what_they_say(
    config_of: Callable[..., Snapshot],
    items: list[KRAItem],
    profile: str,
    quantity: str,
    price: str,
) -> None:
    net = (Decimal(quantity) * Decimal(price)).quantize(Decimal("0.01"), "ROUND_HALF_UP")
    total = net + (net * 16 / 100).quantize(Decimal("0.01"), "ROUND_HALF_UP")
    data = simple(line("Sugar", quantity, price), prices_include_tax=False)
    body = body_of(data, config_of(amount_profile=profile))
    assert Decimal(str(body["totAmt"])) == total
    assert sum(Decimal(str(each["qty"])) for each in body["itemList"]) == Decimal(quantity)
