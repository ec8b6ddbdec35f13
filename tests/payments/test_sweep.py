"""Who is asked next about an open payment, and what each has said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import InboundCallback, MpesaQuery, MpesaSettings, Payment, PaymentEvent
from integrations.payments import stk_query, sweep
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, make_due, run_work
from tests.sandbox.driver import SandboxDriver


@pytest.fixture
def payment(mpesa: MpesaSettings, sandbox: SandboxDriver) -> Payment:
    """A prompt that nobody answers, an hour old."""
    mpesa.initiator_name, mpesa.certificate = "testapi", sandbox.certificate()
    mpesa.save()
    sandbox.settings(is_interactive=True)
    MpesaPaymentService.initiate_stk_push(PHONE, 10, "INV001")
    Payment.objects.update(sent_at=timezone.now() - timedelta(hours=1), state="unknown")
    return Payment.objects.get()


def doubted(payment: Payment, receipt: str = "UAE4X7K2QP") -> None:
    """A success callback from an address that is not believed."""
    item = [
        {"Name": "Amount", "Value": 10}, {"Name": "MpesaReceiptNumber", "Value": receipt},
    ]  # fmt: skip
    import json

    body = {"Body": {"stkCallback": {
        "MerchantRequestID": "1", "CheckoutRequestID": payment.checkout_id, "ResultCode": 0,
        "ResultDesc": "ok", "CallbackMetadata": {"Item": item},
    }}}  # fmt: skip
    InboundCallback.objects.create(
        route="stk", token_digest=payment.callback_digest or "", body=json.dumps(body),
        status="quarantined", next_attempt_at=None,
    )  # fmt: skip


def test_the_receipt_of_a_doubted_callback_is_asked_about_once_an_hour(payment: Payment) -> None:
    assert sweep.ask_status(payment) is None
    doubted(payment)
    query = sweep.ask_status(payment)
    assert query and (query.receipt, query.payment) == ("UAE4X7K2QP", payment)
    MpesaQuery.objects.update(state="unanswered", open_key=None)
    assert sweep.ask_status(payment) is None
    MpesaQuery.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert sweep.ask_status(payment)
    assert MpesaQuery.objects.count() == 2


def test_a_young_payment_is_left_to_its_query(payment: Payment) -> None:
    doubted(payment)
    Payment.objects.update(sent_at=timezone.now())
    payment.refresh_from_db()
    assert sweep.ask_status(payment) is None


def test_the_worker_asks_on_by_itself(payment: Payment, sandbox: SandboxDriver) -> None:
    doubted(payment)
    make_due(payment)
    run_work("payments")
    assert MpesaQuery.objects.get().receipt == "UAE4X7K2QP"
    payment.refresh_from_db()
    assert payment.state == "unknown"


def test_without_an_initiator_nothing_is_asked_and_nothing_breaks(
    payment: Payment, mpesa: MpesaSettings
) -> None:
    mpesa.initiator_name = ""
    mpesa.save()
    doubted(payment)
    assert sweep.ask_status(payment) is None


def test_after_two_days_people_read_what_each_source_answered(payment: Payment) -> None:
    Payment.objects.update(sent_at=timezone.now() - timedelta(days=2, minutes=1))
    make_due(payment)
    run_work("payments")
    payment.refresh_from_db()
    assert payment.attention.startswith(stk_query.GIVEN_UP)
    for source in ("Query:", "Transaction status: not asked", "Pulled transactions: not fetched",
                   "Statement: none of its day"):  # fmt: skip
        assert source in payment.attention
    assert len(payment.attention) <= 300


def test_what_a_whole_window_lacked_is_told(payment: Payment, db: Any) -> None:
    PaymentEvent.objects.create(payment=payment, kind="pull_absent", text="…")
    told = {each.source: each.words for each in sweep.told_by(payment)}
    assert told["Pulled transactions"] == "do not have it"
