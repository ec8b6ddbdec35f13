"""What M-Pesa's answer about a transaction does to the payment that it is about."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import DomainEvent, MpesaQuery, MpesaSettings, Payment
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.payments.status_answer import apply_status
from integrations.providers.mpesa.callbacks import Result
from integrations.providers.mpesa.payloads import timestamp_at
from tests.conftest import PHONE
from tests.payments.results import payouts, silent_payout
from tests.sandbox.driver import SandboxDriver

RECEIPT = "UAE4X7K2QP"
PHONE_ON_WIRE = "254712345678"


def ask_about(payment: Payment, **values: Any) -> MpesaQuery:
    """A question as `payments.queries` stores it, sent just now."""
    return MpesaQuery.objects.create(
        **{
            "kind": "transaction_status",
            "environment": payment.environment,
            "short_code": payment.short_code,
            "payment": payment,
            "sent_at": timezone.now(),
            "asked_originator_id": payment.originator_id or "",
            **values,
        }
    )


def answered(payment: Payment, **changes: Any) -> Result:
    """An answer that fits a payment that came in; changes by parameter, `code`."""
    values = {
        "DebitPartyName": f"{payment.phone} - JANE DOE",
        "CreditPartyName": f"{payment.short_code} - The Shop",
        "TransactionStatus": "Completed",
        "Amount": str(payment.amount),
        "ReceiptNo": RECEIPT,
        "FinalisedTime": timestamp_at(timezone.now()),
        **changes,
    }
    code = str(values.pop("code", "0"))
    pairs = tuple((name, value) for name, value in values.items() if value is not None)
    return Result(code=code, text="The service request is processed", pairs=pairs)


def paid_out(payment: Payment, **changes: Any) -> Result:
    """An answer that fits a payout."""
    parties = {
        "DebitPartyName": f"{payment.short_code} - The Shop",
        "CreditPartyName": f"{payment.phone} - JANE DOE",
        "OriginatorConversationID": payment.originator_id,
        "ConversationID": payment.conversation_id or "AG_1",
    }
    return answered(payment, **{**parties, **changes})


@pytest.fixture
def pushed(paying: MpesaSettings, sandbox: SandboxDriver) -> Payment:
    """A push that nobody has answered yet."""
    sandbox.settings(is_interactive=True)
    MpesaPaymentService.initiate_stk_push(PHONE, 1000, "INV001")
    return Payment.objects.get()


@pytest.fixture
def payout(paying: MpesaSettings, sandbox: SandboxDriver) -> Payment:
    """A payout that M-Pesa took, and whose result is lost."""
    silent_payout(sandbox)
    return Payment.objects.get()


# --- money in ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["pending", "unknown", "failed", "expired"])
def test_a_receipt_that_fits_in_everything_settles_a_push(pushed: Payment, state: str) -> None:
    Payment.objects.update(state=state)
    apply_status(pushed, ask_about(pushed, receipt=RECEIPT), answered(pushed))
    pushed.refresh_from_db()
    assert (pushed.state, pushed.receipt) == ("succeeded", RECEIPT)
    assert pushed.paid_at is not None
    event = DomainEvent.objects.get(event_type="payment.succeeded").payload
    assert event["late"] is (state in ("failed", "expired"))


@pytest.mark.parametrize(
    "changes",
    [
        {"Amount": "1000.01"},
        {"Amount": "999"},
        {"Amount": None},
        {"DebitPartyName": "254712000009 - JOHN DOE"},
        {"DebitPartyName": "JANE DOE"},
        {"DebitPartyName": None},
        {"CreditPartyName": "600111 - Another Shop"},
        {"ReceiptNo": None},
        {"FinalisedTime": "20200114093021"},
        {"TransactionStatus": "Declined"},
        {"TransactionStatus": "Authorized"},
        {"TransactionStatus": "Whatever"},
    ],
    ids=str,
)
def test_a_receipt_that_does_not_fit_settles_no_push(
    pushed: Payment, changes: dict[str, Any]
) -> None:
    apply_status(pushed, ask_about(pushed, receipt=RECEIPT), answered(pushed, **changes))
    pushed.refresh_from_db()
    assert (pushed.state, pushed.receipt) == ("pending", None)


def test_a_receipt_of_another_payment_settles_no_push(pushed: Payment) -> None:
    Payment.objects.create(
        provider="mpesa", product="c2b", environment="sandbox", amount=1000, receipt=RECEIPT,
        state="succeeded",
    )  # fmt: skip
    apply_status(pushed, ask_about(pushed, receipt=RECEIPT), answered(pushed))
    pushed.refresh_from_db()
    assert pushed.state == "pending"


def test_a_paid_push_without_a_receipt_gets_it(pushed: Payment) -> None:
    Payment.objects.update(state="succeeded")
    apply_status(pushed, ask_about(pushed, receipt=RECEIPT), answered(pushed))
    pushed.refresh_from_db()
    assert (pushed.receipt, pushed.attention) == (RECEIPT, "")
    assert DomainEvent.objects.filter(event_type="payment.receipt").count() == 1


@pytest.mark.parametrize(
    "changes",
    [{"Amount": "1"}, {"TransactionStatus": "Cancelled"}, {"code": "R000002"}],
    ids=str,
)
def test_an_answer_that_contradicts_a_paid_payment_goes_to_people(
    pushed: Payment, changes: dict[str, Any]
) -> None:
    Payment.objects.update(state="succeeded", receipt=RECEIPT)
    apply_status(pushed, ask_about(pushed, receipt=RECEIPT), answered(pushed, **changes))
    pushed.refresh_from_db()
    assert pushed.state == "succeeded"
    assert pushed.attention


def test_a_c2b_payment_with_a_hidden_payer_is_confirmed_and_stays(pushed: Payment) -> None:
    Payment.objects.update(
        product="c2b", phone="", party="2547 ***** 678", state="succeeded", receipt=RECEIPT
    )
    pushed.refresh_from_db()
    result = answered(pushed, DebitPartyName=f"{PHONE_ON_WIRE} - JANE")
    apply_status(pushed, ask_about(pushed, receipt=RECEIPT), result)
    pushed.refresh_from_db()
    assert (pushed.state, pushed.attention) == ("succeeded", "")


# --- money out -----------------------------------------------------------------------------------


def test_a_completed_payout_keeps_receipt_name_charge_and_time(payout: Payment) -> None:
    result = paid_out(payout, DebitPartyCharges="Business charge|KES|15.00")
    apply_status(payout, ask_about(payout), result)
    payout.refresh_from_db()
    assert (payout.state, payout.receipt) == ("succeeded", RECEIPT)
    assert (payout.charge, payout.party_name) == (Decimal("15.00"), "JANE DOE")
    assert payout.paid_at is not None


@pytest.mark.parametrize("word", ["Declined", "Cancelled", "Expired"])
@pytest.mark.parametrize("state", ["pending", "unknown"])
def test_what_m_pesa_ended_otherwise_has_failed(payout: Payment, word: str, state: str) -> None:
    Payment.objects.update(state=state)
    apply_status(payout, ask_about(payout), paid_out(payout, TransactionStatus=word))
    payout.refresh_from_db()
    assert (payout.state, payout.receipt) == ("failed", None)
    assert word in payout.message


@pytest.mark.parametrize("word", ["Initiated", "Authorized", "Pending Authorized", "New", ""])
def test_what_is_under_way_or_unheard_of_stays_open(payout: Payment, word: str) -> None:
    apply_status(payout, ask_about(payout), paid_out(payout, TransactionStatus=word))
    payout.refresh_from_db()
    assert payout.state == "pending"


@pytest.mark.parametrize(
    "changes",
    [
        {"Amount": "501"},
        {"CreditPartyName": "254712000009 - JOHN DOE"},
        {"ReceiptNo": None},
        {"OriginatorConversationID": "bengo-other"},
        {"ConversationID": "AG_20260101_00000000000000000000"},
    ],
    ids=str,
)
def test_a_completed_one_that_does_not_fit_goes_to_people(
    payout: Payment, changes: dict[str, Any]
) -> None:
    apply_status(payout, ask_about(payout), paid_out(payout, **changes))
    payout.refresh_from_db()
    assert (payout.state, payout.receipt) == ("pending", None)
    assert payout.attention


def test_an_answer_after_the_end_alerts_or_changes_nothing(payout: Payment) -> None:
    apply_status(payout, ask_about(payout), paid_out(payout))
    apply_status(payout, ask_about(payout), paid_out(payout))
    payout.refresh_from_db()
    assert (payout.state, payout.attention) == ("succeeded", "")
    assert DomainEvent.objects.filter(event_type="payment.succeeded").count() == 1
    apply_status(payout, ask_about(payout), paid_out(payout, TransactionStatus="Cancelled"))
    payout.refresh_from_db()
    assert payout.state == "succeeded"
    assert "Cancelled" in payout.attention


def test_two_absences_must_be_minutes_apart(paying: MpesaSettings, sandbox: SandboxDriver) -> None:
    sandbox.fault("drop", operation="b2c")
    MpesaPaymentService.pay_out(PHONE, 500, "REF001")
    payout = Payment.objects.get()
    sent = timezone.now() - timedelta(hours=1)
    Payment.objects.update(sent_at=sent)
    absent = Result(code="R000002", text="Unknown")
    # Before every sender had given up, and twice too close to each other.
    for seconds, state in ((1, "unknown"), (100, "unknown"), (399, "unknown"), (401, "created")):
        asked = ask_about(payout, sent_at=sent + timedelta(seconds=seconds))
        apply_status(payout, asked, absent)
        payout.refresh_from_db()
        assert payout.state == state, seconds
    assert payouts(sandbox) == []


def test_absence_of_another_id_proves_nothing(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("drop", operation="b2c")
    MpesaPaymentService.pay_out(PHONE, 500, "REF001")
    payout = Payment.objects.get()
    sent = timezone.now() - timedelta(hours=1)
    Payment.objects.update(sent_at=sent)
    for minutes in (10, 20, 30):
        asked = ask_about(
            payout, sent_at=sent + timedelta(minutes=minutes),
            asked_originator_id="", receipt=RECEIPT,
        )  # fmt: skip
        apply_status(payout, asked, Result(code="R000002", text="Unknown"))
    payout.refresh_from_db()
    assert payout.state == "unknown"
