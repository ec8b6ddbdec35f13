"""Invoices one after another: numbers, order, corrections, credit notes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from integrations.exceptions import InvalidInput
from integrations.kra.outbox import verify_and_resend
from integrations.kra.outbox.submit import submit
from integrations.models import DomainEvent, KRABranch, KRAInvoice, KRAItem, KRAWrite
from integrations.work.clock import later
from tests.conftest import domain_events
from tests.kra.conftest import PIN
from tests.kra.outbox.conftest import Shop, drain, hurry, state_of, work_on
from tests.kra.outbox.test_faults import assert_books_agree

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("transport", ["oscu_direct", "oscu_gateway", "vscu"])
def test_invoices_are_signed_in_order(open_shop: Callable[..., Shop], transport: str) -> None:
    shop = open_shop(transport)
    rows = [shop.submit() for _ in range(3)]
    assert [row.state for row in rows] == ["queued"] * 3
    assert [row.number for row in rows] == [None] * 3
    drain()
    assert [state_of(row) for row in rows] == ["signed"] * 3
    assert [row.number for row in rows] == [1, 2, 3]
    book = shop.book()
    assert [sale["trader_number"] for sale in book] == [row.trader_number for row in rows]
    first = rows[0]
    assert first.signature == book[0]["signature"]
    assert first.internal_data == book[0]["internal_data"]
    assert first.receipt_number == 1
    assert first.control_unit_id == shop.row.control_unit_id
    assert first.signed_at is not None
    assert shop.unit.last_invoice_number == 3
    assert first.message == first.attention == ""
    kinds = list(first.events.values_list("kind", flat=True))
    assert kinds == ["submitted", "sending", "signed"]
    told = domain_events().filter(event_type="invoice.signed")
    assert [event.payload["number"] for event in told] == [1, 2, 3]


def test_the_stored_body_holds_no_key(shop: Shop) -> None:
    row = shop.submit()
    drain()
    row.refresh_from_db()
    assert row.body is not None
    assert row.body["invcNo"] == 1
    assert "cmcKey" not in row.body


def test_the_first_number_is_the_settings(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(starting_invoice_number=57, device={"next_invoice": 57})
    row = shop.submit()
    drain()
    assert state_of(row) == "signed"
    assert row.number == 57


def test_a_rolled_back_transaction_leaves_no_gap(shop: Shop) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        shop.submit()
        raise RuntimeError
    row = shop.submit()
    drain()
    assert state_of(row) == "signed"
    assert row.number == 1
    assert KRAInvoice.objects.count() == 1


def test_a_number_that_is_not_the_next_any_more_is_not_allotted(shop: Shop) -> None:
    """Somebody sets the counter right between the look at it and the document's move."""
    shop.submit()
    drain()
    KRABranch.objects.update(last_invoice_number=40)
    row = shop.submit()
    hands = iter([1])

    def set_right(execute: Any, sql: str, *rest: Any) -> Any:
        answer = execute(sql, *rest)
        # The turn's look at the branch, outside any transaction.
        if "integrations_krawrite" in sql and (number := next(hands, None)):
            KRABranch.objects.update(last_invoice_number=number)
        return answer

    with connection.execute_wrapper(set_right):
        drain()
    row.refresh_from_db()
    assert (row.state, row.number, row.times_sent) == ("queued", None, 0)
    hurry()
    drain()
    assert state_of(row) == "signed"
    assert row.number == 2


def test_the_same_again_is_the_same_document(shop: Shop) -> None:
    data = shop.invoice()
    first = submit(data)
    assert submit(data).pk == first.pk
    drain()
    assert submit(data).pk == first.pk
    assert submit(data).state == "signed"
    assert len(shop.book()) == 1


def test_another_content_under_a_used_number_is_refused(shop: Shop) -> None:
    data = shop.invoice()
    submit(data)
    with pytest.raises(InvalidInput) as refused:
        submit({**data, "items": [shop.line(quantity="3")]})
    assert refused.value.code == "invoice_differs"
    assert refused.value.field == "invoice_number"


def test_a_rejected_one_gives_its_number_to_the_next(shop: Shop) -> None:
    shop.sandbox.kra_fault("result_code", code="913", message="[<itemList><pkgUnitCd>]", times=1)
    first, second = shop.submit(), shop.submit()
    drain()
    assert state_of(first) == "rejected"
    assert first.number is None
    assert first.result_code == "913"
    assert "pkgUnitCd" in first.message
    assert state_of(second) == "signed"
    assert second.number == 1
    rejected = DomainEvent.objects.get(event_type="invoice.rejected")
    assert rejected.payload["message"] == first.message
    assert rejected.payload["number"] is None


def test_a_rejected_one_is_corrected_under_its_number(shop: Shop) -> None:
    shop.sandbox.kra_fault("result_code", code="913", times=1)
    data = shop.invoice()
    row = submit(data)
    drain()
    assert submit(data).state == "rejected"
    mended = submit({**data, "items": [shop.line(quantity="5")]})
    assert (mended.pk, mended.state, mended.message) == (row.pk, "queued", "")
    drain()
    assert state_of(row) == "signed"
    assert row.total == 5800
    assert [event.kind for event in row.events.all()][-3:] == ["corrected", "sending", "signed"]
    assert len(shop.book()) == 1


def test_a_rejected_one_is_worked_out_anew_by_the_settings(shop: Shop) -> None:
    """The other profile is what the words of the rejection advise."""
    shop.sandbox.kra("settings", amount_profile="spec_inclusive")
    row = shop.submit(number="INV-1")
    drain()
    assert state_of(row) == "rejected"
    assert shop.submit(number="INV-1") == row
    assert state_of(row) == "rejected"
    shop.row.amount_profile = "spec_inclusive"
    shop.row.save()
    assert shop.submit(number="INV-1") == row
    drain()
    assert state_of(row) == "signed"
    assert (row.number, row.profile) == (1, "spec_inclusive")
    assert row.events.filter(kind="corrected").count() == 1
    assert shop.submit(number="INV-1") == row
    assert state_of(row) == "signed"


def test_branches_have_their_own_sequences(open_shop: Callable[..., Shop]) -> None:
    head, branch = open_shop(branch="00"), open_shop(branch="01")
    rows = [shop.submit() for _ in range(2) for shop in (head, branch)]
    drain()
    assert [state_of(row) for row in rows] == ["signed"] * 4
    assert [row.number for row in rows] == [1, 1, 2, 2]


def test_a_credit_note_waits_for_its_invoice(shop: Shop) -> None:
    row = shop.submit()
    note = shop.submit(shop.credit(row))
    assert note.original_id == row.pk
    drain()
    assert state_of(row) == state_of(note) == "signed"
    assert note.number == 2
    assert note.body is not None
    assert note.body["orgInvcNo"] == 1
    assert note.body["rcptTyCd"] == "R"


def test_a_credit_note_of_a_rejected_invoice_is_rejected(shop: Shop) -> None:
    shop.sandbox.kra_fault("result_code", code="913", times=1)
    row = shop.submit()
    note, other = shop.submit(shop.credit(row)), shop.submit()
    drain()
    assert state_of(row) == state_of(note) == "rejected"
    assert note.result_code == "original_rejected"
    assert state_of(other) == "signed"
    assert len(shop.book()) == 1
    with pytest.raises(InvalidInput, match="rejected") as refused:
        shop.submit(shop.credit(row))
    assert refused.value.code == "not_creditable"


def test_an_unknown_original_is_refused(shop: Shop) -> None:
    row = shop.submit()
    with pytest.raises(InvalidInput) as refused:
        shop.submit({**shop.credit(row), "original_invoice_number": "NONE-1"})
    assert refused.value.code == "unknown_original"


def test_a_rejected_credit_note_goes_again_only_for_what_is_left_of_excluded_lines(
    shop: Shop,
) -> None:
    KRAItem.objects.create(
        environment="sandbox", tin=PIN, item_code="KE2NTNO0000009", reference="AIRTIME",
        name="Airtime", class_code="5059690800", type_code="2", packaging_unit="NT",
        quantity_unit="NO", tax_type="B", is_excluded=True,
    )  # fmt: skip
    airtime = shop.line(description="Airtime", item_code="", reference="AIRTIME")
    original = shop.submit(items=[shop.line(), airtime])
    drain()
    assert state_of(original) == "signed"

    def credit(number: str, airtime: int) -> KRAInvoice:
        parts = [(1, 1), (2, airtime)]
        items = [{"original_line": line, "quantity": quantity} for line, quantity in parts]
        return shop.submit(shop.credit(original, number, items=items))

    shop.sandbox.kra_fault("result_code", operation="save_sale", code="913", times=1)
    rejected = credit("CN-1", 2)
    drain()
    assert state_of(rejected) == "rejected"
    credit("CN-2", 1)
    drain()
    done = verify_and_resend(KRAInvoice.objects.filter(pk=rejected.pk))
    assert [done.queued, len(done.refused)] == [0, 1]
    assert "more than" in done.refused[0]
    assert state_of(rejected) == "rejected"


def test_work_is_done_when_all_is_signed(shop: Shop) -> None:
    shop.submit()
    work_on(1)
    assert not KRAInvoice.objects.filter(next_attempt_at__isnull=False).exists()


def test_a_credit_note_of_a_later_invoice_stands_aside(shop: Shop) -> None:
    """It was corrected, and names an invoice that is behind it in the line."""
    first = shop.submit()
    drain()
    shop.sandbox.kra_fault("result_code", code="913", operation="save_sale", times=1)
    credit = shop.submit(shop.credit(first, number="CN-1"))
    drain()
    assert state_of(credit) == "rejected"
    other, last = shop.submit(), shop.submit()
    assert shop.submit(shop.credit(other, number="CN-1")).pk == credit.pk
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    work_on()
    assert [state_of(row) for row in (other, credit, last)] == ["signed"] * 3
    assert other.number < credit.number
    assert credit.parked_at is None
    assert_books_agree(shop)


def test_a_credit_note_that_fell_with_its_original_goes_again(shop: Shop) -> None:
    """The same again, once the original is corrected: of what that says now."""
    shop.sandbox.kra_fault("result_code", code="913", operation="save_sale", times=1)
    data = shop.invoice()
    first = shop.submit(data)
    note = shop.credit(first)
    credit = shop.submit(note)
    drain()
    assert (state_of(first), state_of(credit)) == ("rejected", "rejected")
    shop.submit({**data, "items": [shop.line(quantity="1")]})
    # As it is, it is of what is not there any more.
    assert verify_and_resend([credit]).refused
    assert shop.submit(note).pk == credit.pk
    work_on()
    assert (state_of(first), state_of(credit)) == ("signed", "signed")
    assert credit.total == first.total
    assert credit.total == 1160
    assert_books_agree(shop)


def test_no_sale_waits_behind_a_report_that_waits_for_a_person(shop: Shop) -> None:
    """Reports go in order: those behind it don't go either, and invoices must."""
    shop.submit()
    drain()
    for key, attention in (("first", "Look at it."), ("behind", "")):
        KRAWrite.objects.create(
            branch=shop.unit, environment="sandbox", kind="stock_io", key=key, document={},
            digest="x", next_attempt_at=later(300), attention=attention,
        )  # fmt: skip
    row = shop.submit()
    drain()
    assert state_of(row) == "signed"


@pytest.mark.parametrize(
    ("kind", "attention", "waits"),
    [("customer", "", False), ("insurance", "", False), ("item", "", True), ("item", "?", False)],
)
def test_what_a_sale_waits_for(shop: Shop, kind: str, attention: str, waits: bool) -> None:
    """A report that KRA can't take for the moment, such as by a wrong path."""
    shop.submit()
    drain()
    KRAWrite.objects.create(
        branch=shop.unit, environment="sandbox", kind=kind, key="x", document={}, digest="x",
        next_attempt_at=later(300), attention=attention,
    )  # fmt: skip
    row = shop.submit()
    drain()
    assert state_of(row) == ("queued" if waits else "signed")


def test_a_number_far_ahead_is_followed_only_as_far_as_kras_book_goes(shop: Shop) -> None:
    """Number 1 is another's; that 900 are, KRA's own book does not show."""
    other = shop.submit()
    drain()
    other.events.all()._raw_delete("default")
    KRAInvoice.objects.all()._raw_delete("default")
    KRABranch.objects.update(last_invoice_number=0)
    shop.sandbox.kra_fault(
        "result_code", operation="save_sale", code="910", times=1,
        message="Invalid invcNo sequence, expected: 900 but found: 1",
    )  # fmt: skip
    row = shop.submit()
    work_on()
    assert state_of(row) == "signed"
    assert (row.number, shop.unit.held_reason) == (2, "")
