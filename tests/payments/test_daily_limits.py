"""What a phone may be asked for, and what a short code may pay, in one day of Nairobi."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from integrations.config import Snapshot, get_snapshot
from integrations.exceptions import InvalidInput
from integrations.models import Direction, Finding, MpesaSettings, Payment, PaymentState, Product
from integrations.payments import limits
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.payments.states import is_retry_safe
from tests.conftest import PHONE, run_work
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push
enqueue = MpesaPaymentService.enqueue_stk_push
MSISDN = "254712345678"


@pytest.fixture
def limited(mpesa: MpesaSettings, sandbox: SandboxDriver) -> MpesaSettings:
    sandbox.settings(is_phone_locked=False)
    mpesa.payer_daily_limit = 1000
    mpesa.save()
    return mpesa


def make(**values: Any) -> Payment:
    base = {
        "provider": "mpesa", "environment": "sandbox", "short_code": "174379", "amount": 600,
        "phone": MSISDN, "product": Product.STK_PUSH, "state": PaymentState.PENDING,
    }  # fmt: skip
    return Payment.objects.create(**{**base, **values})


def make_payout(**values: Any) -> Payment:
    out = {"product": Product.B2C, "direction": Direction.OUT, "state": PaymentState.CREATED}
    return make(**{**out, **values})


def snapshot(**values: Any) -> Snapshot:
    return Snapshot(
        slug="mpesa", label="M-Pesa", business="", source="row", configured=True, active=True,
        environment="sandbox", hosts=frozenset(), values=values,
    )  # fmt: skip


def test_the_limit_refuses_what_would_pass_it_and_says_the_figures(
    limited: MpesaSettings, sandbox: SandboxDriver
) -> None:
    assert push(PHONE, 600, "INV001")[0] is True
    success, message, data = push(PHONE, 401, "INV002")
    assert success is False
    assert data["code"] == "amount_over_daily_limit"
    assert data["field"] == "amount"
    assert data["retry_safe"] is True
    assert message == (
        "amount: KES 401 would pass the daily limit of KES 1,000 for this phone: KES 600 of it is "
        "asked for today."
    )
    assert Payment.objects.count() == 1
    assert push(PHONE, 400, "INV002")[0] is True
    assert sandbox.counters()["stk_push"] == 2


def test_another_phone_and_an_empty_limit_are_not_bound(limited: MpesaSettings) -> None:
    assert push(PHONE, 1000, "INV001")[0] is True
    assert push("0712345679", 1000, "INV001")[0] is True
    limited.payer_daily_limit = None
    limited.save()
    assert push(PHONE, 1000, "INV002")[0] is True


def test_a_push_that_certainly_failed_does_not_count(
    limited: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    sandbox.scenario("cancel")
    push(PHONE, 1000, "INV001")
    assert push(PHONE, 1000, "INV001")[2]["code"] == "amount_over_daily_limit"
    settle()
    assert push(PHONE, 1000, "INV001")[0] is True


def test_a_repeated_key_answers_for_its_payment_also_at_the_limit(
    limited: MpesaSettings, sandbox: SandboxDriver
) -> None:
    first = push(PHONE, 1000, "INV001", idempotency_key="k")
    again = push(PHONE, 1000, "INV001", idempotency_key="k")
    assert again[2] == {**first[2], "repeated": True}
    assert sandbox.counters()["stk_push"] == 1


def test_a_refused_push_leaves_the_callers_transaction_usable(limited: MpesaSettings) -> None:
    with transaction.atomic():
        assert enqueue(PHONE, 1000, "INV001")[0] is True
        assert enqueue(PHONE, 1, "INV002")[2]["code"] == "amount_over_daily_limit"
    assert Payment.objects.get().amount == 1000


def test_of_pushes_at_once_only_those_within_the_limit_leave(
    limited: MpesaSettings, sandbox: SandboxDriver
) -> None:
    count = 6
    together = threading.Barrier(count)
    answers: list[Any] = []

    def ask(number: int) -> None:
        try:
            together.wait()
            answers.append(push(PHONE, 400, f"INV{number}"))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=[n]) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = sorted(data["code"] for _, _, data in answers)
    assert codes == ["", "", *["amount_over_daily_limit"] * 4]
    assert sandbox.counters()["stk_push"] == 2


@pytest.mark.django_db(transaction=True)
def test_the_second_waits_for_the_end_of_the_firsts_transaction() -> None:
    """Deterministic where `at once` is luck: the first has inserted and not committed."""
    config = snapshot(payer_daily_limit=1000)
    outcome: list[str] = []
    begun = threading.Event()

    def second() -> None:
        try:
            begun.set()
            with transaction.atomic():
                limits.reserve(config, make())
            outcome.append("reserved")
        except InvalidInput as error:
            outcome.append(error.code)
        finally:
            connection.close()

    thread = threading.Thread(target=second)
    with transaction.atomic():
        limits.reserve(config, make())
        thread.start()
        assert begun.wait(60)
        thread.join(0.3)
        assert outcome == []
    thread.join(20)
    assert outcome == ["amount_over_daily_limit"]
    assert Payment.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("stored", "counts"),
    [
        ({"state": "created"}, True),
        ({"state": "sending"}, True),
        ({"state": "unknown"}, True),
        ({"state": "succeeded"}, True),
        ({"state": "failed"}, False),
        ({"state": "cancelled"}, False),
        ({"state": "expired"}, False),
        ({"state": "merged"}, False),
        ({"state": "failed", "attention": "Look at it."}, True),
        ({"state": "failed", "finding": Finding.PAID}, True),
        ({"state": "expired", "finding": Finding.NOT_PAID}, False),
        ({"phone": "254712345679"}, False),
        ({"business": "duka"}, False),
        ({"environment": "production"}, False),
        ({"short_code": "600997"}, True),
        ({"product": Product.C2B}, False),
        ({"product": Product.B2C, "direction": Direction.OUT}, False),
    ],
)
def test_what_counts_against_the_payers_limit(stored: dict[str, Any], counts: bool) -> None:
    make(**stored)
    payment = make(amount=401)
    config = snapshot(payer_daily_limit=1000)
    if counts:
        with pytest.raises(InvalidInput, match="KES 600 of it"):
            limits.reserve(config, payment)
    else:
        limits.reserve(config, payment)


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["failed", "cancelled", "expired", "unknown", "succeeded"])
@pytest.mark.parametrize("attention", ["", "Look."])
@pytest.mark.parametrize("finding", ["", *Finding.values])
def test_what_counts_agrees_with_the_word_retry_safe(
    state: str, attention: str, finding: str
) -> None:
    payment = make(state=state, attention=attention, finding=finding)
    counted = limits.LIMITS[0].like(make()).filter(pk=payment.pk).exists()
    assert counted is not is_retry_safe(payment)


@pytest.mark.django_db
def test_payouts_have_a_limit_for_the_short_code_and_one_for_the_phone() -> None:
    make_payout(amount=600)
    make_payout(amount=300, phone="254712345679", state=PaymentState.AWAITING_APPROVAL)
    make_payout(amount=5000, short_code="600997", phone="254712345679")
    make(amount=5000)
    payout = make_payout(amount=101)
    limits.reserve(snapshot(payout_daily_limit=1001, payee_daily_limit=701), payout)
    with pytest.raises(InvalidInput) as over:
        limits.reserve(snapshot(payout_daily_limit=1000, payee_daily_limit=700), payout)
    assert over.value.message == (
        "amount: KES 101 would pass the daily limit of KES 1,000 for this short code: KES 900 of "
        "it is paid out today."
    )
    with pytest.raises(InvalidInput, match=r"KES 700 for this phone: KES 600"):
        limits.reserve(snapshot(payout_daily_limit=None, payee_daily_limit=700), payout)


@pytest.mark.django_db
def test_a_reversal_is_no_payout() -> None:
    make_payout(amount=900)
    reversal = make_payout(amount=900, product=Product.REVERSAL)
    limits.reserve(snapshot(payout_daily_limit=1000, payee_daily_limit=1000), reversal)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("utc", "counts"),
    [
        ("2026-01-14T20:59:59", False),  # 23:59:59 of the day before
        ("2026-01-14T21:00:00", True),  # midnight in Nairobi
        ("2026-01-15T20:59:59", True),
    ],
)
def test_the_day_is_that_of_nairobi(utc: str, counts: bool) -> None:
    now = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)
    before = make()
    at = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    Payment.objects.filter(pk=before.pk).update(created_at=at)
    payment = make(amount=401)
    config = snapshot(payer_daily_limit=1000)
    if counts:
        with pytest.raises(InvalidInput):
            limits.reserve(config, payment, now)
    else:
        limits.reserve(config, payment, now)


def test_yesterdays_pushes_leave_today_free(limited: MpesaSettings) -> None:
    push(PHONE, 1000, "INV001")
    Payment.objects.update(created_at=datetime.now(UTC) - timedelta(days=1))
    assert push(PHONE, 1000, "INV002")[0] is True
    run_work("payments")


class AnyOrder(TestCase):
    """Whatever the amounts: the sum of what was let through never passes the limit."""

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.integers(1, 700), max_size=8), st.integers(1, 2000))
    def test_the_sum_stays_within_the_limit(self, amounts: list[int], most: int) -> None:
        config, total = snapshot(payee_daily_limit=most), Decimal(0)
        for amount in amounts:
            try:
                with transaction.atomic():
                    limits.reserve(config, make_payout(amount=amount))
            except InvalidInput:
                assert total + amount > most
            else:
                total += amount
        stored = sum(Payment.objects.values_list("amount", flat=True))
        assert stored == total <= most


def test_the_settings_of_the_row_reach_the_limits(limited: MpesaSettings) -> None:
    values = get_snapshot("mpesa").values
    assert {limit.field for limit in limits.LIMITS} <= set(values)
