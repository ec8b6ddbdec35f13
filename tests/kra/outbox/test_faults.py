"""Each fault alone: whatever is lost, the two books end equal, without gap and without double."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from integrations.kra.outbox import sending
from integrations.kra.outbox.compare_found import verdict_of
from integrations.models import AuditEntry, KRABranch, KRAInvoice, KRAInvoiceEvent, KRASettings
from integrations.providers.kra.client import FoundInvoice, SaleReply
from tests.conftest import domain_events
from tests.kra.outbox.conftest import Shop, calm, drain, hurry, state_of, work_on

pytestmark = pytest.mark.django_db(transaction=True)
WITH_LOOK_UP = ["oscu_direct", "oscu_gateway"]
ALL = [*WITH_LOOK_UP, "vscu"]


def assert_books_agree(shop: Shop) -> None:
    """KRA's book is ours: same numbers, same documents, each once, no gap."""
    ours = KRAInvoice.objects.filter(branch=shop.unit, number__isnull=False).order_by("number")
    there = shop.book()
    assert [(row.number, row.trader_number) for row in ours] == [
        (sale["number"], sale["trader_number"]) for sale in there
    ]
    assert [row.number for row in ours] == list(range(1, len(there) + 1))
    for row, sale in zip(ours, there, strict=True):
        if row.state == "signed":
            assert row.signature == sale["signature"]


@pytest.mark.parametrize("transport", ALL)
@pytest.mark.parametrize("fault", ["drop", "error_before", "html", "empty"])
def test_a_lost_request_is_sent_again(
    open_shop: Callable[..., Shop], transport: str, fault: str
) -> None:
    shop = open_shop(transport)
    shop.sandbox.kra_fault(fault, operation="save_sale", times=1)
    first, second = shop.submit(), shop.submit()
    drain()
    assert state_of(first) == "in_doubt"
    assert first.number == 1
    assert state_of(second) == "queued"
    work_on()
    assert state_of(first) == state_of(second) == "signed"
    assert first.times_sent == 2
    assert_books_agree(shop)
    told = [event.event_type for event in domain_events()]
    assert told == ["invoice.in_doubt", "invoice.signed", "invoice.signed"]


@pytest.mark.parametrize("transport", WITH_LOOK_UP)
@pytest.mark.parametrize("fault", ["lose_answer", "error_after"])
def test_a_lost_answer_is_looked_up(
    open_shop: Callable[..., Shop], transport: str, fault: str
) -> None:
    shop = open_shop(transport)
    shop.sandbox.kra_fault(fault, operation="save_sale", times=1)
    first, second = shop.submit(), shop.submit()
    work_on()
    assert state_of(first) == state_of(second) == "signed"
    assert first.times_sent == 1
    assert first.receipt_number == 1
    assert_books_agree(shop)


@pytest.mark.parametrize("transport", WITH_LOOK_UP)
def test_a_receipt_alone_settles_a_lost_answer(
    open_shop: Callable[..., Shop], transport: str
) -> None:
    shop = open_shop(transport)
    shop.sandbox.kra("settings", found_form="receipt")
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    first, second = shop.submit(), shop.submit()
    work_on()
    assert state_of(first) == state_of(second) == "signed"
    assert first.times_sent == 1
    assert first.attention == ""
    assert_books_agree(shop)


def test_a_receipt_alone_is_for_a_person_where_the_settings_say_so(
    open_shop: Callable[..., Shop],
) -> None:
    shop = open_shop("oscu_direct", is_receipt_enough=False)
    shop.sandbox.kra("settings", found_form="receipt")
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    row = shop.submit()
    work_on()
    assert state_of(row) == "in_doubt"
    assert "tells too little" in row.attention


@pytest.mark.parametrize("is_told", [True, False])
def test_a_receipt_of_before_is_for_a_person(shop: Shop, is_told: bool) -> None:
    """KRA had the number when it was first sent, whether that is seen at once or later."""
    shop.submit()
    drain()
    forget_invoices()
    shop.sandbox.kra("settings", found_form="receipt")
    if not is_told:
        shop.sandbox.kra_fault("error_before", operation="find_invoice", times=1)
    row = shop.submit()
    work_on()
    assert state_of(row) == "in_doubt"
    assert "tells too little" in row.attention
    assert row.events.filter(kind="number_taken").count() == 1


def test_a_receipt_alone_is_for_a_person_where_others_use_the_unit(shop: Shop) -> None:
    shop.submit()
    drain()
    forget_invoices()
    stranger = shop.submit()
    work_on()
    assert stranger.events.filter(kind="number_foreign").exists()
    shop.sandbox.kra("settings", found_form="receipt")
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    row = shop.submit()
    work_on()
    assert state_of(row) == "in_doubt"
    assert "tells too little" in row.attention


@pytest.mark.parametrize(
    ("signed", "began", "verdict"),
    [(0, 0, "ours"), (5, 0, "ours"), (-1, 0, "ours"), (-3, 0, "unclear"), (5, None, "unclear"),
     (None, 0, "unclear")],
)  # fmt: skip
def test_when_a_receipt_is_enough(signed: int | None, began: int | None, verdict: str) -> None:
    """Minutes from noon; the clocks of KRA and of the database may be two apart."""
    noon = datetime(2026, 1, 15, 12, tzinfo=UTC)

    def at(minutes: int | None) -> datetime | None:
        return None if minutes is None else noon + timedelta(minutes=minutes)

    receipt = SaleReply(
        receipt_number=1, total_receipt_number=None, internal_data="", signature="X",
        signed_at=at(signed), control_unit_id="", mrc_no="",
    )  # fmt: skip
    found = FoundInvoice(
        number=1, trader_number="", customer_pin="", total=None, is_credit_note=None,
        receipt=receipt,
    )  # fmt: skip
    row = KRAInvoice(trader_number="INV-1", kind="invoice", total=Decimal(1))
    assert verdict_of(row, found, began=at(began)) == verdict


def forget_invoices() -> None:
    """Number 1 is another program's, as far as our book goes."""
    KRAInvoiceEvent.objects.all()._raw_delete("default")
    KRAInvoice.objects.all()._raw_delete("default")
    KRABranch.objects.update(last_invoice_number=0)


@pytest.mark.parametrize("code", ["899", "994", "921"])
def test_a_vscu_that_has_it_already_makes_it_registered(
    open_shop: Callable[..., Shop], code: str
) -> None:
    shop = open_shop("vscu")
    shop.sandbox.kra("settings", vscu_duplicate_code=code)
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    first, second = shop.submit(), shop.submit()
    work_on()
    assert state_of(first) == "registered"
    assert first.number == 1
    assert "enter it" in first.attention
    assert state_of(second) == "signed"
    assert second.number == 2
    assert_books_agree(shop)


def test_a_read_timeout_is_a_doubt(shop: Shop) -> None:
    KRASettings.objects.update(read_timeout=1)
    shop.row.refresh_from_db()
    shop.row.save()
    shop.sandbox.kra_fault("slow", operation="save_sale", times=1, seconds=1.5)
    row = shop.submit()
    drain()
    assert state_of(row) == "in_doubt"
    work_on()
    assert state_of(row) == "signed"
    assert_books_agree(shop)


@pytest.mark.parametrize("transport", ALL)
def test_while_kra_is_down_no_number_is_used(
    open_shop: Callable[..., Shop], transport: str, settings: Any
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        away = f"127.0.0.1:{closed.getsockname()[1]}"
    settings.OUTBOUND_ALLOWED_HOSTS = [*settings.OUTBOUND_ALLOWED_HOSTS, away]
    shop = open_shop(transport)
    there = shop.row.sandbox_url
    move_to(shop, f"http://{away}")
    row = shop.submit()
    work_on(12)
    assert state_of(row) == "queued"
    assert row.number is None
    assert row.times_sent == 0
    # After the first try it only asks a harmless question: nothing piles up.
    assert row.events.count() == 3
    assert not domain_events().exists()
    move_to(shop, there)
    calm()
    work_on(2)
    assert state_of(row) == "signed"
    assert_books_agree(shop)


def move_to(shop: Shop, url: str) -> None:
    """Change the host, with the secrets entered again."""
    shop.row.refresh_from_db()
    for name in ("communication_key", "client_id", "client_secret"):
        setattr(shop.row, name, getattr(shop.row, name).reveal())
    shop.row.sandbox_url = url
    shop.row.save()


@pytest.mark.parametrize("transport", ALL)
def test_a_broken_sender_leaves_a_doubt(
    open_shop: Callable[..., Shop], transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(transport)
    row = shop.submit()

    class Broken:
        def __init__(self, _config: Any) -> None: ...

        def send_sale(self, *_args: Any, **_kwargs: Any) -> Any:
            raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(sending, "EtimsClient", Broken)
        drain()
    assert state_of(row) == "in_doubt"
    work_on()
    assert state_of(row) == "signed"
    assert_books_agree(shop)


@pytest.mark.parametrize("transport", ["oscu_direct", "vscu"])
@pytest.mark.parametrize("code", ["991", "999"])
def test_a_fault_of_kras_is_a_doubt(
    open_shop: Callable[..., Shop], transport: str, code: str
) -> None:
    shop = open_shop(transport)
    shop.sandbox.kra_fault("result_code", code=code, operation="save_sale", times=1)
    row = shop.submit()
    drain()
    assert state_of(row) == "in_doubt"
    work_on()
    assert state_of(row) == "signed"
    assert_books_agree(shop)


@pytest.mark.parametrize("code", ["900", "901", "902", "903", "905"])
def test_a_device_error_holds_the_branch(shop: Shop, code: str) -> None:
    shop.sandbox.kra_fault("result_code", code=code, operation="save_sale", times=1)
    first, second = shop.submit(), shop.submit()
    drain()
    assert state_of(first) == state_of(second) == "queued"
    assert first.number is None
    unit = shop.unit
    assert unit.held_code == "device"
    assert unit.held_reason
    stalled = domain_events().get(event_type="kra.branch_stalled")
    assert stalled.payload["cause"] == "held"
    # A harmless question is answered: it goes on by itself.
    work_on()
    assert state_of(first) == state_of(second) == "signed"
    assert shop.unit.held_reason == ""
    assert domain_events().filter(event_type="kra.branch_recovered").count() == 1
    assert_books_agree(shop)


def test_a_held_branch_stays_held_while_the_device_fails(shop: Shop) -> None:
    shop.sandbox.kra_fault("result_code", code="901", times=None)
    row = shop.submit()
    work_on(3)
    assert state_of(row) == "queued"
    assert shop.unit.held_code == "device"
    assert row.events.filter(kind="sending").count() == 1
    shop.sandbox.post("faults", clear=True, emulator="kra")
    hurry()
    drain()
    assert state_of(row) == "signed"


def test_a_device_error_after_a_lost_answer_keeps_the_number(shop: Shop) -> None:
    """The second refusal says nothing of what became of the first sending."""
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    row = shop.submit()
    drain()
    assert state_of(row) == "in_doubt"
    shop.sandbox.kra_fault("result_code", code="901", times=2)
    hurry()
    drain()
    assert state_of(row) == "in_doubt"
    assert row.number == 1
    work_on()
    assert state_of(row) == "signed"
    assert_books_agree(shop)


def test_too_many_calls_wait(shop: Shop) -> None:
    shop.sandbox.kra_fault("result_code", code="990", operation="save_sale", times=1)
    row = shop.submit()
    drain()
    assert state_of(row) == "queued"
    assert row.number is None
    calm()
    work_on()
    assert state_of(row) == "signed"


@pytest.mark.parametrize("transport", ALL)
def test_a_worker_killed_between_allotment_and_answer(
    open_shop: Callable[..., Shop], transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(transport)
    row = shop.submit()

    def killed(*_args: Any, **_kwargs: Any) -> Any:
        raise SystemExit

    from integrations.kra.outbox import turn

    with monkeypatch.context() as patch:
        patch.setattr(turn, "send", killed)
        with pytest.raises(SystemExit):
            drain()
    assert state_of(row) == "sending"
    hurry()
    drain()
    work_on()
    assert state_of(row) == "signed"
    kinds = list(row.events.values_list("kind", flat=True))
    assert "sender_lost" in kinds
    assert_books_agree(shop)


@pytest.mark.parametrize("transport", ALL)
def test_a_worker_killed_before_the_answer_is_stored(
    open_shop: Callable[..., Shop], transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = open_shop(transport)
    row, after = shop.submit(), shop.submit()

    def killed(*_args: Any, **_kwargs: Any) -> Any:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(sending.outcomes, "sign", killed)
        with pytest.raises(SystemExit):
            drain()
    assert state_of(row) == "sending"
    assert len(shop.book()) == 1
    work_on()
    assert state_of(row) == ("registered" if transport == "vscu" else "signed")
    assert state_of(after) == "signed"
    assert_books_agree(shop)


def test_a_device_that_was_used_before(open_shop: Callable[..., Shop]) -> None:
    """KRA expects a higher number: the first one of ours is another's, and is found there."""
    shop = open_shop()
    other = shop.submit()
    drain()
    assert state_of(other) == "signed"
    # As after a loss of our book.
    other.events.all()._raw_delete("default")
    KRAInvoice.objects.all()._raw_delete("default")
    KRABranch.objects.update(last_invoice_number=0)
    row = shop.submit()
    work_on()
    assert state_of(row) == "signed"
    assert row.number == 2
    assert "not from here" in row.attention
    assert AuditEntry.objects.filter(action="kra.number_foreign").count() == 1
    assert shop.unit.last_invoice_number == 2


def test_a_restored_database_signs_nothing_twice(shop: Shop) -> None:
    """KRA has documents that our older copy still holds as waiting, in another order."""
    first, second, third = (shop.submit() for _ in range(3))
    drain()
    assert [state_of(row) for row in (first, second, third)] == ["signed"] * 3
    # The copy is older than the sending, and the second was handed in before the first.
    blank = {
        "state": "queued", "number": None, "signature": "", "work_state": "due",
        "completed_at": None, "signed_at": None,
    }  # fmt: skip
    KRAInvoice.objects.update(**blank)
    names = {first.pk: second, second.pk: first}
    KRAInvoice.objects.filter(pk=first.pk).update(trader_number="-")
    for pk, row in reversed(names.items()):
        KRAInvoice.objects.filter(pk=pk).update(
            trader_number=row.trader_number, document=row.document
        )
    KRABranch.objects.update(last_invoice_number=0)
    from integrations.work.clock import later

    KRAInvoice.objects.update(next_attempt_at=later(-1))
    work_on()
    assert [state_of(row) for row in (first, second, third)] == ["signed"] * 3
    assert len(shop.book()) == 3
    assert_books_agree(shop)


def test_a_book_that_is_ahead_holds_the_branch(shop: Shop) -> None:
    first = shop.submit()
    drain()
    assert state_of(first) == "signed"
    KRABranch.objects.update(last_invoice_number=5)
    row = shop.submit()
    drain()
    assert state_of(row) == "queued"
    assert row.number is None
    unit = shop.unit
    assert unit.held_code == "books"
    assert "expects number 2" in unit.held_reason
    hurry()
    drain()
    assert shop.unit.held_reason


def test_a_registered_one_that_was_never_taken_goes_again(open_shop: Callable[..., Shop]) -> None:
    """899 for damaged files looked like a duplicate; KRA's sequence proves that it was not."""
    shop = open_shop("vscu")
    shop.sandbox.kra_fault("drop", operation="save_sale", times=1)
    first = shop.submit()
    drain()
    shop.sandbox.kra_fault("result_code", code="899", operation="save_sale", times=1)
    work_on(2)
    assert state_of(first) == "registered"
    second = shop.submit()
    work_on()
    assert state_of(first) == state_of(second) == "signed"
    assert (first.number, second.number) == (1, 2)
    assert first.attention == ""
    assert_books_agree(shop)


def test_an_unexplained_899_holds_the_branch(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop("vscu")
    shop.sandbox.kra_fault("result_code", code="899", operation="save_sale", times=1)
    row = shop.submit()
    drain()
    assert state_of(row) == "queued"
    assert shop.unit.held_code == "books"


def test_a_refusal_of_what_was_taken_is_not_believed(shop: Shop) -> None:
    """The first answer was lost, the look-up failed, and the repetition is refused."""
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    row = shop.submit()
    drain()
    # The look-up says "nothing", as a copy that lags behind would; then the body is refused.
    shop.sandbox.kra_fault("result_code", code="001", operation="find_invoice", times=1)
    shop.sandbox.kra_fault("result_code", code="913", operation="save_sale", times=1)
    hurry()
    drain()
    assert state_of(row) == "signed"
    assert_books_agree(shop)
