"""Money out and the second person: nothing is sent before, and then exactly what was approved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from integrations.approvals import decide, expire_overdue, withdraw
from integrations.exceptions import IntegrationError
from integrations.models import Approval, DomainEvent, MpesaSettings, Payment
from integrations.payments import money_out, reconcile
from integrations.payments import payouts as paying_out
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, make_due, run_work
from tests.payments.results import payouts
from tests.sandbox.driver import SandboxDriver

pay_out = MpesaPaymentService.pay_out
enqueue = MpesaPaymentService.enqueue_payout


@pytest.fixture
def strict(paying: MpesaSettings) -> MpesaSettings:
    """Every payout waits for a second person."""
    paying.approve_above = 0
    paying.save()
    return paying


@pytest.fixture
def checker(db: None) -> User:
    user = User.objects.create_user("checker")
    user.user_permissions.set(Permission.objects.filter(codename="approve_payout"))
    return User.objects.get(pk=user.pk)


@pytest.mark.parametrize("ask", [pay_out, enqueue], ids=["now", "queued"])
def test_nothing_is_sent_before_it_is_approved_and_then_once(
    strict: MpesaSettings, sandbox: SandboxDriver, checker: User, ask: Any
) -> None:
    success, message, data = ask(PHONE, 500, "REF001")
    assert (success, data["state"], data["retry_safe"]) == (True, "awaiting_approval", False)
    assert message.startswith(money_out.WAITS)
    payment = Payment.objects.get()
    assert payment.next_attempt_at is None
    make_due(payment)
    Payment.objects.update(work_state="due")
    run_work("payments")
    reconcile.advance(Payment.objects.get())
    assert payouts(sandbox) == []
    decide(Approval.objects.get(), checker, approve=True)
    assert Payment.objects.get().state == "created"
    assert payouts(sandbox) == []
    run_work("payments")
    run_work("payments")
    sandbox.settle()
    run_work("callbacks")
    assert len(payouts(sandbox)) == 1
    payment = Payment.objects.get()
    assert payment.state == "succeeded"
    kinds = list(payment.events.values_list("kind", flat=True))
    assert kinds == ["created", "approved", "sending", "accepted", "result"]


def test_the_limit_decides_who_waits(paying: MpesaSettings, sandbox: SandboxDriver) -> None:
    paying.approve_above = 500
    paying.save()
    assert pay_out(PHONE, 500, "REF001")[2]["state"] == "pending"
    assert pay_out(PHONE, 501, "REF002")[2]["state"] == "awaiting_approval"
    assert len(payouts(sandbox)) == 1


def test_what_was_approved_as_part_of_something_larger_does_not_wait(
    strict: MpesaSettings, sandbox: SandboxDriver
) -> None:
    paying_out.pay_later(paying_out.PayoutRequest(PHONE, 500, "REF001", is_approved=True))
    run_work("payments")
    assert len(payouts(sandbox)) == 1


@pytest.mark.parametrize("end", ["rejected", "withdrawn", "expired"])
def test_without_approval_it_is_cancelled_with_the_reason(
    strict: MpesaSettings, sandbox: SandboxDriver, checker: User, end: str
) -> None:
    pay_out(PHONE, 500, "REF001")
    approval = Approval.objects.get()
    if end == "rejected":
        decide(approval, checker, approve=False, reason="Wrong person")
    elif end == "withdrawn":
        withdraw(approval, None, reason="Not needed")
    else:
        Approval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        expire_overdue()
    payment = Payment.objects.get()
    assert (payment.state, payment.result_code) == ("cancelled", "not_approved")
    if end == "rejected":
        assert payment.message == "Rejected by checker: Wrong person"
    run_work("payments")
    assert payouts(sandbox) == []
    assert DomainEvent.objects.filter(event_type="payment.cancelled").count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 5000},
        {"phone": "254712000009"},
        {"account_reference": "OTHER"},
        {"description": "Other"},
        {"occasion": "Other"},
        {"transaction_type": "SalaryPayment"},
        {"short_code": "600998"},
    ],
    ids=str,
)
def test_what_changed_after_the_approval_is_not_sent(
    strict: MpesaSettings, sandbox: SandboxDriver, checker: User, changes: dict[str, Any]
) -> None:
    pay_out(PHONE, 500, "REF001")
    decide(Approval.objects.get(), checker, approve=True)
    Payment.objects.update(**changes)
    run_work("payments")
    payment = Payment.objects.get()
    assert (payment.state, payment.result_code) == ("failed", "approval_changed")
    assert payouts(sandbox) == []


def test_what_was_put_past_the_approval_is_not_sent(
    strict: MpesaSettings, sandbox: SandboxDriver
) -> None:
    pay_out(PHONE, 500, "REF001")
    Payment.objects.update(state="created", work_state="due")
    make_due(Payment.objects.get())
    run_work("payments")
    payment = Payment.objects.get()
    assert (payment.state, payment.result_code) == ("failed", "not_approved")
    assert payouts(sandbox) == []


def test_what_is_not_waiting_any_more_can_t_be_approved(
    strict: MpesaSettings, sandbox: SandboxDriver, checker: User
) -> None:
    pay_out(PHONE, 500, "REF001")
    Payment.objects.update(state="cancelled")
    with pytest.raises(IntegrationError) as refused:
        decide(Approval.objects.get(), checker, approve=True)
    assert refused.value.code == "not_waiting"
    assert Approval.objects.get().is_open


def test_the_wait_for_sending_counts_from_the_approval(
    strict: MpesaSettings, sandbox: SandboxDriver, checker: User
) -> None:
    pay_out(PHONE, 500, "REF001")
    Payment.objects.update(created_at=timezone.now() - timedelta(days=3))
    decide(Approval.objects.get(), checker, approve=True)
    run_work("payments")
    assert len(payouts(sandbox)) == 1


def test_a_repeated_key_asks_for_no_second_approval(
    strict: MpesaSettings, sandbox: SandboxDriver
) -> None:
    first = pay_out(PHONE, 500, "REF001", idempotency_key="k1")[2]
    success, _, data = pay_out(PHONE, 500, "REF001", idempotency_key="k1")
    assert (success, data["state"], data["repeated"]) == (True, "awaiting_approval", True)
    assert data["payment_id"] == first["payment_id"]
    assert Approval.objects.count() == 1


def test_waiting_payouts_count_against_the_daily_limit(
    strict: MpesaSettings, sandbox: SandboxDriver, checker: User
) -> None:
    strict.payout_daily_limit = 1000
    strict.save()
    pay_out(PHONE, 700, "REF001")
    assert pay_out(PHONE, 700, "REF002")[2]["code"] == "amount_over_daily_limit"
    assert Approval.objects.count() == 1
    decide(Approval.objects.get(), checker, approve=False, reason="Too much")
    assert pay_out(PHONE, 700, "REF002")[0]
