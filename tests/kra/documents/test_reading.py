"""What an ERP hands over is read as it was meant, or refused with line and field."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from integrations.exceptions import InvalidInput
from integrations.kra import Customer, Insurance, Invoice, Line, Totals
from integrations.kra.documents import check_pin, read_invoice
from integrations.kra.documents.dates import moment_of, read_date
from integrations.kra.documents.prepared import digest_of_invoice
from tests.kra.documents.conftest import line, simple

NOW = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)  # 23:30 in Nairobi
DOCUMENTED = {
    "invoice_number": "INV-2026-000123",
    "issue_date": "2026-11-23",
    "customer": {"name": "Wanjiku Traders Ltd", "kra_pin": "p051234568y"},
    "totals": {"subtotal": 2000.0, "tax_amount": 320.0, "total": 2320.0},
    "items": [
        {
            "description": "Sugar",
            "quantity": 2.0,
            "unit_price": 1160.0,
            "tax_rate": 16.0,
            "total": 2320.0,
        }
    ],
}
TYPED = Invoice(
    invoice_number="INV-2026-000123",
    issue_date=date(2026, 11, 23),
    customer=Customer("Wanjiku Traders Ltd", "P051234568Y"),
    totals=Totals(Decimal(2000), Decimal(320), Decimal("2320.00")),
    items=(Line("Sugar", Decimal(2), Decimal(1160), Decimal(16), Decimal(2320)),),
)


@pytest.fixture(autouse=True)
def evening() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def refused(data: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        read_invoice(data)
    return caught.value


def test_the_documented_dict_and_the_typed_invoice_say_the_same() -> None:
    from_dict, from_type = read_invoice(DOCUMENTED), read_invoice(TYPED)
    assert from_dict == from_type
    assert digest_of_invoice(from_dict) == digest_of_invoice(from_type)
    assert from_dict.items[0].unit_price == Decimal(1160)
    assert from_dict.customer.kra_pin == "P051234568Y"
    assert read_invoice(from_dict) is from_dict


def test_the_digest_is_of_what_was_said() -> None:
    other = {**DOCUMENTED, "items": [{**DOCUMENTED["items"][0], "quantity": 3}]}
    assert digest_of_invoice(read_invoice(other)) != digest_of_invoice(read_invoice(DOCUMENTED))
    zones = (UTC, timezone(timedelta(hours=3)))
    moments = [datetime(2026, 11, 23, 9, tzinfo=UTC).astimezone(zone) for zone in zones]
    same = {digest_of_invoice(read_invoice({**DOCUMENTED, "issue_date": each})) for each in moments}
    assert len(same) == 1


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"invoice_number": None}, "invoice_number", "invalid_document"),
        ({"invoice_number": ""}, "invoice_number", "invalid_document"),
        ({"invoice_number": 17}, "invoice_number", "invalid_document"),
        ({"invoice_number": "x" * 51}, "invoice_number", "invalid_document"),
        ({"invoice_number": "a\nb"}, "invoice_number", "invalid_document"),
        ({"invoice_number": "a\ud800"}, "invoice_number", "invalid_document"),
        ({"issue_date": None}, "issue_date", "invalid_document"),
        ({"issue_date": "23/11/2026"}, "issue_date", "invalid_date"),
        ({"issue_date": "2026-02-30"}, "issue_date", "invalid_date"),
        ({"issue_date": 20261123}, "issue_date", "invalid_date"),
        ({"issue_date": "2026-11-24"}, "issue_date", "invalid_date"),
        ({"issue_date": "2026-11-23T23:36:00"}, "issue_date", "invalid_date"),
        ({"issue_date": "1999-12-31"}, "issue_date", "invalid_date"),
        ({"items": None}, "items", "invalid_document"),
        ({"items": []}, "items", "invalid_document"),
        ({"items": "Sugar"}, "items", "invalid_document"),
        ({"items": {"a": 1}}, "items", "invalid_document"),
        ({"items": [line("x", 1, 1)] * 1000}, "items", "invalid_document"),
        ({"items": [line("x", 1, 1), "y"]}, "items[1]", "invalid_document"),
        ({"customer": "Wanjiku"}, "customer", "invalid_document"),
        ({"customer": {"kra_pin": "123"}}, "customer.kra_pin", "invalid_pin"),
        ({"customer": {"kra_pin": "A١٢٣٤٥٦٧٨٩B"}}, "customer.kra_pin", "invalid_pin"),
        ({"customer": {"phone": "1" * 21}}, "customer.phone", "invalid_document"),
        ({"prices_include_tax": "yes"}, "prices_include_tax", "invalid_document"),
        ({"prices_include_tax": None}, "totals", "invalid_document"),
        ({"totals": 5}, "totals", "invalid_document"),
        ({"totals": {"total": "-1"}}, "totals.total", "invalid_amount"),
        ({"totals": {"total": 10.001}}, "totals.total", "float_amount"),
        ({"currency": "KSH1"}, "currency", "invalid_document"),
        ({"currency": "K1S"}, "currency", "invalid_currency"),
        ({"currency": "USD"}, "exchange_rate", "invalid_document"),
        ({"currency": "USD", "exchange_rate": 0}, "exchange_rate", "invalid_document"),
        ({"exchange_rate": 2}, "exchange_rate", "invalid_document"),
        ({"payment_type": "000001"}, "payment_type", "invalid_document"),
    ],
)
def test_what_an_invoice_may_not_say(changes: dict[str, Any], field: str, code: str) -> None:
    error = refused(simple(line("Sugar", 1, 100), **changes))
    assert (error.field, error.code) == (field, code)


@pytest.mark.parametrize(
    ("changes", "name", "code"),
    [
        ({"description": None}, "description", "invalid_document"),
        ({"description": "  "}, "description", "invalid_document"),
        ({"description": 7}, "description", "invalid_document"),
        ({"quantity": None}, "quantity", "invalid_document"),
        ({"quantity": 0}, "quantity", "invalid_document"),
        ({"quantity": -1}, "quantity", "invalid_document"),
        ({"quantity": "1,5"}, "quantity", "invalid_amount"),
        ({"quantity": True}, "quantity", "invalid_amount"),
        ({"quantity": "0.125"}, "quantity", "invalid_document"),
        ({"quantity": 0.125}, "quantity", "invalid_document"),
        ({"quantity": 0.1 + 0.2}, "quantity", "float_amount"),
        ({"quantity": 10**9}, "quantity", "invalid_document"),
        ({"unit_price": None}, "unit_price", "invalid_document"),
        ({"unit_price": "-0.01"}, "unit_price", "invalid_amount"),
        ({"unit_price": 1.005}, "unit_price", "float_amount"),
        ({"unit_price": float("nan")}, "unit_price", "float_amount"),
        ({"unit_price": 1e20}, "unit_price", "float_amount"),
        ({"unit_price": Decimal("NaN")}, "unit_price", "invalid_amount"),
        ({"unit_price": "1.0000001"}, "unit_price", "fractional_amount"),
        ({"unit_price": [1]}, "unit_price", "invalid_amount"),
        ({"total": "1.001"}, "total", "fractional_amount"),
        ({"tax_rate": 101}, "tax_rate", "invalid_document"),
        ({"tax_type": "F"}, "tax_type", "invalid_document"),
        ({"item_code": "x" * 21}, "item_code", "invalid_document"),
        ({"barcode": "x" * 21}, "barcode", "invalid_document"),
        ({"class_code": "1" * 11}, "class_code", "invalid_document"),
        ({"quantity_unit": "x" * 6}, "quantity_unit", "invalid_document"),
        ({"packaging_unit": "x" * 6}, "packaging_unit", "invalid_document"),
        ({"package_count": 0}, "package_count", "invalid_document"),
        ({"discount_rate": -1}, "discount_rate", "invalid_document"),
        ({"discount_rate": 5, "discount_amount": 5}, "discount_amount", "invalid_document"),
        ({"insurance": 5}, "insurance", "invalid_document"),
        ({"insurance": {"code": "N1", "rate": 5}}, "insurance.amount", "invalid_document"),
        ({"insurance": {"code": "N1", "rate": "5.5", "amount": 1}}, "insurance.rate",
         "invalid_document"),
        ({"original_line": "1"}, "original_line", "invalid_document"),
    ],
)  # fmt: skip
def test_what_a_line_may_not_say(changes: dict[str, Any], name: str, code: str) -> None:
    good, bad = line("Sugar", 1, 100), line("Sugar", 1, 100)
    error = refused(simple(good, good, {**bad, **changes}))
    assert (error.field, error.code) == (f"items[2].{name}", code)


@pytest.mark.parametrize("data", [None, [], "invoice", 5])
def test_what_is_no_invoice(data: Any) -> None:
    assert refused(data).field == "invoice"


def test_floats_are_taken_where_they_are_exact() -> None:
    read = read_invoice(simple(line("Sugar", 1.5, 99.99, discount_amount=0.1)))
    only = read.items[0]
    assert (only.quantity, only.unit_price) == (Decimal("1.5"), Decimal("99.99"))
    assert only.discount_amount == Decimal("0.1")


def test_unknown_keys_are_told() -> None:
    data = simple(line("Sugar", 1, 100, qty=2), curency="USD", customer={"nmae": "x"})
    assert sorted(read_invoice(data).warnings) == [
        "curency: is not known and was left out.",
        "customer.nmae: is not known and was left out.",
        "items[0].qty: is not known and was left out.",
    ]


def test_words_are_cut_and_codes_are_not() -> None:
    data = simple(line("x" * 201, 1, 100), customer={"name": "n" * 61}, remark="r" * 401)
    read = read_invoice(data)
    assert (len(read.items[0].description), len(read.customer.name), len(read.remark)) == (
        200,
        60,
        400,
    )
    assert [each.split(":")[0] for each in sorted(read.warnings)] == [
        "customer.name",
        "items[0].description",
        "remark",
    ]


def test_words_have_no_line_breaks() -> None:
    assert read_invoice(simple(line("Brown\n  sugar\x00", 1, 1))).items[0].description == (
        "Brown sugar"
    )


def test_insurance_is_read() -> None:
    insured = {"code": "NHIF", "name": "Fund", "rate": 80, "amount": "80.00"}
    read = read_invoice(simple(line("Sugar", 1, 100, insurance=insured)))
    assert read.items[0].insurance == Insurance("NHIF", "Fund", Decimal(80), Decimal("80.00"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-11-23", "2026-11-23T23:30:00+03:00"),
        ("2026-11-22", "2026-11-22T12:00:00+03:00"),
        ("2026-11-23T10:15:00", "2026-11-23T10:15:00+03:00"),
        ("2026-11-23T10:15:00+00:00", "2026-11-23T13:15:00+03:00"),
        ("2026-11-23T20:34:00Z", "2026-11-23T23:34:00+03:00"),
        (datetime(2026, 11, 23, 10, 15), "2026-11-23T10:15:00+03:00"),
    ],
)
def test_dates_are_those_of_nairobi(given: object, expected: str) -> None:
    assert moment_of(read_date(given, "issue_date")).isoformat() == expected


def test_a_new_day_in_nairobi_is_not_the_future() -> None:
    with time_machine.travel(datetime(2026, 11, 23, 21, 5, tzinfo=UTC), tick=False):
        assert read_date("2026-11-24", "issue_date") == date(2026, 11, 24)


def test_pins_of_companies_and_individuals() -> None:
    assert (check_pin(" p051234567x ").pin, check_pin("P051234567X").kind) == (
        "P051234567X",
        "company",
    )
    assert check_pin("A051234567X").kind == "individual"
    odd = check_pin("B051234567X")
    assert odd.kind == ""
    assert "begins with B" in odd.warning
    read = read_invoice(simple(line("x", 1, 1), customer={"kra_pin": "B051234567X"}))
    assert "begins with B" in read.warnings[0]
