"""Which item a line sells, at which tax type, in which units; and what is left out."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.kra.documents import Prepared, prepare, read_invoice, tax_rates
from integrations.models import KRACode, KRAItem
from integrations.providers.kra.payloads.sale import sale_body
from tests.kra.documents.conftest import item, line, simple


def ready(config: Snapshot, *lines: dict[str, Any], **more: Any) -> Prepared:
    return prepare(read_invoice(simple(*lines, **more)), config)


def refused(config: Snapshot, *lines: dict[str, Any], **more: Any) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as caught:
        ready(config, *lines, **more)
    return caught.value.field, caught.value.code


def codes(class_code: str, *known: str, **extra: str) -> None:
    for code in (*known, *extra):
        KRACode.objects.create(
            environment="sandbox",
            class_code=class_code,
            code=code,
            extra=[extra[code], "", ""] if code in extra else [],
        )


@pytest.mark.parametrize(
    "said",
    [
        {"item_code": "KE2CTNO0000001"},
        {"reference": "SKU-1"},
        {"description": "SKU-1"},
        {"description": "Sugar"},
    ],
)
def test_an_item_is_named_by_code_reference_or_description(
    config: Snapshot, items: list[KRAItem], said: dict[str, str]
) -> None:
    only = ready(config, {**line("Brown sugar", 1, 116), **said}).document["lines"][0]
    assert (only["item_code"], only["class_code"]) == ("KE2CTNO0000001", "5059690800")
    assert only["name"] == said.get("description", "Brown sugar")


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"item_code": "KE2CTNO0000009"}, "item_code"),
        ({"reference": "SKU-9"}, "reference"),
        ({}, "description"),
    ],
)
def test_an_unknown_item(
    config: Snapshot, items: list[KRAItem], said: dict[str, str], field: str
) -> None:
    lines = (line("Sugar", 1, 1), line("Gold", 1, 1, **said))
    assert refused(config, *lines) == (f"items[1].{field}", "unknown_item")


def test_an_item_out_of_use_or_of_a_shared_name(config: Snapshot, items: list[KRAItem]) -> None:
    item("KE2CTNO0000008", "Salt", is_used=False)
    item("KE2CTNO0000009", "Sugar")
    assert refused(config, line("Salt", 1, 1)) == ("items[0].description", "unknown_item")
    assert refused(config, line("Sugar", 1, 1)) == ("items[0].description", "unknown_item")


def test_another_taxpayers_items_are_not_ours(config: Snapshot, items: list[KRAItem]) -> None:
    KRAItem.objects.update(tin="P000000000Z")
    assert refused(config, line("Sugar", 1, 1)) == ("items[0].description", "unknown_item")


def test_unknown_items_are_sold_as_the_default_one(
    config_of: Callable[..., Snapshot], items: list[KRAItem]
) -> None:
    config = config_of(
        unknown_items="default", default_item_code="KE3NTXU0000001", default_item_class="81112000"
    )
    prepared = ready(config, line("Repair", 1, 116, tax_rate=16))
    only = prepared.document["lines"][0]
    assert (only["item_code"], only["class_code"]) == ("KE3NTXU0000001", "81112000")
    assert (only["name"], only["tax_type"]) == ("Repair", "B")
    assert (only["packaging_unit"], only["quantity_unit"]) == ("CT", "NO")
    assert prepared.warnings == ("items[0].description: 'Repair' is sold as the default item.",)
    assert refused(config, line("Repair", 1, 1)) == ("items[0].tax_type", "invalid_document")
    assert refused(config, line("Repair", 1, 1, tax_rate=0)) == (
        "items[0].tax_type",
        "invalid_document",
    )
    assert refused(config, line("Repair", 1, 1, tax_rate=14)) == (
        "items[0].tax_rate",
        "wrong_tax_rate",
    )
    item("KE3NTXU0000001", "Services", "C")
    assert ready(config, line("Repair", 1, 1)).document["lines"][0]["tax_type"] == "C"


def test_a_default_item_that_is_not_set(config_of: Callable[..., Snapshot]) -> None:
    with pytest.raises(ConfigurationError, match="default item is not set"):
        ready(config_of(unknown_items="default"), line("Repair", 1, 1))


def test_a_rate_has_to_be_that_of_the_type(config: Snapshot, items: list[KRAItem]) -> None:
    lines = (line("Sugar", 1, 1, tax_rate=16), line("Sugar", 1, 1, tax_rate=8))
    assert refused(config, *lines) == ("items[1].tax_rate", "wrong_tax_rate")
    mixed = line("Bread", 1, 1, tax_type="A", tax_rate=16)
    assert refused(config, mixed) == ("items[0].tax_rate", "wrong_tax_rate")


def test_another_type_than_the_items_is_told(config: Snapshot, items: list[KRAItem]) -> None:
    prepared = ready(config, line("Sugar", 1, 116, tax_type="C"))
    assert prepared.tax == 0
    assert prepared.warnings == ("items[0].tax_type: C is sold; the item is of type B.",)


def test_rates_come_from_the_setting_then_kras_list_then_the_reference(
    config_of: Callable[..., Snapshot],
) -> None:
    assert tax_rates(config_of()) == {"A": 0, "B": 16, "C": 0, "D": 0, "E": 8}
    codes("04", A="0", B="16 %", E="0", D="n/a")
    assert tax_rates(config_of())["E"] == 0
    assert tax_rates(config_of(tax_rates="B=18, e = 4.5")) == {
        "A": 0, "B": 18, "C": 0, "D": 0, "E": Decimal("4.5"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "text", ["B", "F=16", "B=16 x", "B=1600", "B=-1", "=", "B=101", "B=16 B=18"]
)
def test_rates_that_cannot_be_read(config_of: Callable[..., Snapshot], text: str) -> None:
    with pytest.raises(ConfigurationError, match="tax rates can't be read"):
        tax_rates(config_of(tax_rates=text))


@pytest.mark.parametrize("unit", ["U", "BX"])
def test_what_is_surely_no_packaging_unit_is_refused_before_the_lists_were_fetched(
    config: Snapshot, items: list[KRAItem], unit: str
) -> None:
    """Section 10: KRA answers 913 to it, though it is a quantity unit."""
    odd = line("Sugar", 1, 1, packaging_unit=unit, quantity_unit=unit)
    assert refused(config, odd) == ("items[0].packaging_unit", "unknown_code")
    assert ready(config, line("Sugar", 1, 1, quantity_unit=unit)).is_required


@pytest.mark.parametrize("code", ["00", "08", "42", "1"])
def test_payment_types_are_known_before_the_lists_were_fetched(
    config: Snapshot, items: list[KRAItem], code: str
) -> None:
    sold = line("Sugar", 1, 1)
    assert refused(config, sold, payment_type=code) == ("payment_type", "unknown_code")
    assert ready(config, sold, payment_type="07").is_required
    codes("07", "01", code)
    assert ready(config, sold, payment_type=code).is_required


def test_units_and_payment_types_are_looked_up_where_the_lists_were_fetched(
    config: Snapshot, items: list[KRAItem]
) -> None:
    odd = line("Sugar", 1, 1, packaging_unit="XX", quantity_unit="ZZ")
    assert ready(config, odd).is_required
    codes("17", "CT", "BG")
    assert refused(config, odd) == ("items[0].packaging_unit", "unknown_code")
    codes("10", "NO", "U")
    odd["packaging_unit"] = "BG"
    assert refused(config, odd) == ("items[0].quantity_unit", "unknown_code")
    codes("07", "01", "06")
    assert refused(config, line("Sugar", 1, 1), payment_type="42") == (
        "payment_type",
        "unknown_code",
    )
    assert ready(config, line("Sugar", 1, 1), payment_type="06").document["payment_type"] == "06"


def test_what_is_excluded_is_left_out_and_still_counted_in_the_erps_totals(
    config: Snapshot, items: list[KRAItem]
) -> None:
    item("KE2CTNO0000009", "Airtime", is_excluded=True)
    lines = (line("Sugar", 1, 116), line("Airtime", 2, 50))
    prepared = ready(config, *lines, totals={"total": 216})
    assert prepared.total == 116
    assert [each["name"] for each in prepared.document["lines"]] == ["Sugar"]
    assert prepared.document["excluded"][0]["name"] == "Airtime"
    assert prepared.is_required
    alone = ready(config, line("Airtime", 2, 50))
    assert (alone.is_required, alone.total) == (False, 0)


@pytest.mark.parametrize("transport", ["oscu_direct", "oscu_gateway", "vscu"])
def test_a_sale_without_a_customer_has_the_settings_name(
    config_of: Callable[..., Snapshot], items: list[KRAItem], transport: str
) -> None:
    config = config_of(transport=transport, retail_customer_pin="A000000000D")
    prepared = ready(config, line("Sugar", 1, 116), customer=None)
    assert (prepared.customer_name, prepared.customer_pin) == ("CASH SALE", "A000000000D")


def test_without_any_name_the_gateway_is_not_asked(
    config_of: Callable[..., Snapshot], items: list[KRAItem]
) -> None:
    nobody = {"customer": None}
    config = config_of(transport="oscu_gateway", retail_customer_name="")
    assert refused(config, line("Sugar", 1, 1), **nobody) == ("customer.name", "invalid_document")
    config = config_of(transport="oscu_direct", retail_customer_name="")
    body = sale_body(ready(config, line("Sugar", 1, 1), **nobody).document, config=config, number=1)
    assert (body["custNm"], body["custTin"]) == (None, None)


@pytest.mark.parametrize("transport", ["oscu_direct", "oscu_gateway", "vscu"])
@pytest.mark.parametrize("name", [{}, {"name": " "}], ids=["none", "blank"])
def test_a_pin_is_not_sold_to_under_the_retail_name(
    config_of: Callable[..., Snapshot], items: list[KRAItem], transport: str, name: dict[str, str]
) -> None:
    config = config_of(transport=transport)
    buyer = {"customer": {"kra_pin": "P051234568Y", **name}}
    assert refused(config, line("Sugar", 1, 1), **buyer) == ("customer.name", "invalid_document")


def test_a_name_alone_is_not_given_the_retail_pin(
    config_of: Callable[..., Snapshot], items: list[KRAItem]
) -> None:
    config = config_of(retail_customer_pin="A000000000D")
    prepared = ready(config, line("Sugar", 1, 116), customer={"name": "Njeri"})
    assert (prepared.customer_name, prepared.customer_pin) == ("Njeri", "")
