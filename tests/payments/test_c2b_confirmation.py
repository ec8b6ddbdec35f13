"""Confirmations: each payment once, whoever tells of it first, and whatever the payer typed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from django.db.models import Sum
from django.utils import timezone

from integrations.models import (
    C2BReceipt,
    DomainEvent,
    InboundCallback,
    MpesaSettings,
    Payment,
    PaymentState,
)
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.payments.receipts import WAIT
from tests.callbacks.test_receive import storing_fails
from tests.callbacks.test_settling import work_in_threads
from tests.conftest import domain_events, make_due, run_work
from tests.events.makers import judge_events
from tests.payments.c2b_letters import (
    HASHED,
    RECEIPT,
    Addresses,
    confirm,
    letter,
    post_c2b,
    registered,
)
from tests.payments.letters import paid, post, silent_prompt, unpaid
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push
OTHER = "UAE4X7K2QQ"


@pytest.fixture
def addresses(mpesa: MpesaSettings, public_url: str) -> Addresses:
    return registered(public_url)


def work_on(*, waited: float = 0.0) -> None:
    """Work on stored callbacks, as if they had been waiting so long."""
    waiting = InboundCallback.objects.filter(status="stored")
    if waited:
        waiting.update(received_at=timezone.now() - timedelta(seconds=waited))
    waiting.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    run_work("callbacks")


def counted() -> Decimal:
    """All the money that the ledger counts."""
    rows = Payment.objects.filter(state="succeeded", direction="in")
    return rows.aggregate(total=Sum("amount"))["total"] or Decimal(0)


def shape(*fields: str) -> list[tuple[Any, ...]]:
    return list(Payment.objects.order_by("pk").values_list(*fields))


def test_a_payment_that_nobody_asked_for_is_a_row_of_its_own(addresses: Addresses) -> None:
    answer = confirm(addresses, TransAmount="150.75", MSISDN=HASHED, TransTime="20260114093021")
    assert (answer.status_code, answer.json()) == (200, {"ResultCode": 0, "ResultDesc": "Success"})
    work_on()
    payment = Payment.objects.get()
    assert (payment.product, payment.direction, payment.state) == ("c2b", "in", "succeeded")
    assert (payment.amount, payment.receipt) == (Decimal("150.75"), RECEIPT)
    assert (payment.party, payment.party_name) == (HASHED, "JANE")
    assert payment.account_reference == "INV001"
    assert payment.paid_at is not None
    assert payment.paid_at.isoformat() == "2026-01-14T06:30:21+00:00"
    assert (payment.short_code, payment.transaction_type) == ("174379", "Pay Bill")
    types = list(domain_events().values_list("event_type", flat=True))
    assert types == ["payment.succeeded", "payment.unmatched"]


def test_the_second_copy_is_answered_alike_and_changes_nothing(addresses: Addresses) -> None:
    for _ in range(3):
        answer = confirm(addresses)
        assert answer.json() == {"ResultCode": 0, "ResultDesc": "Success"}
        work_on()
    assert shape("state", "receipt") == [("succeeded", RECEIPT)]
    statuses = InboundCallback.objects.order_by("pk").values_list("status", flat=True)
    assert list(statuses) == ["processed", "duplicate", "duplicate"]


@pytest.mark.parametrize("changes", [
    {"BusinessShortCode": "600999"}, {"TransAmount": "-5"}, {"TransAmount": "0"},
    {"TransAmount": "1e3"}, {"TransID": ""}, {"TransAmount": None}, {"TransID": "x" * 50},
])  # fmt: skip
def test_what_can_t_be_meant_is_quarantined(addresses: Addresses, changes: dict[str, Any]) -> None:
    assert confirm(addresses, **changes).status_code == 200
    work_on()
    callback = InboundCallback.objects.get()
    assert callback.status == "quarantined"
    assert callback.reason
    assert not Payment.objects.exists()


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"\xff\x00", b"{" * 5000])
def test_what_can_t_be_read_is_kept_and_answered_alike(addresses: Addresses, body: bytes) -> None:
    answer = requests.post(addresses.confirmation, data=body, timeout=10)
    assert (answer.status_code, answer.json()["ResultCode"]) == (200, 0)
    work_on()
    assert InboundCallback.objects.get().status == "quarantined"


def test_where_it_can_t_be_stored_m_pesa_hears_no(addresses: Addresses) -> None:
    with storing_fails():
        answers = [confirm(addresses), post_c2b(addresses.validation, letter())]
    assert [answer.status_code for answer in answers] == [503, 503]


def test_an_stk_callback_and_a_confirmation_at_the_same_moment_are_one_payment(
    mpesa: MpesaSettings, sandbox: SandboxDriver, addresses: Addresses
) -> None:
    prompt = silent_prompt(sandbox, push)
    for _ in range(4):
        post(prompt, paid(prompt, receipt=RECEIPT))
        confirm(addresses)
    past = timezone.now() - timedelta(seconds=WAIT + 1)
    InboundCallback.objects.update(received_at=past)
    work_in_threads()
    work_on()
    assert shape("state", "receipt").count(("succeeded", RECEIPT)) == 1
    assert counted() == 1000
    assert not InboundCallback.objects.filter(status="stored").exists()


def test_copies_of_one_confirmation_at_the_same_moment_are_one_payment(
    mpesa: MpesaSettings, addresses: Addresses
) -> None:
    MpesaPaymentService.expect_payment("INV001", 1000)
    for _ in range(12):
        confirm(addresses)
    work_in_threads()
    work_on()
    assert shape("state", "receipt") == [("succeeded", RECEIPT)]
    assert Payment.objects.get().allotment.expectation.received == 1000  # type: ignore[union-attr]


def test_a_till_may_be_told_by_either_of_its_numbers(
    mpesa: MpesaSettings, addresses: Addresses
) -> None:
    MpesaSettings.objects.filter(pk=mpesa.pk).update(till_number="373132")
    confirm(addresses, BusinessShortCode="373132", BillRefNumber="")
    work_on()
    assert Payment.objects.get().state == "succeeded"


def test_an_address_that_nobody_was_given_is_refused(addresses: Addresses) -> None:
    assert post_c2b(addresses.confirmation.replace("01c", "99c"), letter()).status_code == 401
    # The validation's secret is none for confirmations.
    wrong = addresses.validation.replace("c2b-validation", "c2b-confirmation")
    assert post_c2b(wrong, letter()).status_code == 401


def test_retired_addresses_are_refused_and_earlier_ones_are_not(
    addresses: Addresses, public_url: str
) -> None:
    newer = registered(public_url, number=2)
    assert confirm(addresses).status_code == confirm(newer, TransID=OTHER).status_code == 200
    addresses.registration.retired_at = timezone.now()
    addresses.registration.save()
    assert confirm(addresses).status_code == 401
    work_on()
    assert counted() == 2000


HOSTILE = [
    "<script>alert(1)</script>", "=HYPERLINK(\"http://x\",\"y\")", "x" * 10_000, "a\x00b",
    "\u202egnirts\u202c", "  inv\u200b 001\n", "@SUM(A1)", "", None, "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("typed", HOSTILE)
def test_a_hostile_reference_is_kept_in_bounds(addresses: Addresses, typed: Any) -> None:
    confirm(addresses, BillRefNumber=typed, FirstName=typed)
    work_on()
    payment = Payment.objects.get()
    assert len(payment.account_reference) <= 64
    assert payment.account_reference.isprintable()
    assert payment.party_name.isprintable()
    assert payment.account_reference == payment.account_reference.strip()


# --- the same money, told twice ---------------------------------------------------------------


def test_stk_first_then_c2b(
    mpesa: MpesaSettings, sandbox: SandboxDriver, addresses: Addresses
) -> None:
    prompt = silent_prompt(sandbox, push)
    post(prompt, paid(prompt, receipt=RECEIPT))
    work_on()
    confirm(addresses)
    work_on()
    assert shape("product", "state", "receipt") == [("stk_push", "succeeded", RECEIPT)]
    payment = Payment.objects.get()
    assert (payment.party_name, counted()) == ("JANE", 1000)
    assert payment.events.filter(kind="c2b_confirmation").count() == 1


def test_c2b_first_waits_for_the_push_s_own_result(
    mpesa: MpesaSettings, sandbox: SandboxDriver, addresses: Addresses
) -> None:
    prompt = silent_prompt(sandbox, push)
    confirm(addresses)
    work_on()
    assert shape("product", "state") == [("stk_push", "pending")]
    assert InboundCallback.objects.get().status == "stored"
    post(prompt, paid(prompt, receipt=RECEIPT))
    work_on()
    work_on()
    assert shape("product", "state", "receipt") == [("stk_push", "succeeded", RECEIPT)]
    assert set(InboundCallback.objects.values_list("status", flat=True)) == {"processed"}


def test_c2b_gives_its_receipt_to_a_push_that_a_query_settled(
    mpesa: MpesaSettings, sandbox: SandboxDriver, addresses: Addresses
) -> None:
    silent_prompt(sandbox, push)
    make_due(Payment.objects.get())
    run_work("payments")
    assert shape("state", "receipt") == [("succeeded", None)]
    confirm(addresses)
    work_on()
    assert shape("product", "state", "receipt") == [("stk_push", "succeeded", RECEIPT)]
    assert DomainEvent.objects.filter(event_type="payment.receipt").count() == 1


def test_spaces_in_a_push_s_reference_do_not_hide_it(
    mpesa: MpesaSettings, sandbox: SandboxDriver, addresses: Addresses
) -> None:
    silent_prompt(sandbox, push, account_reference="INV  001")
    make_due(Payment.objects.get())
    run_work("payments")
    confirm(addresses, BillRefNumber="INV  001")
    work_on()
    assert shape("product", "state", "receipt") == [("stk_push", "succeeded", RECEIPT)]


def test_a_waiting_confirmation_has_the_push_asked_about(
    mpesa: MpesaSettings, sandbox: SandboxDriver, addresses: Addresses
) -> None:
    silent_prompt(sandbox, push)
    confirm(addresses)
    work_on(waited=8)
    assert Payment.objects.get().next_attempt_at <= timezone.now()
    run_work("payments")
    work_on(waited=16)
    assert shape("product", "state", "receipt") == [("stk_push", "succeeded", RECEIPT)]
    assert C2BReceipt.objects.get().basis == "attached"


def test_a_push_without_any_result_is_settled_by_the_confirmation(
    mpesa: MpesaSettings, sandbox: SandboxDriver, addresses: Addresses
) -> None:
    prompt = silent_prompt(sandbox, push)
    confirm(addresses)
    work_on(waited=WAIT + 1)
    assert shape("product", "state", "receipt") == [("stk_push", "succeeded", RECEIPT)]
    assert C2BReceipt.objects.get().basis == "settled"
    # Its own result says the same, and makes it certain.
    post(prompt, paid(prompt, receipt=RECEIPT))
    work_on()
    assert C2BReceipt.objects.get().basis == "told"
    assert counted() == 1000
    assert DomainEvent.objects.filter(event_type="payment.succeeded").count() == 1


def test_what_was_settled_by_the_wrong_receipt_is_put_right_by_its_own_result(
    mpesa: MpesaSettings, sandbox: SandboxDriver, addresses: Addresses
) -> None:
    """The payer paid by hand and approved the prompt as well: twice the money."""
    prompt = silent_prompt(sandbox, push)
    confirm(addresses)
    work_on(waited=WAIT + 1)
    post(prompt, paid(prompt, receipt=OTHER))
    work_on()
    assert shape("product", "state", "receipt") == [
        ("stk_push", "succeeded", OTHER), ("c2b", "succeeded", RECEIPT),
    ]  # fmt: skip
    assert counted() == 2000
    confirm(addresses, TransID=OTHER)
    work_on()
    assert counted() == 2000


@pytest.mark.parametrize("first", [1032, 1037, 1])
def test_a_payment_of_its_own_is_merged_when_the_push_claims_its_receipt(
    mpesa: MpesaSettings, sandbox: SandboxDriver, addresses: Addresses, first: int
) -> None:
    """Ended unpaid, confirmed by C2B, and then the late success of the push."""
    sandbox.scenario(str(first))
    prompt = silent_prompt(sandbox, push)
    post(prompt, unpaid(prompt, first))
    work_on()
    confirm(addresses)
    work_on(waited=WAIT + 1)
    assert shape("product", "receipt") == [("stk_push", None), ("c2b", RECEIPT)]
    post(prompt, paid(prompt, receipt=RECEIPT))
    work_on()
    assert shape("product", "state", "receipt") == [
        ("stk_push", "succeeded", RECEIPT), ("c2b", "merged", None),
    ]  # fmt: skip
    stk, c2b = Payment.objects.order_by("pk")
    assert c2b.merged_into == stk
    assert "Paid after it was reported as not paid" in stk.attention
    assert counted() == 1000
    event = DomainEvent.objects.get(event_type="payment.merged")
    assert event.payload["merged_into"] == str(stk.public_id)
    assert "payment.merged" in judge_events()
    assert c2b.events.filter(kind="merged").exists()
    assert stk.events.filter(kind="merged_from").exists()


def test_a_push_that_a_query_settles_later_absorbs_the_payment(
    mpesa: MpesaSettings, sandbox: SandboxDriver, addresses: Addresses
) -> None:
    silent_prompt(sandbox, push)
    # Two prompts that are alike: the confirmation can't tell which one.
    silent_prompt(sandbox, push)
    confirm(addresses)
    work_on(waited=WAIT + 1)
    assert shape("product", "state") == [
        ("stk_push", "pending"), ("stk_push", "pending"), ("c2b", "succeeded"),
    ]  # fmt: skip
    make_due(Payment.objects.earliest("pk"))
    run_work("payments")
    assert shape("product", "state", "receipt")[0] == ("stk_push", "succeeded", RECEIPT)
    assert shape("product", "state", "receipt")[2] == ("c2b", "merged", None)
    assert counted() == 1000


def test_two_pushes_that_are_alike_swap_their_receipts_by_their_own_results(
    mpesa: MpesaSettings, sandbox: SandboxDriver, addresses: Addresses
) -> None:
    prompts = [silent_prompt(sandbox, push), silent_prompt(sandbox, push)]
    for payment in Payment.objects.all():
        make_due(payment)
    run_work("payments")
    for receipt in (OTHER, RECEIPT):
        confirm(addresses, TransID=receipt)
        work_on(waited=WAIT + 1)
    assert shape("receipt") == [(OTHER,), (RECEIPT,)]
    post(prompts[0], paid(prompts[0], receipt=RECEIPT))
    work_on()
    assert shape("state", "receipt") == [("succeeded", RECEIPT), ("succeeded", OTHER)]
    post(prompts[1], paid(prompts[1], receipt=OTHER))
    work_on()
    assert shape("state", "receipt") == [("succeeded", RECEIPT), ("succeeded", OTHER)]
    assert set(C2BReceipt.objects.values_list("basis", flat=True)) == {"told"}


@pytest.mark.parametrize("changes", [
    {"TransAmount": "999.00"}, {"BillRefNumber": "INV002"}, {"MSISDN": "2547 ***** 999"},
])  # fmt: skip
def test_another_payment_of_the_same_minute_does_not_wait(
    mpesa: MpesaSettings, sandbox: SandboxDriver, addresses: Addresses, changes: dict[str, Any]
) -> None:
    silent_prompt(sandbox, push)
    confirm(addresses, **changes)
    work_on()
    assert [product for (product,) in shape("product")] == ["stk_push", "c2b"]


def test_a_confirmation_with_another_amount_is_shown_to_people(
    mpesa: MpesaSettings, sandbox: SandboxDriver, addresses: Addresses
) -> None:
    prompt = silent_prompt(sandbox, push)
    post(prompt, paid(prompt, receipt=RECEIPT))
    work_on()
    confirm(addresses, TransAmount="1.00")
    work_on()
    payment = Payment.objects.get()
    assert "another amount" in payment.attention
    assert (payment.amount, payment.state) == (1000, PaymentState.SUCCEEDED)


def test_the_order_of_a_reversal_s_original_follows_a_merge(
    mpesa: MpesaSettings, sandbox: SandboxDriver, addresses: Addresses
) -> None:
    sandbox.scenario("1032")
    prompt = silent_prompt(sandbox, push)
    post(prompt, unpaid(prompt, 1032))
    work_on()
    confirm(addresses)
    work_on(waited=WAIT + 1)
    own = Payment.objects.get(product="c2b")
    reversal = Payment.objects.create(
        provider="mpesa", product="reversal", direction="out", environment="sandbox", amount=1000,
        original=own, state="pending", next_attempt_at=None,
    )  # fmt: skip
    post(prompt, paid(prompt, receipt=RECEIPT))
    work_on()
    reversal.refresh_from_db()
    assert reversal.original == Payment.objects.get(product="stk_push")


def test_a_callback_from_elsewhere_settles_nothing(
    mpesa: MpesaSettings, addresses: Addresses
) -> None:
    MpesaSettings.objects.filter(pk=mpesa.pk).update(callback_sources="196.201.214.200")
    assert confirm(addresses).status_code == 200
    work_on()
    assert not Payment.objects.exists()
