"""A database that fails at the worst moment: the caller is never told that nothing was sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from integrations.models import MpesaSettings, Payment
from integrations.payments import stk
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, make_due, run_work
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push
enqueue = MpesaPaymentService.enqueue_stk_push


@contextmanager
def missing(table: str) -> Iterator[None]:
    """The table can't be reached, as if the database were away for whoever needs it."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO hidden_table")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE hidden_table RENAME TO {table}")


@contextmanager
def refusing_answers() -> Iterator[None]:
    """Rows may be inserted into the ledger, but no longer updated."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "CREATE TRIGGER stop_updates BEFORE UPDATE ON integrations_payment "
                "BEGIN SELECT RAISE(ABORT, 'stopped'); END"
            )
        else:
            cursor.execute(
                "CREATE FUNCTION stop_updates() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'stopped'; END $$"
            )
            cursor.execute(
                "CREATE TRIGGER stop_updates BEFORE UPDATE ON integrations_payment "
                "FOR EACH ROW EXECUTE FUNCTION stop_updates()"
            )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("DROP TRIGGER stop_updates")
            else:
                cursor.execute("DROP TRIGGER stop_updates ON integrations_payment")
                cursor.execute("DROP FUNCTION stop_updates()")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stk, "STORE_PAUSES", (0.0,))


@pytest.mark.parametrize("ask", [push, enqueue])
def test_a_payment_that_cannot_be_stored_is_not_sent(
    mpesa: MpesaSettings, sandbox: SandboxDriver, ask: Any
) -> None:
    with missing("integrations_payment"):
        success, message, data = ask(PHONE, 10, "INV001")
    assert (success, data) == (False, {"code": "not_stored", "retry_safe": True})
    assert "nothing was sent" in message
    assert "stk_push" not in sandbox.counters()


def test_a_push_whose_answer_cannot_be_stored_is_unknown_to_the_caller(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    with refusing_answers():
        success, message, data = push(PHONE, 10, "INV001")
    assert success is False
    assert (data["state"], data["retry_safe"]) == ("unknown", False)
    assert "Don't send it again" in message
    assert len(sandbox.prompts()) == 1
    payment = Payment.objects.get()
    assert data["payment_id"] == str(payment.public_id)
    # Nobody sends it again: its lease ends as unknown, and the callback settles it.
    make_due(payment)
    run_work("payments")
    assert Payment.objects.get().state == "unknown"
    sandbox.settle()
    run_work("callbacks")
    assert Payment.objects.get().state == "succeeded"
    assert len(sandbox.prompts()) == 1


def test_a_query_without_a_database_is_an_answer_and_no_exception(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    push(PHONE, 10, "INV001")
    checkout_id = Payment.objects.get().checkout_id
    with missing("integrations_payment"):
        answered, error, body = MpesaPaymentService.query_stk_status(checkout_id)
    assert (answered, body) == (False, None)
    assert "database" in error
