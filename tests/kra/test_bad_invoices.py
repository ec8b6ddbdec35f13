"""Wrong papers are named by line and field before anything is stored or sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integrations.exceptions import InvalidInput
from integrations.models import KRAInvoice
from tests.kra.outbox.conftest import Shop, drain, open_shop  # noqa: F401

Change = Callable[[Shop], dict[str, Any]]


def _second(**changes: Any) -> Change:
    """The second line is wrong."""
    return lambda shop: {"items": [shop.line(), shop.line(**changes)]}


BAD: tuple[tuple[str, Change, str, str], ...] = (
    ("wrong PIN", lambda _shop: {"customer": {"name": "W", "kra_pin": "P05123456X"}},
     "customer.kra_pin", "9 digits"),
    ("PIN without a name", lambda _shop: {"customer": {"kra_pin": "P051234568Y"}},
     "customer.name", "is missing"),
    ("negative", _second(quantity="-2"), "items[1].quantity", ""),
    ("negative price", _second(unit_price="-1"), "items[1].unit_price", ""),
    ("mixed rates", _second(tax_rate="8"), "items[1].tax_rate", ""),
    ("mixed rate and type", _second(tax_type="B", tax_rate="0"), "items[1].tax_rate", ""),
    ("0.01 more", _second(total="2320.01"), "items[1].total", "2320.00"),
    ("0.01 less", _second(total="2319.99"), "items[1].total", "2320.00"),
    ("header 0.01 more", lambda _shop: {"totals": {"total": "2320.01"}}, "totals.total",
     "2320.00"),
    ("header 0.01 less", lambda _shop: {"totals": {"total": "2319.99"}}, "totals.total",
     "2320.00"),
    ("header tax 0.01 off", lambda _shop: {"totals": {"tax_amount": "320.01"}},
     "totals.tax_amount", "320.00"),
    ("header subtotal 0.01 off", lambda _shop: {"totals": {"subtotal": "1999.99"}},
     "totals.subtotal", "2000.00"),
    ("unknown item", _second(item_code="KE2NTNO0009999"), "items[1].item_code", ""),
)  # fmt: skip


@pytest.mark.parametrize(("_name", "change", "field", "word"), BAD, ids=[each[0] for each in BAD])
@pytest.mark.parametrize("transport", ["oscu_direct", "oscu_gateway"])
def test_line_and_field_are_named(
    open_shop: Callable[..., Shop],  # noqa: F811
    transport: str,
    _name: str,
    change: Change,
    field: str,
    word: str,
) -> None:
    shop = open_shop(transport)
    with pytest.raises(InvalidInput) as caught:
        shop.submit(shop.invoice(**change(shop)))
    assert caught.value.field == field, caught.value
    assert word in str(caught.value)
    assert not KRAInvoice.objects.exists()
    assert shop.sandbox.kra_counters().get("save_sale") is None


def test_the_gateway_gets_a_name_for_every_customer(
    open_shop: Callable[..., Shop],  # noqa: F811
) -> None:
    """An invoice without one could never be credited there (section 6.6 [1 live])."""
    shop = open_shop("oscu_gateway")
    row = shop.submit(shop.invoice(customer={}))
    drain()
    row.refresh_from_db()
    assert (row.state, row.customer_name) == ("signed", shop.row.retail_customer_name)
    note = shop.submit(shop.credit(row))
    drain()
    note.refresh_from_db()
    assert note.state == "signed", note.message


def test_a_credit_over_its_original(open_shop: Callable[..., Shop]) -> None:  # noqa: F811
    shop = open_shop()
    row = shop.submit()
    drain()
    row.refresh_from_db()
    line = shop.line(quantity="3", original_line=1)
    with pytest.raises(InvalidInput) as caught:
        shop.submit(shop.credit(row, items=[line]))
    assert caught.value.field == "items[0].quantity", caught.value
    shop.submit(shop.credit(row))
    with pytest.raises(InvalidInput):
        shop.submit(shop.credit(row))
    assert KRAInvoice.objects.count() == 2
