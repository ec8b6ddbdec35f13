"""A sender that loses its claim, and finds then that nothing of its request has left."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.utils import timezone

from integrations import work
from integrations.config import clear_cache
from integrations.models import MpesaSettings, Payment
from integrations.payments import ledger, opening, payouts, stk
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.payments.sending import RESEND_PAUSE
from tests.conftest import PHONE, make_due, run_work
from tests.payments.results import age, answer_questions, paid_out, post
from tests.payments.results import payouts as paid
from tests.sandbox.driver import SandboxDriver


def begin() -> tuple[Payment, str]:
    """A worker takes the only due payment and commits that it sends; with its token."""
    (row,) = work.claim_rows(work.get_queue("payments"), limit=1).rows
    token = opening.new_token()
    changes = {"callback_digest": opening.digest_of(token)}
    assert ledger.begin_sending(row, text="Sending.", changes=changes, claim=row.claim_token)
    return row, token


def lose_the_claim() -> Payment:
    """The lease ends, and another worker notes that the sender is gone."""
    past = timezone.now() - timedelta(minutes=1)
    Payment.objects.update(lease_until=past, next_attempt_at=past)
    run_work("payments")
    payment = Payment.objects.get()
    assert payment.state == "unknown"
    return payment


def send_late(row: Payment, token: str) -> Payment:
    """The sender goes on, when the time for it is over: nothing leaves."""
    product = payouts if row.product == "b2c" else stk
    product.send(row, token, deadline=time.monotonic() - 0.1, may_wait=True)
    return Payment.objects.get()


def test_a_payout_of_which_nothing_left_goes_out_after_all(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    MpesaPaymentService.enqueue_payout(PHONE, 500, "REF001")
    row, token = begin()
    lose_the_claim()
    payment = send_late(row, token)
    assert (payment.state, payment.callback_digest, payment.message) == ("created", None, "")
    wait = payment.next_attempt_at - timezone.now()  # type: ignore[operator]
    assert timedelta(0) < wait <= timedelta(seconds=RESEND_PAUSE)
    assert paid(sandbox) == []
    make_due(payment)
    run_work("payments")
    sandbox.settle()
    run_work("callbacks")
    payment = Payment.objects.get()
    assert payment.state == "succeeded"
    assert [order["originator_id"] for order in paid(sandbox)] == [payment.originator_id]


def test_what_another_worker_holds_is_taken_back_once(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    """The lease ended; whoever claims the row finds out before it is noted as lost."""
    MpesaPaymentService.enqueue_payout(PHONE, 500, "REF001")
    row, token = begin()
    Payment.objects.update(claim_token="somebody else")
    assert send_late(row, token).state == "created"
    make_due(row)
    run_work("payments")
    assert len(paid(sandbox)) == 1


def test_what_somebody_else_sends_is_not_failed(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.INTEGRATIONS_NOT_FOUND_SECONDS = 0.0
    MpesaPaymentService.enqueue_payout(PHONE, 500, "REF001")
    row, token = begin()
    payment = lose_the_claim()
    for _ in range(2):
        age(payment, 120)
        answer_questions(sandbox)
    assert Payment.objects.get().state == "created"
    sandbox.fault("no_callback", operation="b2c")
    run_work("payments")
    payment = send_late(row, token)
    assert (payment.state, payment.result_code) == ("pending", "")
    assert payment.events.filter(kind="not_sent_late").exists()
    sandbox.settle()
    (order,) = paid(sandbox)
    post(order, paid_out(order))
    run_work("callbacks")
    assert Payment.objects.get().state == "succeeded"


def test_what_the_provider_told_of_meanwhile_is_not_failed(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    """Its answer is there, whatever this sender believes: failed would mean, pay again."""
    MpesaPaymentService.enqueue_payout(PHONE, 500, "REF001")
    row, token = begin()
    lose_the_claim()
    Payment.objects.update(conversation_id="AG_20261128_0001")
    payment = send_late(row, token)
    assert (payment.state, payment.conversation_id) == ("unknown", "AG_20261128_0001")
    assert payment.events.filter(kind="not_sent_late").exists()


def test_what_waits_to_be_sent_again_is_not_failed(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    MpesaPaymentService.enqueue_payout(PHONE, 500, "REF001")
    row, token = begin()
    lose_the_claim()
    Payment.objects.update(state="created", claim_token="a successor's")
    payment = send_late(row, token)
    assert (payment.state, payment.claim_token) == ("created", "a successor's")
    # The late sender must not end its successor's claim.
    assert row.claim_token != "a successor's"


def test_a_prompt_of_which_nothing_left_has_failed(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    """Nobody waits at the phone any more: the order may be prompted for anew."""
    MpesaPaymentService.enqueue_stk_push(PHONE, 1000, "INV001")
    row, token = begin()
    lose_the_claim()
    payment = send_late(row, token)
    assert (payment.state, payment.result_code) == ("failed", "timeout")
    assert sandbox.prompts() == []


def test_settings_that_cannot_be_read_now_fail_nothing(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    MpesaPaymentService.enqueue_payout(PHONE, 500, "REF001")
    row, token = begin()
    clear_cache()

    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if MpesaSettings._meta.db_table in sql:
            raise DatabaseError("too many connections")
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse):
        payouts.send(row, token, deadline=time.monotonic() + 1.8, may_wait=True)
    payment = Payment.objects.get()
    assert payment.state == "created"
    assert payment.events.filter(kind="not_sent", data__code="configuration_unavailable").exists()
    assert paid(sandbox) == []
