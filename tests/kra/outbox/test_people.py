"""What people do: settle, resend, let a branch go on, compare the books."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.config import clear_cache
from integrations.exceptions import InvalidInput, Unsupported
from integrations.kra.outbox import TypedSignature, alarms, compare_books, holds, verify_and_resend
from integrations.kra.outbox.settle import settle
from integrations.kra.warnings import warnings_of
from integrations.models import AuditEntry, KRABranch, KRAInvoice, KRASettings
from tests.conftest import domain_events
from tests.kra.outbox.conftest import Shop, drain, state_of, work_on

pytestmark = pytest.mark.django_db(transaction=True)
SIGNED = TypedSignature(signature="ABCD-EFGH-IJKL-MNOP", receipt_number=1)


@pytest.fixture
def registered(open_shop: Callable[..., Shop]) -> KRAInvoice:
    """A VSCU has it, and tells no signature."""
    shop = open_shop("vscu")
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    row = shop.submit()
    work_on(3)
    assert state_of(row) == "registered"
    return row


def test_a_person_types_the_signature(registered: KRAInvoice) -> None:
    settle(registered, signed=SIGNED, text="Read off the control unit.")
    assert state_of(registered) == "signed"
    assert registered.signature == "ABCDEFGHIJKLMNOP"
    assert registered.attention == ""
    entry = AuditEntry.objects.get(action="kra.invoice_settled")
    assert "Number 1: signed" in entry.detail
    with pytest.raises(InvalidInput) as refused:
        settle(registered, signed=SIGNED, text="Again.")
    assert refused.value.code == "not_open"


def test_a_person_says_that_it_was_not_taken(shop: Shop) -> None:
    shop.sandbox.kra_fault("drop", operation="save_sale", times=1)
    row = shop.submit()
    drain()
    assert state_of(row) == "in_doubt"
    settle(row, signed=None, text="KRA's portal does not show it.")
    assert state_of(row) == "queued"
    assert row.number is None
    work_on()
    assert state_of(row) == "signed"
    assert row.number == 1


def test_what_later_numbers_prove_can_not_be_taken_back(
    registered: KRAInvoice, open_shop: Callable[..., Shop]
) -> None:
    from integrations.kra.outbox.submit import submit

    other = submit({**_invoice(), "invoice_number": "INV-LATER"})
    work_on()
    assert state_of(other) == "signed"
    with pytest.raises(InvalidInput) as refused:
        settle(registered, signed=None, text="Not there.")
    assert refused.value.code == "number_passed"


def _invoice() -> dict[str, Any]:
    return {
        "invoice_number": "INV-X",
        "issue_date": timezone.localdate().isoformat(),
        "prices_include_tax": True,
        "customer": {"name": "Mwangi & Sons"}, "items": [Shop.line()],
    }  # fmt: skip


def test_a_word_needs_its_reason(registered: KRAInvoice) -> None:
    with pytest.raises(InvalidInput, match="text"):
        settle(registered, signed=SIGNED, text=" ")
    with pytest.raises(InvalidInput, match="signature"):
        settle(registered, signed=TypedSignature(signature="<b>"), text="Seen.")


def test_rejected_ones_are_sent_again(shop: Shop) -> None:
    shop.sandbox.kra_fault("result_code", code="913", times=2)
    rows = [shop.submit() for _ in range(3)]
    drain()
    done = verify_and_resend(KRAInvoice.objects.order_by("pk"))
    assert (done.queued, done.left, done.asked) == (2, 1, 0)
    drain()
    assert [state_of(row) for row in rows] == ["signed"] * 3
    assert [row.number for row in rows] == [2, 3, 1]
    assert len(shop.book()) == 3


def test_what_is_in_doubt_is_asked_about_now(shop: Shop) -> None:
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    row = shop.submit()
    drain()
    assert state_of(row) == "in_doubt"
    assert verify_and_resend([row]).asked == 1
    drain()
    assert state_of(row) == "signed"


def test_a_person_sets_the_next_number(shop: Shop) -> None:
    row = shop.submit()
    drain()
    KRABranch.objects.update(last_invoice_number=7)
    late = shop.submit()
    drain()
    assert state_of(late) == "queued"
    unit = shop.unit
    with pytest.raises(InvalidInput) as refused:
        holds.release(unit, next_number=1)
    assert refused.value.code == "number_taken"
    assert holds.release(unit, next_number=2)
    assert unit.held_reason == ""
    drain()
    assert state_of(late) == "signed"
    assert (row.pk, late.number) == (row.pk, 2)
    actions = list(AuditEntry.objects.values_list("action", flat=True))
    assert actions.count("kra.branch_held") == 1
    assert actions.count("kra.branch_released") == 1


def test_changed_settings_have_a_held_branch_ask_again(shop: Shop) -> None:
    shop.sandbox.kra_fault("result_code", code="901", operation="save_sale", times=1)
    row = shop.submit()
    drain()
    assert shop.unit.held_code == "device"
    assert drain() == 0
    shop.row.refresh_from_db()
    shop.row.save()
    drain()
    assert state_of(row) == "signed"


def test_settings_of_another_environment_hold_the_branch(shop: Shop) -> None:
    row = shop.submit()
    KRASettings.objects.update(kra_pin="P051234568Y")
    shop.row.refresh_from_db()
    shop.row.save()
    drain()
    assert state_of(row) == "queued"
    unit = KRABranch.objects.get(pk=row.branch_id)
    assert unit.held_code == "settings"
    assert "P051234567X" in unit.held_reason
    assert shop.book() == []


def test_books_are_compared(shop: Shop) -> None:
    rows = [shop.submit() for _ in range(3)]
    drain()
    found = compare_books(shop.unit)
    assert (found.compared, found.agreed, found.next_number) == (4, 4, None)
    KRAInvoice.objects.filter(pk=rows[0].pk).update(signature="X" * 16)
    KRAInvoice.objects.filter(pk=rows[1].pk).update(total=1)
    KRAInvoice.objects.filter(pk=rows[2].pk).update(number=9)
    found = compare_books(shop.unit, first=1, last=9)
    assert [(each.number, each.kind) for each in found.differences] == [
        (1, "signature"), (2, "differs"), (3, "missing_here"), (9, "missing_there"),
    ]  # fmt: skip
    part = compare_books(shop.unit, first=1, last=9, most=2)
    assert (part.compared, part.next_number) == (2, 3)


def test_a_vscu_can_not_be_compared(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop("vscu")
    shop.submit()
    with pytest.raises(Unsupported):
        compare_books(shop.unit)


def test_the_alarm_is_raised_once_and_taken_back(shop: Shop) -> None:
    row = shop.submit()
    assert alarms.watch_branches() == 0
    KRAInvoice.objects.update(queued_at=timezone.now() - timedelta(hours=21))
    assert alarms.watch_branches() == 1
    assert alarms.watch_branches() == 1
    stalled = domain_events().get(event_type="kra.branch_stalled")
    assert "21 hours" in stalled.payload["message"]
    assert row.trader_number in stalled.payload["message"]
    assert shop.unit.alarmed_at is not None
    told = warnings_of([shop.row])
    assert "21 hours" in told[shop.row.pk][0]
    drain()
    assert alarms.watch_branches() == 0
    assert shop.unit.alarmed_at is None
    assert domain_events().filter(event_type="kra.branch_recovered").count() == 1
    assert warnings_of([shop.row]) == {}


def test_a_vscu_tells_the_hours_that_are_left(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop("vscu")
    shop.submit()
    drain()
    unit = shop.unit
    assert unit.last_contact_at is None
    alarms.watch_branches()
    assert shop.unit.last_contact_at is not None
    shop.sandbox.kra_fault("drop", operation="code_list", times=None)
    KRABranch.objects.update(last_contact_at=timezone.now() - timedelta(hours=21))
    assert alarms.watch_branches() == 1
    stalled = domain_events().get(event_type="kra.branch_stalled")
    assert "stops signing in 3 hours" in stalled.payload["message"]


def test_a_vscu_that_never_reached_kra_counts_from_its_start(
    open_shop: Callable[..., Shop],
) -> None:
    shop = open_shop("vscu")
    shop.submit()
    drain()
    shop.sandbox.kra_fault("drop", operation="code_list", times=None)
    KRABranch.objects.update(created_at=timezone.now() - timedelta(hours=19))
    assert alarms.watch_branches() == 0
    KRABranch.objects.update(created_at=timezone.now() - timedelta(hours=21))
    assert alarms.watch_branches() == 1
    stalled = domain_events().get(event_type="kra.branch_stalled")
    assert "for 21 hours since it was set up" in stalled.payload["message"]
    assert stalled.payload["last_contact_at"] is None
    assert "signs until" in " ".join(warnings_of([shop.row])[shop.row.pk])


def test_a_unit_is_watched_by_settings_of_its_own_environment(
    open_shop: Callable[..., Shop], caplog: pytest.LogCaptureFixture
) -> None:
    """One of the sandbox is left alone once the VSCU's settings are those of production."""
    shop = open_shop("vscu")
    shop.submit()
    drain()
    KRASettings.objects.update(environment="production")
    clear_cache()
    assert alarms.watch_branches() == 0
    assert "kra_branch_unwatched" not in caplog.text
