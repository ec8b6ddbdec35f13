"""Results of money out, written by hand, as Safaricom's gateway or somebody else would post."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import requests
from django.utils import timezone

from integrations.models import Payment
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, run_work
from tests.sandbox.driver import SandboxDriver

RECEIPT = "UAE4X7K2QP"


def silent_payout(sandbox: SandboxDriver, **values: Any) -> dict[str, Any]:
    """Pay out, and let no result come: the decided order of the book."""
    sandbox.fault("no_callback", operation="b2c")
    MpesaPaymentService.pay_out(**{"phone": PHONE, "amount": 500, "reference": "REF001", **values})
    sandbox.settle()
    return payouts(sandbox)[-1]


def payouts(sandbox: SandboxDriver) -> list[dict[str, Any]]:
    """Every payout that the sandbox took, oldest first."""
    found: list[dict[str, Any]] = sandbox.book()["payouts"]
    return found


def paid_out(order: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A success; changes: amount, receipt, party, originator_id, conversation_id, code."""
    values = {
        "TransactionAmount": changes.get("amount", int(float(order["amount"]))),
        "TransactionReceipt": changes.get("receipt", order["receipt"] or RECEIPT),
        "ReceiverPartyPublicName": changes.get("party", f"{order['phone']} - JANE DOE"),
        "TransactionCompletedDateTime": "14.01.2026 09:30:21",
        "B2CRecipientIsRegisteredCustomer": "Y",
    }
    items = [{"Key": key, "Value": value} for key, value in values.items() if value is not None]
    letter = not_paid_out(order, changes.pop("code", 0), **changes)
    letter["TransactionID"] = values["TransactionReceipt"] or ""
    return letter | {"ResultParameters": {"ResultParameter": items}}


def not_paid_out(order: dict[str, Any], code: Any, **changes: Any) -> dict[str, Any]:
    """A result without parameters."""
    return {
        "ResultType": 0,
        "ResultCode": code,
        "ResultDesc": changes.get("text", f"Result {code}"),
        "OriginatorConversationID": changes.get("originator_id", order["originator_id"]),
        "ConversationID": changes.get("conversation_id", order["conversation_id"]),
        "TransactionID": "UAE0000000",
    }


def post(
    order: dict[str, Any], letter: dict[str, Any], *, to: str = "result_url", **headers: str
) -> requests.Response:
    """Post a letter to the order's own address over real HTTP."""
    return requests.post(order[to], json={"Result": letter}, headers=headers, timeout=10)


def answer_questions(sandbox: SandboxDriver) -> None:
    """Send what is to be asked, wait for the answers, and work on them."""
    run_work("payments")
    run_work("queries")
    sandbox.settle()
    run_work("callbacks")


def age(payment: Payment, seconds: float) -> None:
    """Let the payment have been sent so long ago, and be due."""
    past = timezone.now() - timedelta(seconds=seconds)
    Payment.objects.filter(pk=payment.pk).update(
        sent_at=past, next_attempt_at=timezone.now() - timedelta(hours=1), work_state="due"
    )
