"""Questions to M-Pesa: stored first, sent once, answered by callback."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.models import (
    AccountBalance,
    AuditEntry,
    InboundCallback,
    MpesaQuery,
    MpesaSettings,
    Payment,
    ProviderCall,
    act_as,
)
from integrations.payments import queries, query_answers, query_sender
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import run_work, wait_for_lock
from tests.payments.questions import (
    SHORT_CODE,
    account,
    answered,
    asked_book,
    callback_states,
)
from tests.sandbox.driver import SandboxDriver

__all__ = ["account"]
service = MpesaPaymentService


def paid_in(sandbox: SandboxDriver, **options: Any) -> str:
    """The receipt of a payment that M-Pesa has."""
    sandbox.simulate_c2b(150, **options)
    sandbox.settle()
    receipt: str = sandbox.book()["statement"][-1]["receipt"]
    return receipt


def make_payment(**values: Any) -> Payment:
    return Payment.objects.create(
        **{
            "provider": "mpesa", "product": "stk_push", "environment": "sandbox", "amount": 150,
            "state": "unknown", "next_attempt_at": None, "short_code": SHORT_CODE, **values,
        }
    )  # fmt: skip


def test_a_balance_becomes_a_row_per_account(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    query = queries.ask_balance(business="")
    assert (query.state, query.short_code) == ("waiting", SHORT_CODE)
    assert asked_book(sandbox) == []
    answered(sandbox)
    query.refresh_from_db()
    assert (query.state, query.result_code) == ("answered", "0")
    assert query.answered_at is not None
    assert query.next_attempt_at is None
    (told,) = asked_book(sandbox)
    assert (query.conversation_id, query.originator_id) == (
        told["conversation_id"], told["originator_id"],
    )  # fmt: skip
    held = {row.account: row.available for row in AccountBalance.objects.all()}
    assert held == sandbox.accounts(SHORT_CODE)
    assert all(isinstance(amount, Decimal) for amount in held.values())
    texts = {each["account"]: each["available"] for each in query.answer["accounts"]}
    assert texts == {name: f"{amount:.2f}" for name, amount in held.items()}
    assert ProviderCall.objects.get(operation="account_balance").reference == str(query.public_id)


def test_a_transaction_is_asked_about_by_its_receipt(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    receipt = paid_in(sandbox)
    query = queries.ask_status(business="", receipt=receipt.lower())
    answered(sandbox)
    query.refresh_from_db()
    assert query.state == "answered"
    assert query.answer["transaction_status"] == "Completed"
    assert (query.answer["amount"], query.answer["receipt"]) == ("150.00", receipt)
    assert query.answer["found"] is True


def test_an_unknown_transaction_is_an_answer_too(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    query = queries.ask_status(business="", originator_id="bengo-never-sent")
    answered(sandbox)
    query.refresh_from_db()
    assert (query.state, query.result_code, query.answer) == (
        "answered", "R000002", {"found": False},
    )  # fmt: skip


def test_without_codes_for_it_an_unknown_transaction_is_left_to_people(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    account.not_found_codes = ""
    account.save()
    query = queries.ask_status(business="", originator_id="bengo-never-sent")
    answered(sandbox)
    query.refresh_from_db()
    assert (query.state, query.answer) == ("refused", {})
    assert "does not know the transaction" in query.message


def test_a_question_can_be_sent_at_once(account: MpesaSettings, sandbox: SandboxDriver) -> None:
    query = queries.ask_balance(business="", now=True)
    assert query.state == "sent"
    assert query.conversation_id
    assert len(asked_book(sandbox)) == 1
    run_work("queries")
    assert len(asked_book(sandbox)) == 1


def test_a_question_joins_the_caller_s_transaction(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        queries.ask_balance(business="")
        raise ZeroDivisionError
    assert not MpesaQuery.objects.exists()
    with transaction.atomic():
        queries.ask_balance(business="")
    answered(sandbox)
    assert MpesaQuery.objects.get().state == "answered"
    with transaction.atomic(), pytest.raises(RuntimeError):
        queries.ask_balance(business="", now=True)


def test_one_question_about_a_thing_is_open_at_a_time(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    first = queries.ask_status(business="", receipt="UAE4X7K2QP")
    assert queries.ask_status(business="", receipt="uae4x7k2qp").pk == first.pk
    other = queries.ask_status(business="", receipt="UAE4X7K2QQ")
    assert other.pk != first.pk
    assert queries.ask_balance(business="").pk == queries.ask_balance(business="").pk
    answered(sandbox)
    assert queries.ask_status(business="", receipt="UAE4X7K2QP").pk != first.pk


def test_of_two_at_once_about_one_payment_one_is_stored(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    payment = make_payment()
    asked: list[int] = []
    start = threading.Barrier(4)

    def ask() -> None:
        try:
            start.wait()
            query = queries.ask_status(business="", receipt="UAE4X7K2QP", payment=payment)
            asked.append(query.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 4
    assert len(set(asked)) == 1
    assert MpesaQuery.objects.count() == 1
    run_work("queries")
    assert len(asked_book(sandbox)) == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
def test_the_end_of_patience_and_a_late_answer_don_t_wait_for_each_other(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    """The one holds the question and names the payment, the other holds the payment."""
    payment = make_payment()
    query = queries.ask_status(business="", receipt="UAE4X7K2QP", payment=payment)
    MpesaQuery.objects.update(state="sent", callback_digest="d" * 64)
    found: list[MpesaQuery | None] = []

    def settle() -> None:
        try:
            with transaction.atomic():
                found.append(query_answers._locked("d" * 64))
        finally:
            connection.close()

    thread = threading.Thread(target=settle)
    with transaction.atomic():
        query_sender.give_up(query, "No answer")
        thread.start()
        wait_for_lock()
    thread.join(timeout=20)
    assert found == [query]
    assert sorted(MpesaQuery.objects.values_list("state", flat=True)) == ["unanswered", "waiting"]


def test_an_answer_reaches_the_payment_that_it_is_about(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    payment = make_payment()
    queries.ask_status(business="", receipt=paid_in(sandbox), payment=payment)
    answered(sandbox)
    assert payment.events.exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "receipt"),
        ({"receipt": "UAE"}, "receipt"),
        ({"receipt": "UAE4X7K2QP; --"}, "receipt"),
        ({"receipt": "UAE4" + "X" * 60}, "receipt"),
        ({"originator_id": "two words"}, "originator_id"),
        ({"originator_id": "x" * 101}, "originator_id"),
        ({"originator_id": "né"}, "originator_id"),
        ({"receipt": "UAE4X7K2QP", "short_code": True}, "short_code"),
    ],
)
def test_what_nobody_can_ask_about_is_refused_by_name(
    account: MpesaSettings, values: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        queries.ask_status(business="", **values)
    assert refused.value.field == field
    assert not MpesaQuery.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"initiator_name": ""},
        {"certificate": ""},
        {"certificate": "no certificate"},
        {"initiator_password": "", "security_credential": ""},
        {"callback_base_url": "https://mpesa.example.ke"},
    ],
)
def test_settings_that_can_not_ask_store_nothing(
    account: MpesaSettings, sandbox: SandboxDriver, changes: dict[str, str]
) -> None:
    for name, value in changes.items():
        setattr(account, name, value)
    account.save()
    with pytest.raises(ConfigurationError):
        queries.ask_balance(business="")
    assert not MpesaQuery.objects.exists()


def test_an_unknown_account_and_another_environment_are_refused(account: MpesaSettings) -> None:
    with pytest.raises(ConfigurationError, match="123123"):
        queries.ask_balance(business="", short_code="123123")
    payment = make_payment(environment="production")
    with pytest.raises(ConfigurationError, match="environment"):
        queries.ask_status(business="", receipt="UAE4X7K2QP", payment=payment)


def test_a_question_of_another_environment_is_refused_when_its_turn_comes(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    query = queries.ask_balance(business="")
    MpesaQuery.objects.update(environment="production")
    run_work("queries")
    query.refresh_from_db()
    assert (query.state, query.result_code) == ("refused", "environment_changed")
    assert asked_book(sandbox) == []


def test_who_asked_is_known(account: MpesaSettings) -> None:
    user = User.objects.create_user("clerk")
    act_as(user)
    query = queries.ask_balance(business="", requested_by=user)
    assert query.asked_by == user
    entry = AuditEntry.objects.get(action="query.asked")
    assert (entry.object_id, entry.business) == (str(query.pk), "")
    act_as(None)


def test_the_secret_of_the_path_is_stored_as_a_digest_only(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    query = queries.ask_balance(business="", now=True)
    (told,) = asked_book(sandbox)
    token = told["result_url"].rstrip("/").rpartition("/")[2]
    assert len(token) == 32
    assert told["timeout_url"].rstrip("/").endswith(token)
    query.refresh_from_db()
    assert query.callback_digest not in (None, token)
    assert token not in str(list(MpesaQuery.objects.values()))


# --- the service --------------------------------------------------------------------------------


def test_the_service_asks_and_reads_the_answer(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    receipt = paid_in(sandbox)
    assert service.balances() == (
        False, "No balance is known yet: ask with query_balance().", {"accounts": []},
    )  # fmt: skip
    success, words, data = service.query_transaction(receipt)
    assert (success, words) == (True, "Asked; the answer comes later.")
    assert data is not None
    assert data["state"] == "sent"
    assert service.read_query(data["query_id"])[0] is False
    success, _, _ = service.query_balance()
    assert success
    answered(sandbox)
    found, _, read = service.read_query(data["query_id"])
    assert found
    assert read is not None
    assert read["answer"]["transaction_status"] == "Completed"
    known, words, held = service.balances(short_code=SHORT_CODE)
    assert (known, words) == (True, None)
    assert held is not None
    shown = {each["account"]: Decimal(each["available"]) for each in held["accounts"]}
    assert shown == sandbox.accounts(SHORT_CODE)
    assert {type(each["low"]) for each in held["accounts"]} == {bool}


def test_the_service_refuses_in_words(account: MpesaSettings, sandbox: SandboxDriver) -> None:
    success, words, data = service.query_transaction("x")
    assert (success, words) == (False, "receipt: must be 6 to 40 letters and digits.")
    assert data is not None
    assert (data["state"], data["field"]) == ("refused", "receipt")
    assert service.query_balance(business="nobody")[0] is False
    assert service.query_balance(short_code="111111")[2]["code"] == "unknown_account"  # type: ignore[index]
    for text in ("", "x", "00000000-0000-0000-0000-000000000000", None):
        assert service.read_query(text) == (
            False, "query_id: is not known for this business.", None,
        )  # fmt: skip


def test_the_service_stores_with_an_open_transaction(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    with transaction.atomic():
        success, _, data = service.query_balance()
    assert success
    assert data is not None
    assert data["state"] == "waiting"
    assert asked_book(sandbox) == []
    answered(sandbox)
    assert service.read_query(data["query_id"])[0] is True


def test_another_business_reads_nothing(account: MpesaSettings, sandbox: SandboxDriver) -> None:
    _, _, data = service.query_balance()
    answered(sandbox)
    assert data is not None
    assert service.read_query(data["query_id"], business="other")[0] is False
    assert service.balances(business="other")[0] is False


def test_a_business_that_shares_the_account_has_its_own_balances(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    account.shared = True
    account.save()
    success, _, _ = service.query_balance(business="shop-7")
    assert success
    answered(sandbox)
    assert service.balances(business="shop-7")[0] is True
    assert service.balances()[0] is False
    assert InboundCallback.objects.get().business == "shop-7"
    assert callback_states() == ["processed"]
