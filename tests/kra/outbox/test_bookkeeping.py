"""The table of states, the rule of moves, stock after a signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection

from integrations import work
from integrations.kra.outbox import book
from integrations.kra.outbox.states import (
    AT_REST,
    FINAL,
    OPEN_NUMBER,
    QUEUE,
    TRANSITIONS,
    sources_of,
)
from integrations.models import DomainEvent, InvoiceState, KRAInvoice, KRAInvoiceEvent, KRAWrite
from tests.kra.outbox.conftest import Shop, drain, state_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(InvoiceState)
    assert all(not TRANSITIONS[state] for state in FINAL)
    # An open number is only ever settled by an answer; nothing but the sender opens one.
    assert sources_of(InvoiceState.SENDING) == {InvoiceState.QUEUED, InvoiceState.IN_DOUBT}
    assert sources_of(InvoiceState.IN_DOUBT) == {InvoiceState.SENDING}
    assert not OPEN_NUMBER & AT_REST


def test_a_move_that_is_not_in_the_table_changes_nothing(shop: Shop) -> None:
    row = shop.submit()
    for state in InvoiceState:
        KRAInvoice.objects.filter(pk=row.pk).update(state=state)
        for target in set(InvoiceState) - TRANSITIONS[state]:
            assert not book.move(row, target, kind="test"), (state, target)
            assert state_of(row) == state
    assert row.events.count() == 1


def test_a_move_under_a_lost_claim_changes_nothing(shop: Shop) -> None:
    row = shop.submit()
    assert not book.move(row, InvoiceState.REJECTED, kind="test", claim="somebody's")
    assert state_of(row) == "queued"


def test_a_signature_is_stored_where_the_database_fails_once(shop: Shop) -> None:
    """Late in the move, when all that is held in memory was changed already."""
    row = shop.submit()
    faults = iter([True])

    def fail_once(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(f'INSERT INTO "{DomainEvent._meta.db_table}"') and next(faults, False):
            raise OperationalError("the connection was reset")
        return execute(sql, *rest)

    with connection.execute_wrapper(fail_once):
        drain()
    assert state_of(row) == "signed"
    assert row.number == shop.unit.last_invoice_number == 1
    assert row.events.filter(kind="signed").count() == 1
    assert next(faults, None) is None


def test_the_history_is_append_only(shop: Shop) -> None:
    event = shop.submit().events.get()
    with pytest.raises(Exception, match="append-only"):
        event.save()
    with pytest.raises(Exception, match="append-only"):
        KRAInvoiceEvent.objects.all().delete()


@pytest.mark.parametrize("is_on", [True, False])
def test_goods_are_reported_where_the_settings_say_so(
    open_shop: Callable[..., Shop], is_on: bool
) -> None:
    shop = open_shop(report_stock=is_on)
    row = shop.submit()
    drain()
    assert state_of(row) == "signed"
    assert row.attention == ""
    assert KRAWrite.objects.filter(kind="stock_io", invoice=row).exists() is is_on


def test_what_follows_a_signature_never_undoes_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_invoice: KRAInvoice) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(book, "_when_signed", [(lambda _invoice: True, broken)])
    row = shop.submit()
    drain()
    assert state_of(row) == "signed"
    assert "what should follow failed" in row.attention


def test_the_queue_is_ordered_and_never_gives_up() -> None:
    queue = work.get_queue(QUEUE)
    assert queue.ordered
    assert queue.lane_field == "branch"
    assert queue.concurrency >= 20
    assert queue.max_attempts >= 1_000_000
    assert queue.lease > queue.deadline_seconds
