"""Where the money goes: PayBill, till, each business its own, and what the payer reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from integrations.models import MpesaSettings, Payment, ProviderCall
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PASSKEY, PHONE, mpesa_values, run_work
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push
TILL = "CustomerBuyGoodsOnline"


def only_prompt(sandbox: SandboxDriver) -> dict[str, Any]:
    (prompt,) = sandbox.prompts()
    return prompt


def test_a_paybill_payment_goes_to_the_short_code(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    success, _, data = push(" +254 712-345 678 ", "1000.00", "INV001", "Order 1")
    assert success
    prompt = only_prompt(sandbox)
    assert (prompt["shortcode"], prompt["party_b"]) == ("174379", "174379")
    assert (prompt["party_a"], prompt["phone"]) == ("254712345678", "254712345678")
    assert (prompt["amount"], prompt["reference"]) == (1000, "INV001")
    assert prompt["description"] == "Order 1"
    assert data["merchant_request_id"] == prompt["merchant_request_id"]
    assert data["payment_id"] not in prompt["callback_url"]


def test_a_till_payment_names_the_store_and_pays_the_till(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    mpesa.short_code, mpesa.till_number, mpesa.transaction_type = "5310080", "9310081", TILL
    mpesa.save()
    assert push(PHONE, 50, "INV001")[0]
    settle()
    prompt = only_prompt(sandbox)
    assert (prompt["shortcode"], prompt["party_b"]) == ("5310080", "9310081")
    assert prompt["transaction_type"] == TILL
    assert Payment.objects.get().state == "succeeded"


def test_a_wrong_till_is_explained(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    mpesa.short_code, mpesa.till_number, mpesa.transaction_type = "5310080", "9999999", TILL
    mpesa.save()
    push(PHONE, 50, "INV001")
    settle()
    payment = Payment.objects.get()
    assert (payment.state, payment.result_code) == ("failed", "SFC_IC0003")
    assert "till number" in payment.message


def test_a_business_with_a_row_of_its_own_uses_only_that_row(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    sandbox.shortcode("600111", "branch-passkey")
    MpesaSettings.objects.create(
        **mpesa_values(sandbox, business="branch", short_code="600111", passkey="branch-passkey")
    )
    assert push(PHONE, 70, "INV001", business="branch")[0]
    settle()
    payment = Payment.objects.get()
    assert (payment.business, payment.state) == ("branch", "succeeded")
    assert only_prompt(sandbox)["shortcode"] == "600111"
    assert set(ProviderCall.objects.values_list("business", flat=True)) == {"branch"}


def test_a_shared_installation_serves_a_business_without_a_row(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    mpesa.shared = True
    mpesa.save()
    assert push(PHONE, 70, "INV001", business="branch")[0]
    assert Payment.objects.get().business == "branch"


def test_long_descriptions_are_cut_where_the_operator_wants_it(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.INTEGRATIONS_MPESA_SHORTEN_DESCRIPTION = True
    assert push(PHONE, 70, "INV001", "Payment for invoice 1")[0]
    assert only_prompt(sandbox)["description"] == "Payment for i"


def test_longest_values_and_largest_amount_are_carried(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    assert push(PHONE, 250_000, "ABCDEFGHIJKL", "Thirteen sign")[0]
    prompt = only_prompt(sandbox)
    assert (prompt["amount"], prompt["reference"]) == (250_000, "ABCDEFGHIJKL")


@pytest.mark.parametrize("moment", ["2026-06-30T21:30:00+00:00", "2026-01-14T06:30:05+00:00"])
def test_daraja_gets_the_time_of_nairobi(
    mpesa: MpesaSettings, sandbox: SandboxDriver, moment: str
) -> None:
    # The emulator refuses a Timestamp that is an hour off; UTC would be three.
    with time_machine.travel(moment, tick=True):
        success, message, data = push(PHONE, 70, "INV001")
    assert success, message
    # The caller is told when it was sent by the database's clock, which did not travel.
    sent_at = Payment.objects.get().sent_at.astimezone(ZoneInfo("Africa/Nairobi"))
    assert data["timestamp"] == sent_at.strftime("%Y%m%d%H%M%S")


def test_callback_addresses_are_unguessable_and_different(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    push(PHONE, 70, "INV001")
    push("0712345679", 70, "INV001")
    tokens = {prompt["callback_url"].rstrip("/").rsplit("/", 1)[1] for prompt in sandbox.prompts()}
    assert len(tokens) == 2
    assert all(len(token) == 32 for token in tokens)
    stored = Payment.objects.values_list("callback_digest", flat=True)
    assert tokens.isdisjoint(stored)


def test_an_own_callback_base_wins(
    mpesa: MpesaSettings, sandbox: SandboxDriver, public_url: str, settings: Any
) -> None:
    settings.PUBLIC_BASE_URL = "https://elsewhere.example.ke"
    mpesa.callback_base_url = public_url + "/"
    mpesa.save()
    push(PHONE, 70, "INV001")
    path = "/api/v1/integrations/cb/stk/"
    assert only_prompt(sandbox)["callback_url"].startswith(public_url + path)


def test_one_push_is_one_request_on_a_kept_connection(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    push(PHONE, 70, "INV001")
    before = sandbox.counters()
    push("0712345679", 70, "INV001")
    after = sandbox.counters()
    assert after["stk_push"] == before["stk_push"] + 1
    assert after["tokens_issued"] == before["tokens_issued"] == 1
    assert after["connections"] == before["connections"]


def test_a_passkey_given_to_a_wrong_host_never_leaves(mpesa: MpesaSettings, settings: Any) -> None:
    # A stolen admin login moves the host by a bulk update, which can't retype the secrets.
    settings.OUTBOUND_ALLOWED_HOSTS = ["127.0.0.1:9"]
    MpesaSettings.objects.update(sandbox_url="http://127.0.0.1:9")
    success, message, data = push(PHONE, 70, "INV001")
    assert (success, data["state"], data["code"]) == (False, "failed", "host_not_confirmed")
    assert "Enter the secrets again" in message
    assert PASSKEY not in message


def test_the_till_of_the_wish_is_paid_whatever_the_settings_say_later(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    mpesa.short_code, mpesa.till_number, mpesa.transaction_type = "5310080", "9310081", TILL
    mpesa.save()
    assert MpesaPaymentService.enqueue_stk_push(PHONE, 50, "INV001")[0]
    assert Payment.objects.get().party_b == "9310081"
    mpesa.till_number = "9999999"
    mpesa.save()
    run_work("payments")
    assert only_prompt(sandbox)["party_b"] == "9310081"
