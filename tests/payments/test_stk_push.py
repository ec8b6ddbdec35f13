"""STK push through the public service, against the sandbox over real HTTP."""

from __future__ import annotations

from collections.abc import Callable

from integrations.models import InboundCallback, MpesaSettings, Payment, ProviderCall
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push


def test_a_payment_is_settled_by_its_callback(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    success, message, data = push(phone=PHONE, amount=1000, account_reference="INV001")
    assert (success, message) == (True, "STK Push initiated")
    assert data["checkout_id"].startswith("ws_CO_")
    settle()
    payment = Payment.objects.get()
    assert payment.state == "succeeded"
    assert payment.receipt and len(payment.receipt) == 10
    assert sandbox.prompts()[0]["receipt"] == payment.receipt
    kinds = list(payment.events.values_list("kind", flat=True))
    assert kinds == ["created", "accepted", "callback"]
    assert ProviderCall.objects.filter(operation="stk_push", outcome="ok").count() == 1
    assert InboundCallback.objects.get().status == "processed"
