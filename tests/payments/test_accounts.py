"""Payments to several short codes of one business, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from integrations.health import integration_status
from integrations.models import MpesaSettings, Payment
from integrations.payments import reconcile
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, make_due, mpesa_values, run_work
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push
enqueue = MpesaPaymentService.enqueue_stk_push
query = MpesaPaymentService.query_stk_status
KEY, SECRET = "key-of-600997", "secret-of-600997"
PASSKEY = "passkey-of-600997"


@pytest.fixture
def further(mpesa: MpesaSettings, sandbox: SandboxDriver) -> MpesaSettings:
    """A second short code, with an app and a passkey of its own."""
    sandbox.settings(is_phone_locked=False)
    sandbox.app(KEY, SECRET)
    sandbox.shortcode("600997", PASSKEY)
    values = mpesa_values(
        sandbox, consumer_key=KEY, consumer_secret=SECRET, passkey=PASSKEY, short_code="600997"
    )
    return MpesaSettings.objects.create(**values, is_main=False)


def test_a_named_short_code_is_paid_and_settled(
    further: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    assert push(PHONE, 10, "INV001", short_code="600997")[0] is True
    assert push(PHONE, 10, "INV002", short_code=600997)[0] is True
    assert push(PHONE, 10, "INV003")[0] is True
    settle()
    codes = dict(Payment.objects.values_list("account_reference", "short_code"))
    assert codes == {"INV001": "600997", "INV002": "600997", "INV003": "174379"}
    assert set(Payment.objects.values_list("state", flat=True)) == {"succeeded"}
    paid = {prompt["reference"]: prompt["shortcode"] for prompt in sandbox.prompts()}
    assert paid == codes


@pytest.mark.parametrize("code", ["111222", "'", True, 4.5])
def test_an_unknown_short_code_sends_nothing(
    further: MpesaSettings, sandbox: SandboxDriver, code: Any
) -> None:
    success, text, data = push(PHONE, 10, "INV001", short_code=code)
    assert (success, data["code"], data["retry_safe"]) == (False, "unknown_account", True)
    assert "short code" in text or "short_code" in text
    assert not Payment.objects.exists()
    assert "stk_push" not in sandbox.counters()


def test_a_queued_push_leaves_from_its_own_account(
    further: MpesaSettings, sandbox: SandboxDriver
) -> None:
    enqueue(PHONE, 10, "INV001", short_code="600997")
    run_work("payments")
    assert sandbox.prompts()[0]["shortcode"] == "600997"


def test_a_queued_push_whose_account_is_gone_is_not_sent_from_another(
    further: MpesaSettings, sandbox: SandboxDriver
) -> None:
    enqueue(PHONE, 10, "INV001", short_code="600997")
    further.delete()
    run_work("payments")
    payment = Payment.objects.get()
    assert (payment.state, payment.result_code) == ("failed", "unknown_account")
    assert "stk_push" not in sandbox.counters()


def test_a_key_repeated_for_another_short_code_is_refused(further: MpesaSettings) -> None:
    push(PHONE, 10, "INV001", idempotency_key="k")
    data = push(PHONE, 10, "INV001", idempotency_key="k", short_code="600997")[2]
    assert (data["code"], data["retry_safe"]) == ("idempotency_mismatch", False)


def test_a_payment_is_asked_about_with_the_settings_of_its_account(
    further: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("no_callback")
    push(PHONE, 10, "INV001", short_code="600997")
    sandbox.settle()
    payment = Payment.objects.get()
    make_due(payment)
    run_work("payments")
    payment.refresh_from_db()
    assert payment.state == "succeeded"


def test_a_payment_whose_short_code_was_edited_is_still_asked_about(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("no_callback")
    push(PHONE, 10, "INV001")
    sandbox.settle()
    mpesa.short_code = "600111"
    mpesa.save()
    payment = Payment.objects.get()
    assert "It is now: Succeeded" in reconcile.ask_now(payment).words


def test_a_query_by_id_uses_the_account_of_the_payment(further: MpesaSettings) -> None:
    push(PHONE, 10, "INV001", short_code="600997")
    checkout_id = Payment.objects.get().checkout_id or ""
    answered, error, body = query(checkout_id)
    assert (answered, error) == (True, None)
    assert body and body["CheckoutRequestID"] == checkout_id
    # One that we don't know is asked about with the account that was named.
    assert query("ws_CO_1", short_code="600997")[2]["errorCode"] == "500.001.1001"  # type: ignore[index]
    assert query("ws_CO_1", short_code="111222") == (
        False, "The installation has no M-Pesa settings for the short code '111222'.", None,
    )  # fmt: skip


def test_a_callback_is_judged_by_the_sources_of_its_account(
    further: MpesaSettings, settle: Callable[[], None]
) -> None:
    MpesaSettings.objects.filter(pk=further.pk).update(callback_sources="196.201.214.200")
    further.refresh_from_db()
    further.save()
    push(PHONE, 10, "INV001", short_code="600997")
    push(PHONE, 10, "INV002")
    settle()
    states = dict(Payment.objects.values_list("short_code", "state"))
    assert states == {"600997": "pending", "174379": "succeeded"}


def test_health_tells_of_each_account(further: MpesaSettings, sandbox: SandboxDriver) -> None:
    sandbox.app(KEY, SECRET, refused=True)
    bad = integration_status("mpesa")
    assert (bad["status"], bad["connected"]) == ("unhealthy", False)
    assert bad["message"].startswith("600997: M-Pesa refused the consumer key")
    assert bad["connection"] == [False, bad["message"]]
    assert [a["account"] for a in bad["accounts"]] == ["600997"]
    sandbox.app(KEY, SECRET)
    good = integration_status("mpesa")
    assert (good["status"], [a["status"] for a in good["accounts"]]) == ("healthy", ["healthy"])
    further.delete()
    assert "accounts" not in integration_status("mpesa")


def test_an_account_that_is_not_complete_is_told_and_not_asked(
    further: MpesaSettings, sandbox: SandboxDriver
) -> None:
    further.passkey = ""
    further.save()
    told = integration_status("mpesa")
    assert (told["status"], told["accounts"][0]["status"]) == ("healthy", "not_configured")


def test_the_admin_form_offers_the_further_accounts(
    further: MpesaSettings, sandbox: SandboxDriver, admin_client: Client
) -> None:
    page = "/admin/integrations/payment/request/"
    html = admin_client.get(page).content.decode()
    assert "600997 (installation, Sandbox)" in html
    form = {
        "phone": PHONE, "amount": "10", "account_reference": "INV001", "description": "Payment",
        "business": "", "short_code": "600997",
        "idempotency_key": "6a0c0f0e-5c0e-4b8a-9b3e-0f5b0c7f7a01",
    }  # fmt: skip
    assert admin_client.post(page, form).status_code == 302
    assert Payment.objects.get().short_code == "600997"
    refused = admin_client.post(page, {**form, "short_code": "111222"})
    assert "Select a valid choice" in refused.content.decode()
    further.delete()
    assert "Paid to" not in admin_client.get(page).content.decode()
