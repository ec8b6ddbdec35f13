"""What waits is the same number, since the same time, wherever somebody looks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from integrations.kra.outbox.alarms import waiting_warnings
from integrations.kra.outbox.line import STATES, oldest_waiting, with_line
from integrations.kra.outbox.states import WAITING
from integrations.models import InvoiceState, KRABranch, KRAInvoice
from tests.api.conftest import user_with, with_token
from tests.kra.receipts.rows import branch_row, invoice_row

BRANCHES = "/admin/integrations/krabranch/"
S = InvoiceState


@pytest.fixture
def unit(transactional_db: None) -> KRABranch:
    """One document corrected an hour ago, one behind it for 30 hours, which nobody will look at
    any more, and one that KRA has, of which only the signature is asked for."""
    unit, now = branch_row(), timezone.now()
    for number, state, hours, is_due in (
        (1, S.QUEUED, 1, True), (2, S.IN_DOUBT, 30, False), (3, S.REGISTERED, 50, True),
        (4, S.REJECTED, 60, False), (5, S.SIGNED, 70, False),
    ):  # fmt: skip
        row = invoice_row(unit, number=number, state=state,
                          next_attempt_at=now if is_due else None)  # fmt: skip
        KRAInvoice.objects.filter(pk=row.pk).update(queued_at=now - timedelta(hours=hours))
    return unit


def test_everybody_tells_the_same(unit: KRABranch, admin_client: Client) -> None:
    line: Any = with_line(KRABranch.objects.all()).get()
    second = KRAInvoice.objects.get(number=2)
    assert (line.waiting, line.oldest_waiting_at) == (2, second.queued_at)
    assert oldest_waiting(unit) == second

    told = with_token(user_with("view_krabranch"), "tax:read")
    [shown] = told.get("/api/v1/integrations/kra/branches/").json()["results"]
    assert shown["waiting"] == 2
    assert shown["oldest_waiting_at"].startswith(f"{timezone.localtime(second.queued_at):%F}")

    page = admin_client.get(BRANCHES).content.decode()
    assert '">2</a>' in page
    assert "1\xa0day" in page

    [card] = [c for c in admin_client.get("/admin/").context["cards"] if c.title == "Tax (KRA)"]
    assert (card.figure.text, "1\xa0day" in card.figure.label) == ("2", True), card.figure.label
    listed = admin_client.get(card.figure.url).context["cl"]
    assert listed.result_count == 2

    [words] = waiting_warnings(unit, 24)
    assert "for 30 hours: 2 wait, INV-002 the longest." in words
    assert waiting_warnings(unit, 31) == []


def test_the_index_of_what_waits_knows_the_same_states() -> None:
    assert set(STATES) == {state.value for state in WAITING}
    [index] = [i for i in KRAInvoice._meta.indexes if i.name == "krainvoice_waiting"]
    [(_, states)] = index.condition.children  # type: ignore[union-attr,misc]
    assert sorted(states) == STATES


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite plans otherwise")
def test_the_line_is_found_by_its_index(unit: KRABranch) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = with_line(KRABranch.objects.all()).explain()
    assert plan.count("krainvoice_waiting") == 2, plan
