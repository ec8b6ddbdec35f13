"""The worker's looks at a payment: sent once, asked by age, left to people after two days."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from integrations import work
from integrations.models import Integrations, MpesaSettings, Payment
from integrations.models import PaymentState as S
from integrations.payments import ledger, opening, reconcile, stk, stk_query
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, make_due, run_work
from tests.payments.letters import silent_prompt
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push
enqueue = MpesaPaymentService.enqueue_stk_push


def claim() -> Payment:
    """Take the only due payment, as a worker does."""
    (row,) = work.claim_rows(work.get_queue("payments"), limit=1).rows
    row.claim_deadline = time.monotonic() + 1.8
    return row


def begin_sending(row: Payment, token: str) -> bool:
    """What a worker commits before it sends."""
    changes = {"callback_digest": opening.digest_of(token)}
    return ledger.begin_sending(row, text="Sending.", changes=changes, claim=row.claim_token)


def expire_lease() -> None:
    past = timezone.now() - timedelta(minutes=1)
    Payment.objects.update(lease_until=past, next_attempt_at=past)


def age(payment: Payment, seconds: float) -> None:
    Payment.objects.filter(pk=payment.pk).update(
        sent_at=timezone.now() - timedelta(seconds=seconds)
    )


def seconds_to_next_look() -> float:
    pause = Payment.objects.annotate(now=Now()).values_list("next_attempt_at", "now").get()
    return (pause[0] - pause[1]).total_seconds()


def test_the_first_look_is_fifteen_seconds_after_acceptance(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    silent_prompt(sandbox, push)
    assert 13 < seconds_to_next_look() <= 15.1
    run_work("payments")
    assert "stk_query" not in sandbox.counters()


def test_switching_off_stops_new_payments_but_not_the_asking_about_old_ones(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    silent_prompt(sandbox, push)
    success, _, _ = enqueue(PHONE, 70, "LATER")
    assert success
    mpesa.integration = Integrations.objects.create(is_active=False)
    mpesa.save()
    make_due(Payment.objects.get(account_reference="INV001"))
    run_work("payments")
    assert sandbox.counters()["stk_query"] == 1
    assert Payment.objects.get(account_reference="LATER").state == "failed"
    assert len(sandbox.prompts()) == 1


@pytest.mark.parametrize(
    ("seconds", "pause"),
    [(20, 12), (140, 12), (160, 60), (890, 60), (910, 600), (7300, 3600), (172_700, 3600)],
)
def test_a_payment_is_asked_about_ever_more_slowly(
    mpesa: MpesaSettings, sandbox: SandboxDriver, seconds: int, pause: int
) -> None:
    sandbox.settings(is_interactive=True)
    push(PHONE, 10, "INV001")
    payment = Payment.objects.get()
    age(payment, seconds)
    make_due(payment)
    run_work("payments")
    payment.refresh_from_db()
    assert payment.state == "pending"
    assert pause - 2 < seconds_to_next_look() <= pause + 0.5
    # Looking costs no attempts (the sending was one): no queue gives it up before its time.
    assert payment.attempts == 1


@pytest.mark.parametrize("state", ["pending", "unknown"])
def test_after_two_days_people_look_and_a_late_callback_still_settles(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None], state: str
) -> None:
    sandbox.settings(is_interactive=True)
    push(PHONE, 10, "INV001")
    payment = Payment.objects.get()
    age(payment, 172_801)
    Payment.objects.update(state=state)
    make_due(payment)
    run_work("payments")
    payment.refresh_from_db()
    assert payment.state == "unknown"
    assert "compare with the statement" in payment.attention
    assert payment.next_attempt_at is None
    sandbox.answer(1, "approve")
    run_work("callbacks")
    payment.refresh_from_db()
    assert payment.state == "succeeded"


def test_a_settled_payment_is_not_asked_about(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    push(PHONE, 10, "INV001")
    settle()
    make_due(Payment.objects.get())
    run_work("payments")
    assert "stk_query" not in sandbox.counters()


def test_settings_of_the_other_environment_ask_about_nothing(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    silent_prompt(sandbox, push)
    mpesa.environment, mpesa.base_url = "production", mpesa.sandbox_url
    mpesa.save()
    payment = Payment.objects.get()
    make_due(payment)
    run_work("payments")
    payment.refresh_from_db()
    assert (payment.state, payment.work_state) == ("pending", "due")
    assert "environment" in payment.work_error
    assert "stk_query" not in sandbox.counters()


def test_a_queued_payment_is_sent_once(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    success, message, data = enqueue(PHONE, 10, "INV001")
    assert (success, message, data["state"]) == (True, "STK Push queued", "created")
    assert sandbox.prompts() == []
    run_work("payments")
    run_work("payments")
    settle()
    payment = Payment.objects.get()
    assert payment.state == "succeeded"
    assert len(sandbox.prompts()) == 1
    kinds = list(payment.events.values_list("kind", flat=True))
    assert kinds == ["created", "sending", "accepted", "callback"]


def test_a_queued_payment_follows_the_caller_s_transaction(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert enqueue(PHONE, 10, "INV001")[0]
        1 / 0  # noqa: B018
    run_work("payments")
    assert Payment.objects.count() == 0
    assert sandbox.prompts() == []
    rung: list[str] = []
    work.doorbell.listen(rung.append)
    try:
        with transaction.atomic():
            assert enqueue(PHONE, 10, "INV001")[0]
            assert rung == []
        assert rung == ["payments"]
    finally:
        work.doorbell.unlisten(rung.append)
    run_work("payments")
    assert len(sandbox.prompts()) == 1


def test_a_push_inside_a_transaction_is_refused_and_leaves_nothing(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    with transaction.atomic():
        success, message, data = push(PHONE, 10, "INV001")
    assert success is False
    assert "enqueue_stk_push" in message
    assert "after the commit" in message
    assert data == {
        "payment_id": "",
        "state": "refused",
        "code": "open_transaction",
        "retry_safe": True,
        "help": "docs/reference/troubleshooting.md#open_transaction",
    }
    connection.set_autocommit(False)
    try:
        assert push(PHONE, 10, "INV001")[2]["code"] == "open_transaction"
        connection.rollback()
    finally:
        connection.set_autocommit(True)
    assert Payment.objects.count() == 0
    assert sandbox.counters().get("stk_push") is None


def test_a_push_after_the_commit_works(mpesa: MpesaSettings, sandbox: SandboxDriver) -> None:
    answers: list[Any] = []
    with transaction.atomic():
        transaction.on_commit(lambda: answers.append(push(PHONE, 10, "INV001")))
    assert answers[0][0] is True
    assert len(sandbox.prompts()) == 1


def test_a_crash_between_the_commit_and_the_call_is_unknown_and_never_sent(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    request = stk.PushRequest(PHONE, 10, "INV001", "Payment")
    stk.open_payment(request, sending=True)  # and here the process dies
    run_work("payments")
    assert Payment.objects.get().state == "sending"
    expire_lease()
    run_work("payments")
    payment = Payment.objects.get()
    assert (payment.state, payment.work_state) == ("unknown", "due")
    assert "Don't send it again" in payment.message
    make_due(payment)
    run_work("payments")
    assert sandbox.counters()["tokens_issued"] == 0
    assert "stk_push" not in sandbox.counters()


def test_a_worker_that_died_while_sending_leaves_an_unknown(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    enqueue(PHONE, 10, "INV001")
    row = claim()
    assert begin_sending(row, "d" * 32)
    expire_lease()
    run_work("payments")
    assert Payment.objects.get().state == "unknown"
    assert sandbox.prompts() == []


def test_a_worker_paused_past_its_claim_sends_nothing(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    enqueue(PHONE, 10, "INV001")
    paused = claim()
    expire_lease()
    run_work("payments")
    assert len(sandbox.prompts()) == 1
    # It wakes up after another worker took over, believing that it has time.
    assert reconcile.advance(paused) == work.Kept()
    assert len(sandbox.prompts()) == 1


def test_a_worker_that_knows_it_is_late_gives_the_payment_back_unsent(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    enqueue(PHONE, 10, "INV001")
    late = claim()
    late.claim_deadline = time.monotonic() - 0.1
    outcome = reconcile.advance(late)
    assert sandbox.prompts() == []
    assert work.finish(late, outcome)
    assert Payment.objects.get().state == "created"
    run_work("payments")
    assert len(sandbox.prompts()) == 1


def test_a_worker_paused_between_its_commit_and_the_call_sends_nothing(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    enqueue(PHONE, 10, "INV001")
    row = claim()
    token = "0" * 32
    assert begin_sending(row, token)
    stk.send(row, token, deadline=time.monotonic() - 0.1)
    payment = Payment.objects.get()
    assert (payment.state, payment.result_code) == ("failed", "timeout")
    assert "stk_push" not in sandbox.counters()


def test_two_workers_send_a_queued_payment_once(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    for number in range(6):
        enqueue(f"07123456{number:02}", 10, "INV001")

    def serve() -> None:
        try:
            run_work("payments")
        finally:
            connection.close()

    threads = [threading.Thread(target=serve) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sandbox.prompts()) == 6
    assert len({prompt["phone"] for prompt in sandbox.prompts()}) == 6


def test_an_answer_after_the_lease_expired_still_counts(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    request = stk.PushRequest(PHONE, 10, "INV001", "Payment")
    payment, token, _ = stk.open_payment(request, sending=True)
    expire_lease()
    run_work("payments")
    assert Payment.objects.get().state == "unknown"
    stk.send(payment, token, deadline=time.monotonic() + 5)
    assert Payment.objects.get().state == "pending"
    assert Payment.objects.get().checkout_id == sandbox.prompts()[0]["checkout_request_id"]


@pytest.mark.parametrize("answer", ["absent", "unknown code"])
def test_a_doubtful_answer_after_the_last_look_goes_to_people(
    mpesa: MpesaSettings, sandbox: SandboxDriver, answer: str
) -> None:
    if answer == "unknown code":
        sandbox.scenario("7777")
    silent_prompt(sandbox, push)
    if answer == "absent":
        Payment.objects.update(checkout_id="ws_CO_elsewhere")
    payment = Payment.objects.get()
    age(payment, 172_801)
    make_due(payment)
    run_work("payments")
    payment.refresh_from_db()
    assert (payment.state, payment.next_attempt_at) == ("unknown", None)
    assert payment.attention.startswith(stk_query.GIVEN_UP)
    assert sandbox.counters()["stk_query"] == 1


@pytest.mark.parametrize(("seconds", "state"), [(880, "pending"), (901, "failed"), (11, "failed")])
def test_a_wish_that_waited_too_long_prompts_nobody(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settings: Any, seconds: int, state: str
) -> None:
    if seconds == 11:
        settings.INTEGRATIONS_ENQUEUED_SECONDS = 10.0
    sandbox.fault("no_callback")
    enqueue(PHONE, 10, "INV001", idempotency_key="k")
    Payment.objects.update(created_at=timezone.now() - timedelta(seconds=seconds))
    run_work("payments")
    payment = Payment.objects.get()
    assert payment.state == state
    assert len(sandbox.prompts()) == (state == "pending")
    if state == "failed":
        assert (payment.result_code, payment.next_attempt_at) == ("too_old", None)
        data = enqueue(PHONE, 10, "INV001", idempotency_key="k")[2]
        assert (data["code"], data["retry_safe"]) == ("too_old", True)


def test_a_queued_push_waits_while_mpesa_cannot_be_reached(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    success, _, _ = enqueue(PHONE, 1000, "INV001")
    assert success
    sandbox.fault("drop", operation="oauth", times=None)
    run_work("payments")
    payment = Payment.objects.get()
    assert (payment.state, payment.sent_at, payment.callback_digest) == ("created", None, None)
    assert "not_sent" in payment.events.values_list("kind", flat=True)
    assert 5 < seconds_to_next_look() <= 10.1
    sandbox.clear_faults()
    make_due(payment)
    run_work("payments")
    settle()
    assert Payment.objects.get().state == "succeeded"
    assert len(sandbox.prompts()) == 1


def test_a_push_that_may_have_left_never_waits_for_another_try(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    enqueue(PHONE, 1000, "INV001")
    sandbox.fault("lose_answer", operation="stk_push")
    run_work("payments")
    payment = Payment.objects.get()
    assert payment.state == "unknown"
    assert not ledger.transition(payment, S.CREATED, kind="test")


def test_a_worker_that_slept_does_not_fail_what_another_has_sent(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    enqueue(PHONE, 1000, "INV001")
    sleeper = claim()
    expire_lease()
    sandbox.fault("no_callback")
    run_work("payments")
    long_ago = timezone.now() - timedelta(days=1)
    Payment.objects.update(created_at=long_ago)
    sleeper.created_at = long_ago
    assert isinstance(reconcile.advance(sleeper), work.Kept)
    payment = Payment.objects.get()
    assert (payment.state, payment.result_code) == ("pending", "")
    assert payment.next_attempt_at is not None


def test_a_worker_that_lost_its_claim_leaves_the_other_one_s_alone(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    enqueue(PHONE, 1000, "INV001")
    sleeper = claim()
    expire_lease()
    holder = claim()
    assert isinstance(reconcile.advance(sleeper), work.Kept)
    assert Payment.objects.get().claim_token == holder.claim_token
    assert sandbox.prompts() == []
