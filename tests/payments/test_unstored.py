"""A database that fails at the worst moment: the caller is never told that nothing was sent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection

from integrations.models import MpesaSettings, Payment
from integrations.payments import sending
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, make_due, run_work
from tests.processes import child_environment
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
    monkeypatch.setattr(sending, "STORE_PAUSES", (0.0,))


@pytest.mark.parametrize("ask", [push, enqueue])
def test_a_payment_that_cannot_be_stored_is_not_sent(
    mpesa: MpesaSettings, sandbox: SandboxDriver, ask: Any
) -> None:
    with missing("integrations_payment"):
        success, message, data = ask(PHONE, 10, "INV001")
    # Whether the row is there can't be seen either: the caller must not try again blindly.
    assert (success, message) == (False, sending.IN_DOUBT)
    assert data == {
        "payment_id": "",
        "state": "unknown",
        "code": "not_stored",
        "help": "docs/reference/troubleshooting.md#not_stored",
        "retry_safe": False,
    }
    assert "stk_push" not in sandbox.counters()


@pytest.mark.parametrize("ask", [push, enqueue])
def test_a_row_that_is_known_not_to_be_there_is_a_refusal(
    mpesa: MpesaSettings, sandbox: SandboxDriver, ask: Any
) -> None:
    def refuse_inserts(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('INSERT INTO "integrations_payment"'):
            raise OperationalError("disk full")
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse_inserts):
        success, message, data = ask(PHONE, 10, "INV001")
    assert success is False
    assert "nothing was sent" in message
    assert data == {
        "payment_id": "",
        "state": "refused",
        "code": "not_stored",
        "help": "docs/reference/troubleshooting.md#not_stored",
        "retry_safe": True,
    }
    assert Payment.objects.count() == 0
    assert "stk_push" not in sandbox.counters()


@pytest.fixture
def next_commit_unacknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next commit is carried out, and the connection breaks before that is heard."""
    commit, broken = connection._commit, []

    def commit_and_break() -> None:
        commit()
        if not broken:
            broken.append(True)
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(connection, "_commit", commit_and_break)


def test_a_queued_payment_whose_commit_was_not_acknowledged_is_answered_for(
    mpesa: MpesaSettings, sandbox: SandboxDriver, next_commit_unacknowledged: None
) -> None:
    success, _, data = enqueue(PHONE, 10, "INV001")
    payment = Payment.objects.get()
    assert (success, data["state"]) == (True, "created")
    assert (data["payment_id"], data["repeated"]) == (str(payment.public_id), False)
    run_work("payments")
    assert len(sandbox.prompts()) == 1


def test_a_push_whose_commit_was_not_acknowledged_is_not_safe_to_repeat(
    mpesa: MpesaSettings, sandbox: SandboxDriver, next_commit_unacknowledged: None
) -> None:
    success, _, data = push(PHONE, 10, "INV001")
    payment = Payment.objects.get()
    assert (success, data["retry_safe"]) == (False, False)
    assert (data["payment_id"], payment.state) == (str(payment.public_id), "sending")
    make_due(payment)
    run_work("payments")
    assert Payment.objects.get().state == "unknown"
    assert sandbox.prompts() == []


UNREACHABLE = """
import json
from integrations.payments.mpesa_payment import MpesaPaymentService as Service
asks = (Service.initiate_stk_push, Service.enqueue_stk_push)
print(json.dumps([ask("0712345678", 10, "INV001") for ask in asks]))
print(json.dumps(Service.query_stk_status("ws_1")))
"""


def test_a_database_that_was_never_reached_is_a_refusal_and_no_exception() -> None:
    environment = {
        **child_environment(DJANGO_SETTINGS_MODULE="tests.settings"),
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing",
    }
    done = subprocess.run(
        [sys.executable, "-c", f"import django\ndjango.setup()\n{UNREACHABLE}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers, query = map(json.loads, done.stdout.splitlines())
    for success, _, data in answers:
        assert (success, data["state"], data["payment_id"]) == (False, "refused", "")
        assert data["code"] == "configuration_unavailable"
    assert (query[0], query[2]) == (False, None)


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


def test_without_autocommit_nothing_is_sent_even_before_the_first_connection(
    mpesa: MpesaSettings, sandbox: SandboxDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without autocommit no row is really committed before the request would leave."""
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "AUTOCOMMIT", False)
    success, _, data = push(PHONE, 1000, "INV001")
    assert not success and data is not None
    assert data["code"] == "open_transaction"
    assert sandbox.prompts() == []
