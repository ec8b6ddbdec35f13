"""Results of payouts: every code, every shape, in any order, settled once and never by a guess."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from integrations.models import DomainEvent, InboundCallback, MpesaSettings, Payment
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.payments.states import FINAL
from integrations.providers.mpesa.codes.initiator import PAYOUT_RESULTS
from tests.conftest import PHONE, domain_events, run_work
from tests.payments.results import (
    age,
    answer_questions,
    not_paid_out,
    paid_out,
    payouts,
    post,
    silent_payout,
)
from tests.sandbox.driver import SandboxDriver

pay_out = MpesaPaymentService.pay_out


def the_payout() -> Payment:
    return Payment.objects.get()


def told() -> list[str]:
    return list(domain_events().values_list("event_type", flat=True))


@pytest.mark.parametrize("code", sorted(set(PAYOUT_RESULTS) - {"0"}))
@pytest.mark.parametrize("form", [str, "number"], ids=["text", "number"])
def test_every_documented_code_has_its_end_in_words(
    paying: MpesaSettings, sandbox: SandboxDriver, code: str, form: Any
) -> None:
    order = silent_payout(sandbox)
    wire: Any = int(code) if form == "number" and code.isdigit() else code
    post(order, not_paid_out(order, wire))
    run_work("callbacks")
    payment = the_payout()
    meaning = PAYOUT_RESULTS[code]
    assert payment.state == str(meaning.outcome.value)
    assert payment.result_code == code
    if payment.state in FINAL:
        assert payment.message == meaning.sentence
        assert payment.receipt is None
    else:
        assert payment.next_attempt_at is not None
    assert InboundCallback.objects.get().status == "processed"


@pytest.mark.parametrize("code", ["7777", "X_9", ""])
def test_a_code_that_nobody_documented_fails_nothing_and_is_asked_about(
    paying: MpesaSettings, sandbox: SandboxDriver, code: str
) -> None:
    order = silent_payout(sandbox)
    post(order, not_paid_out(order, code))
    run_work("callbacks")
    assert the_payout().state == "unknown"
    answer_questions(sandbox)
    payment = the_payout()
    assert (payment.state, payment.receipt) == ("succeeded", order["receipt"])


@pytest.mark.parametrize(
    "shape",
    [
        {"parameters": "single"},
        {"parameters": "missing"},
        {"parameters": "empty"},
        {"reference": "list"},
        {"reference": "missing"},
        {"code": "string", "result_type": "string", "dates": "string", "amounts": "string"},
        {"transaction_id": "placeholder"},
        {"transaction_id": "missing"},
    ],
    ids=str,
)
def test_every_shape_of_a_result_settles_or_is_asked_about(
    paying: MpesaSettings,
    sandbox: SandboxDriver,
    settle: Callable[[], None],
    shape: dict[str, Any],
) -> None:
    sandbox.fault("result_shape", operation="b2c", **shape)
    pay_out(PHONE, 500, "REF001")
    settle()
    if the_payout().state != "succeeded":
        answer_questions(sandbox)
    payment = the_payout()
    assert (payment.state, payment.receipt) == ("succeeded", payouts(sandbox)[0]["receipt"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"amount": 501}, "but KES 500"),
        ({"amount": "500.01"}, "but KES 500"),
        ({"amount": None}, "without an amount"),
        ({"party": "254712000009 - JOHN DOE"}, "another number"),
        ({"originator_id": "bengo-other"}, "another request"),
        ({"conversation_id": "AG_20260101_00000000000000000000"}, "another request"),
        ({"originator_id": "", "conversation_id": ""}, "names no request"),
    ],
    ids=str,
)
def test_what_does_not_fit_settles_nothing_is_flagged_and_asked_about(
    paying: MpesaSettings, sandbox: SandboxDriver, changes: dict[str, Any], words: str
) -> None:
    order = silent_payout(sandbox)
    assert post(order, paid_out(order, **changes)).status_code == 200
    run_work("callbacks")
    payment = the_payout()
    assert (payment.state, payment.receipt) == ("pending", None)
    assert words in payment.attention
    assert InboundCallback.objects.get().status == "quarantined"
    answer_questions(sandbox)
    payment = the_payout()
    assert (payment.state, payment.receipt) == ("succeeded", order["receipt"])
    assert payment.attention


def test_a_hidden_number_that_fits_is_believed(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    order = silent_payout(sandbox)
    post(order, paid_out(order, party="2547 ***** 678 - JANE"))
    run_work("callbacks")
    assert (the_payout().state, the_payout().party_name) == ("succeeded", "JANE")


def test_a_receipt_of_another_payment_settles_nothing(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    first = silent_payout(sandbox)
    post(first, paid_out(first))
    second = silent_payout(sandbox, amount=600)
    post(second, paid_out(second, receipt=first["receipt"]))
    run_work("callbacks")
    payment = Payment.objects.get(amount=600)
    assert payment.state == "pending"
    assert "another payment" in payment.attention


@pytest.mark.parametrize("copies", [2, 5])
def test_copies_settle_once(paying: MpesaSettings, sandbox: SandboxDriver, copies: int) -> None:
    order = silent_payout(sandbox)
    for number in range(copies):
        code: Any = 0 if number % 2 else "0"
        post(order, paid_out(order, code=code))
    run_work("callbacks")
    assert the_payout().state == "succeeded"
    statuses = sorted(InboundCallback.objects.values_list("status", flat=True))
    assert statuses == ["duplicate"] * (copies - 1) + ["processed"]
    assert told().count("payment.succeeded") == 1


def test_a_success_after_a_failure_wins_and_alerts(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    order = silent_payout(sandbox)
    post(order, not_paid_out(order, 17))
    run_work("callbacks")
    assert the_payout().state == "failed"
    post(order, paid_out(order))
    run_work("callbacks")
    payment = the_payout()
    assert (payment.state, payment.receipt) == ("succeeded", order["receipt"])
    assert payment.attention
    assert DomainEvent.objects.get(event_type="payment.succeeded").payload["late"] is True


def test_a_failure_after_a_success_changes_nothing(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    order = silent_payout(sandbox)
    post(order, paid_out(order))
    run_work("callbacks")
    post(order, not_paid_out(order, 17))
    run_work("callbacks")
    assert the_payout().state == "succeeded"
    assert the_payout().events.filter(kind="callback_ignored").exists()


@pytest.mark.parametrize("code", [0, 1, "timeout"])
def test_a_time_out_is_no_failure_and_no_success(
    paying: MpesaSettings, sandbox: SandboxDriver, code: Any
) -> None:
    order = silent_payout(sandbox)
    assert post(order, not_paid_out(order, code), to="timeout_url").status_code == 200
    run_work("callbacks")
    assert the_payout().state == "unknown"
    post(order, paid_out(order))
    run_work("callbacks")
    assert the_payout().state == "succeeded"
    post(order, not_paid_out(order, code), to="timeout_url")
    run_work("callbacks")
    assert the_payout().state == "succeeded"


@pytest.mark.parametrize("form", ["result", "zero", "flat"])
def test_every_form_of_a_time_out_is_understood(
    paying: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None], form: str
) -> None:
    sandbox.fault("timeout_delivery", operation="b2c", form=form)
    pay_out(PHONE, 500, "REF001")
    settle()
    assert the_payout().state == "unknown"
    answer_questions(sandbox)
    assert the_payout().state == "succeeded"


def test_a_doubted_success_waits_for_m_pesa_s_own_word(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    order = silent_payout(sandbox)
    paying.callback_sources = "196.201.214.200"
    paying.save()
    post(order, paid_out(order))
    run_work("callbacks")
    assert (the_payout().state, the_payout().receipt) == ("pending", None)
    paying.callback_sources = "127.0.0.1 ::1"
    paying.save()
    answer_questions(sandbox)
    assert (the_payout().state, the_payout().receipt) == ("succeeded", order["receipt"])
    InboundCallback.objects.filter(status="stored").update(next_attempt_at=None)


def test_a_forged_success_settles_nothing(paying: MpesaSettings, sandbox: SandboxDriver) -> None:
    sandbox.scenario("1", operation="b2c")
    order = silent_payout(sandbox)
    paying.callback_sources = "196.201.214.200"
    paying.save()
    post(order, paid_out(order))
    run_work("callbacks")
    paying.callback_sources = "127.0.0.1 ::1"
    paying.save()
    answer_questions(sandbox)
    assert the_payout().state != "succeeded"


@pytest.mark.parametrize("code", [1, 17, "timeout"])
def test_a_doubted_failure_is_asked_about(
    paying: MpesaSettings, sandbox: SandboxDriver, code: Any
) -> None:
    order = silent_payout(sandbox)
    paying.callback_sources = "196.201.214.200"
    paying.save()
    post(order, not_paid_out(order, code))
    run_work("callbacks")
    assert the_payout().state == "pending"
    assert InboundCallback.objects.get().status == "quarantined"


def test_an_amount_above_the_limit_of_belief_is_confirmed_first(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    paying.confirm_above = 499
    paying.save()
    order = silent_payout(sandbox)
    post(order, paid_out(order))
    run_work("callbacks")
    assert the_payout().state == "pending"
    answer_questions(sandbox)
    assert the_payout().state == "succeeded"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"{}", b'{"Result": 1}'])
def test_what_is_no_result_settles_nothing(
    paying: MpesaSettings, sandbox: SandboxDriver, body: bytes
) -> None:
    order = silent_payout(sandbox)
    requests.post(order["result_url"], data=body, timeout=10)
    run_work("callbacks")
    assert the_payout().state == "pending"


def test_another_address_is_refused(paying: MpesaSettings, sandbox: SandboxDriver) -> None:
    order = silent_payout(sandbox)
    stranger = {**order, "result_url": order["result_url"][:-5] + "0000/"}
    assert post(stranger, paid_out(order)).status_code == 401
    # A payout's secret opens no other route.
    elsewhere = {**order, "result_url": order["result_url"].replace("/result/", "/stk/")}
    assert post(elsewhere, paid_out(order)).status_code in (200, 401)
    run_work("callbacks")
    assert the_payout().state == "pending"


def test_a_late_answer_to_old_questions_changes_nothing(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    order = silent_payout(sandbox)
    age(the_payout(), 200)
    run_work("payments")
    run_work("queries")
    post(order, paid_out(order))
    run_work("callbacks")
    sandbox.settle()
    run_work("callbacks")
    assert the_payout().state == "succeeded"
    assert told().count("payment.succeeded") == 1
