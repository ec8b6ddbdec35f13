"""Plain statements store and read what Django itself would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, Value
from django.db.models.expressions import DatabaseDefault
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from integrations import plain_sql
from integrations.models import (
    DomainEvent,
    KRABranch,
    KRAInvoice,
    KRASettings,
    ProviderCall,
)
from tests.hunt.plants import planted
from tests.kra.conftest import PIN

pytestmark = pytest.mark.django_db


def a_branch(**changes: Any) -> KRABranch:
    values = {"tin": PIN, "bhf_id": "00", "environment": "sandbox", "last_invoice_number": 7}
    return KRABranch.objects.create(**{**values, **changes})


def an_invoice(branch: KRABranch, number: int | None = None) -> KRAInvoice:
    return KRAInvoice.objects.create(
        branch=branch, environment="sandbox", trader_number=f"INV-{number}", number=number,
        issued_at=timezone.now(), total=Decimal("1160.00"), tax=Decimal("160.00"),
        taxable=Decimal("1000.00"),
        document={"lines": [{"price": "1160.00", "name": "Sukari – 1 kg"}]},
    )  # fmt: skip


def told(row: Any) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def read(model: Any, *names: str, pk: int) -> Any:
    columns = plain_sql.columns_of(model, connection, names)
    sql = f"SELECT {columns.sql} FROM {model._meta.db_table} WHERE id = %s"
    (found,) = plain_sql.read(columns, connection, sql, [pk])
    return found


def test_a_row_is_read_as_django_reads_it() -> None:
    branch = a_branch()
    for row in (branch, an_invoice(branch, 3)):
        again = type(row).objects.get(pk=row.pk)
        assert told(read(type(row), pk=row.pk)) == told(again)


def test_a_secret_is_opened_as_django_opens_it() -> None:
    key = planted("communication key")
    row = KRASettings.objects.create(kra_pin=PIN, branch_code="00", communication_key=key)
    assert read(KRASettings, pk=row.pk).communication_key.reveal() == key


def test_columns_that_are_left_out_are_read_when_they_are_asked_for() -> None:
    invoice = an_invoice(a_branch())
    found = read(KRAInvoice, "id", "state", pk=invoice.pk)
    assert found.get_deferred_fields() >= {"document", "total"}
    assert found.document == invoice.document


def test_a_column_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"integrations\.KRAInvoice has no column colour"):
        plain_sql.columns_of(KRAInvoice, connection, ["colour", "state"])


def test_a_row_is_added_with_what_the_database_fills_in() -> None:
    event = DomainEvent(event_type="invoice.signed", payload={"total": "1.50", "deep": [None]})
    assert isinstance(event.next_attempt_at, DatabaseDefault)
    plain_sql.insert(event)
    assert isinstance(event.next_attempt_at, datetime)
    assert not event._state.adding
    assert told(DomainEvent.objects.get(pk=event.pk)) == told(event)


def test_a_row_is_added_as_django_would_add_it() -> None:
    def call() -> ProviderCall:
        return ProviderCall(
            provider="kra", operation="save_sale", outcome="ok", latency_ms=12,
            cost=Decimal("0.8000"), created_at=datetime(2026, 11, 28, 9, tzinfo=UTC),
        )  # fmt: skip

    ours, djangos = plain_sql.insert(call()), call()
    djangos.save()
    stored = [told(ProviderCall.objects.get(pk=row.pk)) for row in (ours, djangos)]
    assert stored[0].pop("id") != stored[1].pop("id")
    assert stored[0] == stored[1]


def test_values_expressions_and_rows_are_set_where_all_conditions_hold() -> None:
    branch = a_branch()
    original, invoice = an_invoice(branch, 1), an_invoice(branch, 2)
    changes = {
        "state": "sending",
        "document": {"changed": True},
        "times_sent": F("times_sent") + 3,
        "sent_at": Now(),
        "next_attempt_at": Now() + timedelta(hours=1),
        "original": original,
        "completed_at": None,
    }
    where = {"pk": invoice.pk, "state": "queued"}
    assert plain_sql.update(KRAInvoice, changes, where=where) == 1
    assert plain_sql.update(KRAInvoice, {"state": "signed"}, where=where) == 0
    invoice.refresh_from_db()
    assert (invoice.state, invoice.document, invoice.times_sent) == (
        "sending", {"changed": True}, 3,
    )  # fmt: skip
    assert invoice.original == original
    assert invoice.sent_at is not None
    assert invoice.next_attempt_at is not None
    ahead = invoice.next_attempt_at - invoice.sent_at
    assert timedelta(minutes=59) < ahead < timedelta(minutes=61)
    original.refresh_from_db()
    assert original.state == "queued"


@pytest.mark.parametrize(("number", "then"), [(5, 7), (9, 9)])
def test_an_expression_sees_the_row_as_it_is(number: int, then: int) -> None:
    branch = a_branch()
    higher = Greatest(F("last_invoice_number"), Value(number))
    plain_sql.update(KRABranch, {"last_invoice_number": higher}, where={"pk": branch.pk})
    branch.refresh_from_db()
    assert branch.last_invoice_number == then
