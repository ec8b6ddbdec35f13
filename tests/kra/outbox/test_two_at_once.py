"""Several workers, several callers, and rows that come late: one open number at a time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction

from integrations import work
from integrations.kra.outbox import QUEUE, book, turn
from integrations.kra.outbox.queue import make_queue
from integrations.kra.outbox.submit import submit
from integrations.models import KRABranch, KRAInvoice, KRAWrite
from integrations.work.clock import later
from tests.conftest import wait_until
from tests.kra.outbox.conftest import Shop, drain, hurry, state_of, work_on
from tests.kra.outbox.test_faults import assert_books_agree
from tests.processes import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_database_allows_one_open_number(shop: Shop) -> None:
    first, second = shop.submit(), shop.submit()
    KRAInvoice.objects.filter(pk=first.pk).update(state="in_doubt", number=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        KRAInvoice.objects.filter(pk=second.pk).update(state="sending", number=2)


def test_a_row_that_comes_late_stands_aside(shop: Shop) -> None:
    """Ids are drawn before the commit: the lower one may appear behind one in doubt."""
    late, other = shop.submit(), shop.submit()
    KRAInvoice.objects.filter(pk=late.pk).update(next_attempt_at=None, work_state="idle")
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    drain()
    assert state_of(other) == "in_doubt"
    KRAInvoice.objects.filter(pk=late.pk).update(next_attempt_at=later(-1), work_state="due")
    drain()
    assert state_of(late) == "queued"
    assert late.parked_at is not None
    assert late.number is None
    work_on()
    assert state_of(late) == state_of(other) == "signed"
    assert (other.number, late.number) == (1, 2)
    assert late.parked_at is None
    assert_books_agree(shop)


def test_a_corrected_one_stands_aside_too(shop: Shop) -> None:
    shop.sandbox.kra_fault("result_code", code="913", operation="save_sale", times=1)
    data = shop.invoice()
    first, second = submit(data), shop.submit()
    turn_once()
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    drain()
    assert (state_of(first), state_of(second)) == ("rejected", "in_doubt")
    submit({**data, "items": [shop.line(quantity="7")]})
    drain()
    work_on()
    assert (state_of(first), state_of(second)) == ("signed", "signed")
    assert (second.number, first.number) == (1, 2)
    assert_books_agree(shop)


def test_an_earlier_report_goes_first(shop: Shop) -> None:
    first = shop.submit()
    drain()
    write = KRAWrite.objects.create(
        branch=shop.unit, environment="sandbox", kind="item", key="x", document={}, digest="x"
    )
    row = shop.submit()
    drain()
    assert state_of(row) == "queued"
    row.refresh_from_db()
    assert "earlier report" in row.work_error
    KRAWrite.objects.filter(pk=write.pk).update(next_attempt_at=None, state="done")
    work_on()
    assert state_of(first) == state_of(row) == "signed"


def test_two_callers_hand_in_the_same(shop: Shop) -> None:
    data = shop.invoice()
    shop.submit()
    found: list[int] = []

    def hand_in() -> None:
        try:
            found.append(submit(data).pk)
        finally:
            connections.close_all()

    run_together([hand_in] * 4)
    assert len(found) == 4
    assert len(set(found)) == 1, found
    assert KRAInvoice.objects.count() == 2


def test_workers_share_branches(open_shop: Callable[..., Shop]) -> None:
    shops = [open_shop(branch="00"), open_shop(branch="01")]
    rows = [shop.submit() for _ in range(6) for shop in shops]

    def work_away() -> None:
        try:
            wait_until(lambda: not work.drain(QUEUE, 5))
        finally:
            connections.close_all()

    run_together([work_away] * 4)
    work_on()
    assert [state_of(row) for row in rows] == ["signed"] * 12
    for shop in shops:
        book_there = shop.book()
        assert [sale["number"] for sale in book_there] == list(range(1, 7))
    assert all(row.times_sent == 1 for row in rows)


def run_together(acts: list[Callable[[], None]]) -> None:
    """Each in a thread of its own; raises what the first of them raised."""
    with ThreadPoolExecutor(len(acts)) as threads:
        for told in [threads.submit(act) for act in acts]:
            told.result()


def test_a_sender_that_slept_past_its_claim_sends_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = shop.submit()
    allot = turn.allot

    def slow(invoice: KRAInvoice, config: Any) -> None:
        allot(invoice, config)
        invoice.claim_deadline = 0.0
        # Another worker has taken the row over meanwhile, and found nothing at KRA.
        KRAInvoice.objects.filter(pk=invoice.pk).update(
            claim_token="other", lease_until=later(-1), next_attempt_at=later(-1)
        )

    with monkeypatch.context() as patch:
        patch.setattr(turn, "allot", slow)
        turn_once()
    assert shop.book() == []
    assert state_of(row) == "sending"
    work_on()
    assert state_of(row) == "signed"
    assert len(shop.book()) == 1


def test_a_late_answer_changes_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first worker's answer comes after the second has settled the document."""
    row = shop.submit()
    from integrations.kra.outbox import outcomes, sending

    sign, seen = outcomes.sign, []

    def overtaken(invoice: KRAInvoice, *args: Any, **more: Any) -> bool:
        KRAInvoice.objects.filter(pk=invoice.pk).update(
            claim_token="", lease_until=None, next_attempt_at=later(-1), work_state="due"
        )
        seen.append(sign(invoice, *args, **more))
        return seen[-1]

    with monkeypatch.context() as patch:
        patch.setattr(sending.outcomes, "sign", overtaken)
        KRABranch.objects.update(lease_until=None)
        turn_once()
    assert seen == [False]
    work_on()
    assert state_of(row) == "signed"
    assert row.events.filter(to_state="signed").count() == 1
    assert len(shop.book()) == 1


def turn_once() -> None:
    """One document: what becomes due meanwhile is left for the next turn."""
    from integrations.work.run import take_turn

    take_turn(replace(work.get_queue(QUEUE), batch=1))


def test_two_processes_drain_one_branch(shop: Shop) -> None:
    rows = [shop.submit() for _ in range(10)]
    connection.close()
    code = (
        "import django; django.setup();"
        "from integrations import work; import time\n"
        "end = time.monotonic() + 60\n"
        "while time.monotonic() < end:\n"
        "    work.drain('kra-invoices', 1); time.sleep(0.02)\n"
    )
    import os

    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "OUTBOUND_ALLOWED_HOSTS": shop.sandbox.base_url.removeprefix("http://"),
        **database_of_the_test(),
    }
    children = [subprocess.Popen([sys.executable, "-c", code], env=env, cwd=ROOT) for _ in range(2)]
    try:
        wait_until(lambda: not KRAInvoice.objects.exclude(state="signed").exists())
    finally:
        for child in children:
            child.terminate()
            child.wait()
    hurry()
    assert [state_of(row) for row in rows] == ["signed"] * 10
    assert_books_agree(shop)


def database_of_the_test() -> dict[str, str]:
    if connection.vendor != "postgresql":
        return {}
    values = connection.settings_dict
    name, host, port = values["NAME"], values["HOST"], values["PORT"]
    return {"DATABASE_URL": f"postgres://{values['USER']}@{host}:{port}/{name}"}


def test_parking_needs_an_open_number(shop: Shop) -> None:
    row = shop.submit()
    assert not book.park(row, claim="")


@pytest.mark.parametrize("state", ["queued", "sending", "in_doubt"])
def test_who_was_overtaken_acts_under_nobodys_claim(shop: Shop, state: str) -> None:
    """It rereads the row before it allots a number; the successor's claim is not its own."""
    row = shop.submit()
    if state != "queued":
        KRAInvoice.objects.filter(pk=row.pk).update(state=state, number=1, body={"invcNo": 1})
    claim = work.claim_rows(make_queue(), limit=1)
    mine = claim.rows[0]
    mine.claim_deadline = claim.lease_end
    KRAInvoice.objects.filter(pk=row.pk).update(claim_token="another worker's")
    before = KRAInvoice.objects.filter(pk=row.pk).values().get()
    turn.advance(mine)
    assert KRAInvoice.objects.filter(pk=row.pk).values().get() == before
    assert "save_sale" not in shop.sandbox.kra_counters()
    assert row.events.count() == 1
