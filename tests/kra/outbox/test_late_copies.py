"""A first copy that KRA takes late: after its repetition was refused, and the document with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from integrations.kra.outbox import late, verify_and_resend
from integrations.kra.outbox.submit import submit
from integrations.models import KRAInvoice, KRASettings
from tests.conftest import domain_events, wait_until
from tests.kra.outbox.conftest import Shop, drain, hurry, state_of, work_on
from tests.kra.outbox.test_faults import WITH_LOOK_UP, assert_books_agree

pytestmark = pytest.mark.django_db(transaction=True)
ALL = [*WITH_LOOK_UP, "vscu"]


def taken_late(shop: Shop, data: dict[str, object]) -> KRAInvoice:
    """A document that was rejected in our book, and that KRA has taken since."""
    KRASettings.objects.update(read_timeout=1)
    shop.row.refresh_from_db()
    shop.row.save()
    shop.sandbox.kra_fault("delay", operation="save_sale", times=1, seconds=300)
    row = shop.submit(data)
    drain()
    assert state_of(row) == "in_doubt"
    shop.sandbox.kra_fault("result_code", code="913", operation="save_sale", times=1)
    hurry()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(late, "LATE_COPY", timedelta(0))
        drain()
    assert state_of(row) == "rejected"
    assert row.number is None
    assert shop.book() == []
    # Now the first copy goes on its way.
    shop.sandbox.clear_kra_faults()
    wait_until(lambda: len(shop.book()) == 1)
    return row


@pytest.mark.parametrize("transport", ALL)
def test_the_next_one_finds_it(open_shop: Callable[..., Shop], transport: str) -> None:
    """It gets its number and its signature back, and the next one takes the next number."""
    shop = open_shop(transport)
    first = taken_late(shop, shop.invoice())
    second, third = shop.submit(), shop.submit()
    work_on()
    assert state_of(first) == ("registered" if transport == "vscu" else "signed")
    assert [state_of(second), state_of(third)] == ["signed", "signed"]
    assert [first.number, second.number, third.number] == [1, 2, 3]
    assert first.attention
    assert shop.unit.held_reason == ""
    assert_books_agree(shop)
    assert shop.unit.last_invoice_number == 3


@pytest.mark.parametrize("transport", ALL)
def test_sent_again_as_it_is(open_shop: Callable[..., Shop], transport: str) -> None:
    shop = open_shop(transport)
    first = taken_late(shop, shop.invoice())
    verify_and_resend([first])
    second = shop.submit()
    work_on()
    assert state_of(first) == ("registered" if transport == "vscu" else "signed")
    assert state_of(second) == "signed"
    assert shop.unit.held_reason == ""
    assert_books_agree(shop)


@pytest.mark.parametrize("is_alone", [True, False])
@pytest.mark.parametrize("transport", WITH_LOOK_UP)
def test_corrected_meanwhile(
    open_shop: Callable[..., Shop], transport: str, is_alone: bool
) -> None:
    """KRA has the first version: it holds, and the corrected one is not signed beside it."""
    shop = open_shop(transport)
    data = shop.invoice()
    first = taken_late(shop, data)
    total = first.total
    if is_alone:
        submit({**data, "items": [shop.line(quantity="7")]})
        credit = shop.submit(shop.credit(first))
        second = shop.submit()
    else:
        # The next one comes to its turn first, and finds it.
        second = shop.submit()
        KRAInvoice.objects.filter(pk=second.pk).update(next_attempt_at=None)
        submit({**data, "items": [shop.line(quantity="7")]})
        credit = shop.submit(shop.credit(first))
        waiting = KRAInvoice.objects.filter(pk=first.pk)
        held = waiting.values_list("next_attempt_at", flat=True).get()
        KRAInvoice.objects.filter(pk__in=[first.pk, credit.pk]).update(next_attempt_at=None)
        KRAInvoice.objects.filter(pk=second.pk).update(next_attempt_at=held)
        drain()
        KRAInvoice.objects.filter(state="queued").update(next_attempt_at=held)
    work_on()
    assert state_of(first) == state_of(second) == "signed"
    assert first.total == total
    assert "first version" in first.attention
    assert len({sale["trader_number"] for sale in shop.book()}) == len(shop.book()) == 2
    # Of the corrected one; what it names has changed.
    assert state_of(credit) == "rejected"
    assert_books_agree(shop)
    body = first.body or {}
    assert body["invcNo"] == 1
    assert domain_events().filter(event_type="invoice.signed").count() == 2


def test_by_the_vscu_a_correction_waits_for_a_person(open_shop: Callable[..., Shop]) -> None:
    """Which version it has can't be asked: nothing is sent under another number."""
    shop = open_shop("vscu")
    data = shop.invoice()
    first = taken_late(shop, data)
    submit({**data, "items": [shop.line(quantity="7")]})
    work_on()
    assert state_of(first) == "queued"
    assert shop.unit.held_code == "books"
    assert first.trader_number in shop.unit.held_reason
    assert len(shop.book()) == 1


def test_the_vscu_is_asked_again_before_a_refusal_is_believed(
    open_shop: Callable[..., Shop],
) -> None:
    shop = open_shop("vscu")
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    row = shop.submit()
    drain()
    shop.sandbox.kra_fault("result_code", code="913", operation="save_sale", times=1)
    hurry()
    drain()
    assert state_of(row) == "in_doubt"
    assert row.number == 1
    work_on()
    assert state_of(row) == "registered"
    assert_books_agree(shop)
