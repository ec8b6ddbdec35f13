"""The documented helper, from whatever a host calls a billing document."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.documents import prepare, read_invoice
from integrations.models import KRAItem
from integrations.services import build_kra_invoice_payload_from_billing_document as build
from integrations.utils_api import build_kra_invoice_payload_from_billing_document


class Manager:
    """A related manager, which is callable too."""

    def __init__(self, *rows: Any) -> None:
        self._rows = rows

    def all(self) -> tuple[Any, ...]:
        return self._rows

    def __call__(self) -> None:
        raise AssertionError("a manager is not called")


DOCUMENT = SimpleNamespace(
    document_number="INV-7",
    issue_date=date(2026, 11, 23),
    customer=SimpleNamespace(get_full_name=lambda: "Wanjiku", kra_pin="A051234567X"),
    subtotal=Decimal("2000.00"),
    tax_amount=Decimal("320.00"),
    total=Decimal("2320.00"),
    currency="KES",
    items=Manager(
        SimpleNamespace(
            product=SimpleNamespace(title="Sugar"),
            quantity=2,
            unit_price=1000.0,
            tax_rate=16.0,
            total_price=Decimal("2320.00"),
        )
    ),
)
PAYLOAD = {
    "invoice_number": "INV-7",
    "issue_date": date(2026, 11, 23),
    "customer": {"name": "Wanjiku", "kra_pin": "A051234567X"},
    "totals": {
        "subtotal": Decimal("2000.00"),
        "tax_amount": Decimal("320.00"),
        "total": Decimal("2320.00"),
    },
    "items": [
        {
            "description": "Sugar",
            "quantity": Decimal(2),
            "unit_price": Decimal("1000.0"),
            "tax_rate": Decimal("16.0"),
            "total": Decimal("2320.00"),
        }
    ],
}


def test_an_object_becomes_the_documented_dict() -> None:
    assert build is build_kra_invoice_payload_from_billing_document
    assert build(DOCUMENT) == PAYLOAD
    assert all(isinstance(each, Decimal) for each in build(DOCUMENT)["totals"].values())


def test_a_dict_does_too() -> None:
    assert build(PAYLOAD) == PAYLOAD


def test_it_is_what_is_taken(config: Snapshot, items: list[KRAItem]) -> None:
    assert prepare(read_invoice(build(DOCUMENT)), config).total == 2320


def test_a_currency_is_handed_on() -> None:
    foreign = SimpleNamespace(**{**vars(DOCUMENT), "currency": "USD", "exchange_rate": 129})
    assert build(foreign) == {**PAYLOAD, "currency": "USD", "exchange_rate": 129}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"document_number": None}, "invoice_number"),
        ({"items": None}, "items"),
        ({"total": "many"}, "totals.total"),
    ],
)
def test_what_is_missing_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        build(SimpleNamespace(**{**vars(DOCUMENT), **changes}))
    assert caught.value.field == field
