"""Credit notes: copies of a signed invoice, never more than is left of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.documents import Prepared, check_credit, prepare, read_invoice
from integrations.models import InvoiceState, KRABranch, KRAInvoice, KRAItem
from integrations.providers.kra.payloads.sale import sale_body
from tests.kra.documents.conftest import item, line, simple, stored

LINES = (
    line("Sugar", 5, "99.99", discount_rate=10),
    line("Bread", 4, "55.50"),
    line("Sugar", 3, "33.35", reference="SKU-1"),
)
DAY = "2026-11-24"


@pytest.fixture
def original(config: Snapshot, items: list[KRAItem]) -> KRAInvoice:
    return stored(config, prepare(read_invoice(simple(*LINES)), config), number=7)


def credit(*lines: dict[str, Any], number: str = "CN-1", **more: Any) -> dict[str, Any]:
    given = {
        "invoice_number": number,
        "issue_date": DAY,
        "original_invoice_number": "INV-1",
        "reason": "06",
        **more,
    }
    return {**given, "items": list(lines)} if lines else given


def prepared_credit(
    config: Snapshot, original: KRAInvoice | None, *lines: dict[str, Any], **more: Any
) -> Prepared:
    prepared = prepare(read_invoice(credit(*lines, **more)), config, original=original)
    if original is not None:
        check_credit(prepared, original)
    return prepared


def credited(
    config: Snapshot,
    original: KRAInvoice,
    *lines: dict[str, Any],
    number: str = "CN-1",
    **more: Any,
) -> KRAInvoice:
    """A credit note that is stored, signed unless told otherwise."""
    prepared = prepared_credit(config, original, *lines, number=number)
    return stored(config, prepared, original=original, **more)


def refused(
    field: str, config: Snapshot, original: KRAInvoice | None, *lines: dict[str, Any], **more: Any
) -> str:
    with pytest.raises(InvalidInput) as caught:
        prepared_credit(config, original, *lines, **more)
    assert caught.value.field == field
    return caught.value.code


def test_all_of_an_invoice_by_naming_it(config: Snapshot, original: KRAInvoice) -> None:
    prepared = prepared_credit(config, original)
    assert (prepared.kind, prepared.reason) == ("credit_note", "06")
    assert (prepared.total, prepared.tax) == (original.total, original.tax)
    assert (prepared.customer_pin, prepared.customer_name) == ("P051234568Y", "Wanjiku Traders Ltd")
    sale = sale_body(original.document, config=config, number=7)
    body = sale_body(prepared.document, config=config, number=8, original_number=7)
    assert (body["rcptTyCd"], body["orgInvcNo"], body["invcNo"]) == ("R", 7, 8)
    assert (body["rfdRsnCd"], body["rfdDt"][:8], len(body["rfdDt"])) == ("06", "20261124", 14)
    assert body["itemList"] == sale["itemList"]
    assert (sale["rfdDt"], sale["rfdRsnCd"], sale["orgInvcNo"]) == (None, None, 0)


def test_a_part_costs_what_it_cost(config: Snapshot, original: KRAInvoice) -> None:
    prepared = prepared_credit(config, original, line("Bread", 1, "55.50", total="55.50"))
    assert prepared.total == Decimal("55.50")
    body = sale_body(prepared.document, config=config, number=8, original_number=7)
    only = body["itemList"][0]
    assert (only["itemCd"], only["qty"], only["taxTyCd"]) == ("KE2CTNO0000002", 1, "A")


def test_a_part_has_the_originals_discount(config: Snapshot, original: KRAInvoice) -> None:
    prepared = prepared_credit(config, original, {"original_line": 1, "quantity": 2})
    assert prepared.document["lines"][0]["discount_rate"] == "10"
    assert prepared.total == Decimal("179.98")


def test_parts_add_up_to_the_original(config: Snapshot, original: KRAInvoice) -> None:
    for number in range(5):
        credited(config, original, {"original_line": 1, "quantity": 1}, number=f"CN-{number}")
    credited(config, original, number="CN-rest")
    total = sum(each.total for each in KRAInvoice.objects.filter(original=original))
    assert total == original.total
    assert refused("original_invoice_number", config, original, number="CN-x") == "over_credit"


def test_a_line_by_reference_spreads_over_lines_of_the_item(
    config: Snapshot, original: KRAInvoice
) -> None:
    prepared = prepared_credit(config, original, {"reference": "SKU-1", "quantity": 7})
    quantities = [(each["original"], each["quantity"]) for each in prepared.document["lines"]]
    assert quantities == [(1, "5"), (3, "2")]


def test_too_much_of_a_line(config: Snapshot, original: KRAInvoice) -> None:
    assert refused("items[0].quantity", config, original, line("Bread", 5, None)) == "over_credit"


def test_too_much_over_two_lines_of_one_note(config: Snapshot, original: KRAInvoice) -> None:
    lines = (line("Bread", 3, None), line("Bread", 2, None))
    assert refused("items[1].quantity", config, original, *lines) == "over_credit"


@pytest.mark.parametrize(
    "state", [s for s in InvoiceState if s not in (InvoiceState.REJECTED, "not_required")]
)
def test_notes_that_wait_or_are_in_doubt_count(
    config: Snapshot, original: KRAInvoice, state: InvoiceState
) -> None:
    credited(config, original, line("Bread", 3, None), state=state)
    more = line("Bread", 2, None)
    assert refused("items[0].quantity", config, original, more, number="CN-2") == "over_credit"


def test_a_rejected_note_does_not_count(config: Snapshot, original: KRAInvoice) -> None:
    credited(config, original, line("Bread", 4, None), state=InvoiceState.REJECTED)
    assert prepared_credit(config, original, line("Bread", 4, None), number="CN-2").total == 222


def test_one_prepared_before_another_was_stored_is_refused_at_the_check(
    config: Snapshot, original: KRAInvoice
) -> None:
    late = prepare(read_invoice(credit(number="CN-2")), config, original=original)
    credited(config, original, line("Bread", 1, None))
    with pytest.raises(InvalidInput) as caught:
        check_credit(late, original)
    assert (caught.value.field, caught.value.code) == ("items[1].quantity", "over_credit")


def test_amounts_above_the_original_are_refused_at_the_check(
    config: Snapshot, original: KRAInvoice
) -> None:
    prepared = prepared_credit(config, original)
    prepared.document["lines"][0]["total"] = "449.96"
    with pytest.raises(InvalidInput) as caught:
        check_credit(prepared, original)
    assert caught.value.field == "items[0].total"


@pytest.mark.parametrize(
    ("more", "field", "code"),
    [
        ({"reason": ""}, "reason", "invalid_reason"),
        ({"reason": "07"}, "reason", "invalid_reason"),
        ({"issue_date": "2026-11-22"}, "issue_date", "invalid_date"),
        ({"issue_date": "2026-11-23T11:59:59+03:00"}, "issue_date", "invalid_date"),
        ({"customer": {"kra_pin": "P000000000Z"}}, "customer.kra_pin", "not_the_original"),
        ({"customer": {"name": "Another Ltd"}}, "customer.name", "not_the_original"),
        ({"currency": "USD"}, "currency", "invalid_currency"),
        ({"currency": "USD", "exchange_rate": 2}, "currency", "invalid_currency"),
        ({"original_invoice_number": "INV-2"}, "original_invoice_number", "unknown_original"),
        ({"totals": {"total": "771.99"}}, "totals.total", "wrong_amount"),
        ({"totals": {"tax_amount": "1.00"}}, "totals.tax_amount", "wrong_amount"),
    ],
)
def test_what_a_credit_note_may_not_say(
    config: Snapshot, original: KRAInvoice, more: dict[str, Any], field: str, code: str
) -> None:
    assert refused(field, config, original, **more) == code


@pytest.mark.parametrize(
    ("said", "field", "code"),
    [
        ({"description": "Gold"}, "description", "not_the_original"),
        ({"item_code": "KE2CTNO0000009"}, "item_code", "not_the_original"),
        ({"original_line": 4}, "original_line", "not_the_original"),
        ({"original_line": 2, "unit_price": "55.49"}, "unit_price", "not_the_original"),
        ({"original_line": 2, "tax_rate": 16}, "tax_rate", "not_the_original"),
        ({"original_line": 2, "tax_type": "B"}, "tax_type", "not_the_original"),
        ({"original_line": 2, "total": "55.49"}, "total", "wrong_amount"),
    ],
)
def test_what_its_lines_may_not_say(
    config: Snapshot, original: KRAInvoice, said: dict[str, Any], field: str, code: str
) -> None:
    given = {"quantity": 1, **said}
    assert refused(f"items[0].{field}", config, original, given) == code


def test_an_unknown_original(config: Snapshot, items: list[KRAItem]) -> None:
    assert refused("original_invoice_number", config, None) == "unknown_original"


def test_an_original_that_was_rejected(config: Snapshot, original: KRAInvoice) -> None:
    original.state = InvoiceState.REJECTED
    assert refused("original_invoice_number", config, original) == "not_creditable"


@pytest.mark.parametrize("state", [s for s in InvoiceState if s != "rejected"])
def test_an_original_that_is_not_signed_yet(
    config: Snapshot, original: KRAInvoice, state: InvoiceState
) -> None:
    """Its credit note waits behind it."""
    original.state = state
    assert credited(config, original).kind == "credit_note"


def test_a_credit_note_is_not_credited(config: Snapshot, original: KRAInvoice) -> None:
    note = credited(config, original)
    more = {"original_invoice_number": "CN-1"}
    assert refused("original_invoice_number", config, note, **more) == "not_creditable"


def test_an_original_of_another_branch(config: Snapshot, original: KRAInvoice) -> None:
    KRABranch.objects.update(bhf_id="01")
    assert refused("original_invoice_number", config, original) == "not_the_original"


def test_the_limits_of_the_settings(
    config_of: Callable[..., Snapshot], original: KRAInvoice
) -> None:
    config = config_of(credit_note_limit=1, credit_note_months=6)
    late = {"issue_date": date(2026, 11, 24)}
    KRAInvoice.objects.update(issued_at="2026-05-20T10:00:00+03:00")
    original.refresh_from_db()
    assert refused("issue_date", config, original, **late) == "not_creditable"
    KRAInvoice.objects.update(issued_at="2026-05-24T10:00:00+03:00")
    original.refresh_from_db()
    credited(config, original, line("Bread", 1, None))
    assert refused("original_invoice_number", config, original, number="CN-2") == "not_creditable"


def test_the_reasons_of_the_settings(
    config_of: Callable[..., Snapshot], original: KRAInvoice
) -> None:
    config = config_of(credit_reasons="06, 13")
    assert prepared_credit(config, original, reason="13").reason == "13"
    assert refused("reason", config, original, reason="01") == "invalid_reason"


def test_an_original_without_a_name_is_not_credited_at_the_gateway(
    config_of: Callable[..., Snapshot], original: KRAInvoice
) -> None:
    original.customer_name = ""
    config = config_of(transport="oscu_gateway")
    assert refused("customer.name", config, original) == "not_creditable"


def test_rates_are_the_originals(config_of: Callable[..., Snapshot], original: KRAInvoice) -> None:
    config = config_of(tax_rates="B=18")
    prepared = prepared_credit(config, original)
    assert prepared.document["rates"]["B"] == "16"
    assert prepared.tax == original.tax


def test_a_date_alone_is_not_before_the_original_of_that_day(
    config: Snapshot, original: KRAInvoice
) -> None:
    KRAInvoice.objects.update(issued_at="2026-11-24T18:30:00+03:00")
    original.refresh_from_db()
    assert prepared_credit(config, original).issued_at == original.issued_at


def test_another_profile_keeps_what_the_buyer_gets_back(
    config_of: Callable[..., Snapshot], original: KRAInvoice
) -> None:
    config = config_of(amount_profile="all_net")
    prepared = prepared_credit(config, original)
    assert prepared.total == original.total
    assert prepared.tax == original.tax


@pytest.fixture
def airtime(config: Snapshot, items: list[KRAItem]) -> KRAInvoice:
    """Three of an item that is excluded from eTIMS, 350.00 with 48.28 of VAT, and bread for 50."""
    item("KE2CTNO0000009", "Airtime", is_excluded=True)
    sold = line("Airtime", 3, 120, discount_amount=10), line("Bread", 1, 50)
    return stored(config, prepare(read_invoice(simple(*sold)), config))


def test_a_line_that_kra_never_heard_of_is_credited_beside_it(
    config: Snapshot, airtime: KRAInvoice
) -> None:
    assert airtime.total == 50
    alone = prepared_credit(config, airtime, line("Airtime", 1, None))
    assert not alone.is_required
    whole = prepared_credit(config, airtime, totals={"total": 400, "tax_amount": "48.28"})
    assert (whole.total, whole.is_required) == (50, True)
    (kept,) = whole.document["excluded"]
    assert (kept["name"], kept["quantity"], kept["original"]) == ("Airtime", "3", 2)
    assert (kept["paid"], kept["tax"], kept["total"]) == ("350.00", "48.28", "350.00")


def test_parts_of_an_excluded_line_add_up(config: Snapshot, airtime: KRAInvoice) -> None:
    first = credited(config, airtime, line("Airtime", 1, None, total="116.67"))
    rest = prepared_credit(config, airtime, number="CN-2", totals={"total": "283.33"})
    parts = (first.document["excluded"], rest.document["excluded"])
    assert [(each["quantity"], each["paid"]) for (each,) in parts] == [
        ("1", "116.67"),
        ("2", "233.33"),
    ]


def test_too_much_of_an_excluded_line(config: Snapshot, airtime: KRAInvoice) -> None:
    much = line("Airtime", 4, None)
    assert refused("items[0].quantity", config, airtime, much) == "over_credit"
    late = prepare(read_invoice(credit(number="CN-3")), config, original=airtime)
    credited(config, airtime, line("Airtime", 2, None), state=InvoiceState.NOT_REQUIRED)
    more = line("Airtime", 2, None)
    assert refused("items[0].quantity", config, airtime, more, number="CN-2") == "over_credit"
    with pytest.raises(InvalidInput) as caught:
        check_credit(late, airtime)
    assert (caught.value.field, caught.value.code) == ("items[1].quantity", "over_credit")


@pytest.mark.parametrize(
    ("said", "field", "code"),
    [
        ({"unit_price": 119}, "unit_price", "not_the_original"),
        ({"tax_rate": 0}, "tax_rate", "not_the_original"),
        ({"tax_type": "A"}, "tax_type", "not_the_original"),
        ({"total": "116.66"}, "total", "wrong_amount"),
    ],
)
def test_what_an_excluded_line_may_not_say(
    config: Snapshot, airtime: KRAInvoice, said: dict[str, Any], field: str, code: str
) -> None:
    given = {"original_line": 1, "quantity": 1, **said}
    assert refused(f"items[0].{field}", config, airtime, given) == code


@pytest.mark.parametrize(
    ("totals", "field"),
    [
        ({"total": 50}, "totals.total"),
        ({"total": "400.01"}, "totals.total"),
        ({"tax_amount": 0}, "totals.tax_amount"),
        ({"subtotal": 400}, "totals.subtotal"),
    ],
)
def test_the_totals_of_a_note_count_what_is_excluded(
    config: Snapshot, airtime: KRAInvoice, totals: dict[str, Any], field: str
) -> None:
    assert refused(field, config, airtime, totals=totals) == "wrong_amount"


def test_an_original_that_kra_never_heard_of_is_credited_once(
    config: Snapshot, items: list[KRAItem]
) -> None:
    item("KE2CTNO0000009", "Airtime", is_excluded=True)
    first = prepare(read_invoice(simple(line("Airtime", 1, 100))), config)
    assert not first.is_required
    original = stored(config, first, state=InvoiceState.NOT_REQUIRED)
    assert not prepared_credit(config, original).is_required
    credited(config, original, state=InvoiceState.NOT_REQUIRED)
    assert refused("original_invoice_number", config, original, number="CN-2") == "over_credit"


def test_excluded_lines_in_foreign_money_go_back_to_the_cent(
    config: Snapshot, items: list[KRAItem]
) -> None:
    item("KE2CTNO0000009", "Airtime", is_excluded=True)
    data = simple(line("Airtime", 3, "9.99"), currency="USD", exchange_rate="129.4567")
    first = prepare(read_invoice(data), config)
    original = stored(config, first, state=InvoiceState.NOT_REQUIRED)
    part = credited(
        config, original, line("Airtime", 1, None), state=InvoiceState.NOT_REQUIRED
    ).document["excluded"][0]
    rest = prepared_credit(config, original, number="CN-2").document["excluded"][0]
    assert (part["paid"], part["total"]) == ("9.99", "1293.27")
    assert (rest["paid"], rest["total"]) == ("19.98", "2586.55")


def test_foreign_money_goes_back_at_the_originals_rate(
    config: Snapshot, items: list[KRAItem]
) -> None:
    data = simple(line("Sugar", 3, "9.99"), currency="USD", exchange_rate="129.4567")
    original = stored(config, prepare(read_invoice(data), config))
    part = credited(config, original, line("Sugar", 1, None))
    assert (part.currency, part.exchange_rate) == ("USD", Decimal("129.4567"))
    assert part.document["remark"] == "USD 9.99 at 129.4567"
    rest = prepared_credit(config, original, number="CN-2")
    assert part.total + rest.total == original.total
    assert rest.document["remark"] == "USD 19.98 at 129.4567"


@pytest.mark.parametrize("profile", ["net_taxable", "spec_inclusive", "all_net"])
@pytest.mark.parametrize("quantity", [5, 2])
def test_the_vscu_gets_no_broken_percent_of_what_another_transport_signed(
    config_of: Callable[..., Snapshot], items: list[KRAItem], profile: str, quantity: int
) -> None:
    config = config_of(amount_profile=profile)
    data = simple(line("Sugar", 5, "99.99", discount_rate="12.5"))
    original = stored(config, prepare(read_invoice(data), config))
    part = {"original_line": 1, "quantity": quantity}
    before = prepared_credit(config, original, part)
    config = config_of(amount_profile=profile, transport="vscu")
    after = prepared_credit(config, original, part)
    assert {each["discount_rate"] for each in before.document["lines"]} == {"12.5"}
    assert {Decimal(each["discount_rate"]) for each in after.document["lines"]} == {0}
    assert (after.total, after.tax) == (before.total, before.tax)
