"""One key, one prompt: whoever asks, however often, at whatever time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from integrations.models import MpesaSettings, Payment
from integrations.payments import ledger
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, mpesa_values, run_work
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push
enqueue = MpesaPaymentService.enqueue_stk_push


@pytest.mark.parametrize("count", [2, 8])
def test_pushes_with_one_key_at_once_make_one_prompt(
    mpesa: MpesaSettings, sandbox: SandboxDriver, count: int
) -> None:
    together = threading.Barrier(count)
    answers: list[Any] = []

    def ask() -> None:
        try:
            together.wait()
            answers.append(push(PHONE, 1000, "INV001", idempotency_key="INV001-1"))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sandbox.counters()["stk_push"] == 1
    payment = Payment.objects.get()
    assert len(answers) == count
    assert {data["payment_id"] for _, _, data in answers} == {str(payment.public_id)}
    assert sum(not data["repeated"] for _, _, data in answers) == 1
    # Whoever came second while the first was sending must not be told to try again.
    assert all(success or data["retry_safe"] is False for success, _, data in answers)


def test_a_repeated_key_answers_for_the_first_payment(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    first = push(PHONE, 1000, "INV001", idempotency_key="k")
    again = push("+254 712 345 678", "1000.00", "INV001", "Another", idempotency_key="k")
    assert again[0] is True
    assert again[2] == {**first[2], "repeated": True}
    settle()
    paid = push(PHONE, 1000, "INV001", idempotency_key="k")
    assert (paid[0], paid[2]["state"]) == (True, "succeeded")
    assert len(sandbox.prompts()) == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"amount": 1001}, "amount"),
        ({"phone": "0712345679"}, "phone"),
        ({"account_reference": "INV002"}, "account reference"),
    ],
)
def test_a_key_with_another_request_is_refused(
    mpesa: MpesaSettings, sandbox: SandboxDriver, change: dict[str, Any], named: str
) -> None:
    good = {"phone": PHONE, "amount": 1000, "account_reference": "INV001", "idempotency_key": "k"}
    push(**good)
    success, message, data = push(**{**good, **change})
    assert success is False
    assert message == f"idempotency_key: was already used for a payment with another {named}."
    assert data == {
        "payment_id": str(Payment.objects.get().public_id),
        "state": "refused",
        "code": "idempotency_mismatch",
        "help": "docs/reference/troubleshooting.md#idempotency_mismatch",
        "retry_safe": False,
        "field": "idempotency_key",
    }
    assert len(sandbox.prompts()) == 1


def test_a_key_with_another_receiving_till_is_refused(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    mpesa.short_code, mpesa.till_number = "5310080", "9310081"
    mpesa.transaction_type = "CustomerBuyGoodsOnline"
    mpesa.save()
    push(PHONE, 1000, "INV001", idempotency_key="k")
    mpesa.till_number = "9310082"
    mpesa.save()
    _, message, data = push(PHONE, 1000, "INV001", idempotency_key="k")
    assert (
        message == "idempotency_key: was already used for a payment with another receiving number."
    )
    assert data["retry_safe"] is False
    assert len(sandbox.prompts()) == 1


def test_an_ended_payment_with_an_open_question_is_not_safe_to_repeat(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    sandbox.scenario("wrong_pin")
    push(PHONE, 1000, "INV001", idempotency_key="k")
    settle()
    assert push(PHONE, 1000, "INV001", idempotency_key="k")[2]["retry_safe"] is True
    ledger.flag(Payment.objects.get(), "A callback says paid.")
    _, _, data = push(PHONE, 1000, "INV001", idempotency_key="k")
    assert (data["state"], data["retry_safe"]) == ("failed", False)


def test_keys_belong_to_a_business(mpesa: MpesaSettings, sandbox: SandboxDriver) -> None:
    MpesaSettings.objects.create(**mpesa_values(sandbox, business="branch"))
    push(PHONE, 10, "INV001", idempotency_key="k")
    push("0712345679", 10, "INV001", idempotency_key="k", business="branch")
    assert Payment.objects.count() == len(sandbox.prompts()) == 2


def test_without_a_key_every_call_is_a_payment_of_its_own(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    push(PHONE, 10, "INV001")
    settle()
    push(PHONE, 10, "INV001")
    assert len(sandbox.prompts()) == 2


def test_a_key_is_kept_in_the_queue_too(mpesa: MpesaSettings, sandbox: SandboxDriver) -> None:
    with transaction.atomic():
        first = enqueue(PHONE, 10, "INV001", idempotency_key="k")
        again = enqueue(PHONE, 10, "INV001", idempotency_key="k")
        # The refused insert did not break the caller's transaction.
        assert Payment.objects.count() == 1
    assert again[0] is True
    assert again[2]["payment_id"] == first[2]["payment_id"]
    later = push(PHONE, 10, "INV001", idempotency_key="k")
    assert (later[0], later[2]["state"]) == (True, "created")
    run_work("payments")
    assert len(sandbox.prompts()) == 1


def test_a_failed_payment_keeps_its_key(mpesa: MpesaSettings, sandbox: SandboxDriver) -> None:
    sandbox.shortcode("174379", "another-passkey")
    first = push(PHONE, 10, "INV001", idempotency_key="k")
    again = push(PHONE, 10, "INV001", idempotency_key="k")
    assert again == (False, first[1], {**first[2], "repeated": True})
    assert sandbox.counters()["stk_push"] == 1
