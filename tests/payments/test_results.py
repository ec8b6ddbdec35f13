"""What the payer did, told by callback or by query: the right state, in words, with a next step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integrations.models import DomainEvent, InboundCallback, MpesaSettings, Payment
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, domain_events, make_due, run_work
from tests.payments.letters import paid, post, silent_prompt, unpaid
from tests.providers.test_mpesa_codes import EXPECTED
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push
query = MpesaPaymentService.query_stk_status
ENDED = {code: state for code, state in EXPECTED.items() if code not in ("0", "4999")}


def ask(payment: Payment | None = None) -> Payment:
    """Let the worker ask about the only payment, now."""
    payment = payment or Payment.objects.get()
    make_due(payment)
    run_work("payments")
    payment.refresh_from_db()
    return payment


def assert_ended(payment: Payment, code: str) -> None:
    assert (payment.state, payment.result_code) == (ENDED[code], code)
    assert payment.receipt is None
    assert payment.message.count(".") >= 2
    assert payment.completed_at is not None
    assert payment.next_attempt_at is None
    assert payment.result_text


@pytest.mark.parametrize("code", ENDED)
def test_every_code_is_understood_from_a_callback(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None], code: str
) -> None:
    sandbox.scenario(code)
    push(PHONE, 1000, "INV001")
    settle()
    assert_ended(Payment.objects.get(), code)
    assert InboundCallback.objects.get().status == "processed"


@pytest.mark.parametrize("code", ENDED)
def test_every_code_is_understood_from_a_query(
    mpesa: MpesaSettings, sandbox: SandboxDriver, code: str
) -> None:
    sandbox.scenario(code)
    silent_prompt(sandbox, push)
    assert_ended(ask(), code)


def test_a_repeated_call_explains_how_the_payment_ended(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    sandbox.scenario("wrong_pin")
    push(PHONE, 1000, "INV001", idempotency_key="k")
    settle()
    success, message, data = push(PHONE, 1000, "INV001", idempotency_key="k")
    assert (success, data["state"], data["repeated"]) == (False, "failed", True)
    assert message == "The payer typed a wrong PIN. Send a new request when the payer is ready."
    assert len(sandbox.prompts()) == 1


@pytest.mark.parametrize("code", ["7777", "SFC_NEW", "100000001"])
def test_an_unknown_code_is_unknown_and_asked_about_again(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None], code: str
) -> None:
    sandbox.scenario(code)
    push(PHONE, 1000, "INV001")
    settle()
    payment = Payment.objects.get()
    assert (payment.state, payment.result_code) == ("unknown", code)
    assert "unknown" in payment.message
    for _ in range(2):
        payment = ask(payment)
        assert (payment.state, payment.result_code) == ("unknown", code)
        assert payment.next_attempt_at is not None


def test_an_unknown_code_from_a_query_is_unknown_too(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.scenario("7777")
    silent_prompt(sandbox, push)
    payment = ask()
    assert (payment.state, payment.result_code) == ("unknown", "7777")
    assert payment.work_state == "due"


@pytest.mark.parametrize("form", ["4999", "processing", "empty", "empty_200"])
def test_pending_in_every_form_is_asked_again(
    mpesa: MpesaSettings, sandbox: SandboxDriver, form: str
) -> None:
    sandbox.settings(is_interactive=True, pending_form=form)
    push(PHONE, 1000, "INV001")
    for _ in range(3):
        payment = ask()
        assert payment.state == "pending"
        assert payment.next_attempt_at is not None
    assert sandbox.counters()["stk_query"] == 3
    sandbox.answer(1, "approve")
    run_work("callbacks")
    assert Payment.objects.get().state == "succeeded"


def test_flaky_queries_settle_in_the_end(mpesa: MpesaSettings, sandbox: SandboxDriver) -> None:
    silent_prompt(sandbox, push)
    sandbox.fault("flaky_query", rate=1.0, times=3)
    for _ in range(3):
        assert ask().state == "pending"
    assert ask().state == "succeeded"


@pytest.mark.parametrize("kind", ["drop", "lose_answer", "error_before", "html", "empty"])
def test_a_query_without_an_answer_changes_nothing(
    mpesa: MpesaSettings, sandbox: SandboxDriver, kind: str
) -> None:
    silent_prompt(sandbox, push)
    sandbox.fault(kind, operation="stk_query")
    payment = ask()
    assert (payment.state, payment.work_state) == ("pending", "due")
    assert ask(payment).state == "succeeded"


def test_does_not_exist_is_no_proof_of_failure(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    prompt = silent_prompt(sandbox, push)
    Payment.objects.update(checkout_id="ws_CO_elsewhere")
    for _ in range(3):
        payment = ask()
        assert (payment.state, payment.work_state) == ("unknown", "due")
    Payment.objects.update(checkout_id=prompt["checkout_request_id"])
    assert ask().state == "succeeded"


def test_a_query_settles_without_a_receipt_and_the_later_callback_attaches_it(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    prompt = silent_prompt(sandbox, push)
    payment = ask()
    assert (payment.state, payment.receipt) == ("succeeded", None)
    for _ in range(2):
        assert post(prompt, paid(prompt)).status_code == 200
        run_work("callbacks")
    payment.refresh_from_db()
    assert (payment.state, payment.receipt) == ("succeeded", prompt["receipt"])
    kinds = list(payment.events.values_list("kind", flat=True))
    assert kinds == ["created", "accepted", "asked", "receipt"]
    told = list(domain_events().values_list("event_type", flat=True))
    assert told == ["payment.pending", "payment.succeeded", "payment.receipt"]
    assert DomainEvent.objects.last().payload["receipt"] == prompt["receipt"]


def test_the_documented_query_answers_and_moves_the_payment(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.scenario("cancel")
    prompt = silent_prompt(sandbox, push)
    answered, error, body = query(prompt["checkout_request_id"], "a password", "20260114093005")
    assert (answered, error) == (True, None)
    assert body["ResultCode"] == "1032"
    assert Payment.objects.get().state == "cancelled"


def test_a_query_of_a_prompt_that_is_not_ours_is_answered_too(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    prompt = silent_prompt(sandbox, push)
    Payment.objects.update(checkout_id=None)
    answered, _, body = query(prompt["checkout_request_id"])
    assert (answered, body["ResultCode"]) == (True, "0")
    assert Payment.objects.get().state == "pending"


def test_a_query_that_gets_no_state_says_so(mpesa: MpesaSettings, sandbox: SandboxDriver) -> None:
    sandbox.settings(is_interactive=True, pending_form="processing")
    push(PHONE, 10, "INV001")
    checkout_id = Payment.objects.get().checkout_id
    answered, error, body = query(checkout_id)
    assert (answered, error) == (False, "The payment is still being processed.")
    assert body["errorCode"] == "500.001.1001"
    answered, error, _ = query("ws_CO_nobody")
    assert (answered, "does not know" in error) == (False, True)


@pytest.mark.parametrize("checkout_id", ["", "  ", None, "x" * 101, "a\x00b", "\ud800"])
def test_a_query_without_a_usable_id_asks_nobody(
    mpesa: MpesaSettings, sandbox: SandboxDriver, checkout_id: Any
) -> None:
    answered, error, body = query(checkout_id)
    assert (answered, body) == (False, None)
    assert error.startswith("checkout_id: ")
    assert "stk_query" not in sandbox.counters()


def test_a_business_cannot_ask_about_another_one_s_payment(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    mpesa.shared = True
    mpesa.save()
    push(PHONE, 10, "INV001", business="one")
    checkout_id = Payment.objects.get().checkout_id
    assert query(checkout_id, business="two")[:2] == (
        False,
        "checkout_id: is not known for this business.",
    )
    assert query(checkout_id, business=7)[1].startswith("business: ")
    assert "stk_query" not in sandbox.counters()


def test_a_failure_callback_after_the_payment_changes_nothing(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    push(PHONE, 1000, "INV001")
    settle()
    (prompt,) = sandbox.prompts()
    post(prompt, unpaid(prompt, 1032))
    run_work("callbacks")
    payment = Payment.objects.get()
    assert (payment.state, payment.result_code) == ("succeeded", "0")
    assert payment.events.last().kind == "callback_ignored"
