"""Whatever tells of a payment, in whatever order and how often: the ledger counts what M-Pesa's
book has, neither more nor less."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from integrations.callbacks.process import process
from integrations.models import (
    C2BRegistration,
    ExpectedPayment,
    InboundCallback,
    MpesaSettings,
    Payment,
    PaymentState,
)
from integrations.payments import stk_query
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.payments.opening import digest_of
from integrations.payments.receipts import WAIT
from integrations.payments.states import REVISABLE
from integrations.providers.mpesa.client import read_query_answer

AMOUNT = 1000
# All alike: what can be told apart is no difficulty.
PHONE, REFERENCE = "254712345678", "INV001"
picks = st.integers(0, 11)
ASKABLE = {PaymentState.PENDING, PaymentState.UNKNOWN, *REVISABLE}


@dataclass
class Push:
    """A prompt, and what became of it in truth: a receipt, "declined", or nothing yet."""

    payment: Payment
    number: int
    truth: str = ""


@dataclass
class Receipt:
    """Money that moved; `push` is the prompt it was for, None where the payer typed it."""

    number: str
    at: str
    push: Push | None = None
    is_told: bool = False
    told_last_by_c2b: bool = True


@dataclass
class Book:
    """What M-Pesa has."""

    receipts: list[Receipt] = field(default_factory=list)

    def pay(self, push: Push | None, by_c2b: bool) -> Receipt:
        at = datetime.now(ZoneInfo("Africa/Nairobi")).strftime("%Y%m%d%H%M%S")
        number = f"UAE{len(self.receipts):07}"
        self.receipts.append(Receipt(number, at, push, told_last_by_c2b=by_c2b))
        return self.receipts[-1]

    @property
    def total(self) -> Decimal:
        return Decimal(AMOUNT * len(self.receipts))


class Telling(RuleBasedStateMachine):
    """Prompts and hand-made payments, told of by callbacks, queries and confirmations."""

    def __init__(self) -> None:
        super().__init__()
        self.block = transaction.atomic()
        self.block.__enter__()
        MpesaSettings.objects.create(short_code="174379", callback_sources="")
        C2BRegistration.objects.create(
            environment="sandbox", short_code="174379", version="v2", response_type="Completed",
            confirmation_digest=digest_of("c"), validation_digest=digest_of("v"),
        )  # fmt: skip
        MpesaPaymentService.expect_payment(REFERENCE, 2 * AMOUNT)
        self.book = Book()
        self.pushes: list[Push] = []

    def undecided(self) -> list[Push]:
        """Prompts that may still be paid."""
        return [push for push in self.pushes if push.truth in ("", "expired")]

    def decided(self) -> list[Push]:
        return [push for push in self.pushes if push.truth not in ("", "expired")]

    @staticmethod
    def pick(among: list[Any], number: int) -> Any:
        return among[number % len(among)]

    @initialize(count=st.integers(1, 3))
    def some_prompts(self, count: int) -> None:
        for _ in range(count):
            self.push()

    @precondition(lambda self: len(self.pushes) < 4)
    @rule()
    def push(self) -> None:
        number = len(self.pushes) + 1
        payment = Payment.objects.create(
            provider="mpesa", product="stk_push", environment="sandbox", amount=AMOUNT,
            state="pending", phone=PHONE, account_reference=REFERENCE, short_code="174379",
            party_b="174379", checkout_id=f"ws_CO_{number}", sent_at=timezone.now(),
            callback_digest=digest_of(f"push{number}"), next_attempt_at=None,
        )  # fmt: skip
        self.pushes.append(Push(payment, number))

    @precondition(lambda self: self.undecided())
    @rule(pick=picks, by_c2b=st.booleans())
    def payer_approves(self, pick: int, by_c2b: bool) -> None:
        push = self.pick(self.undecided(), pick)
        push.truth = self.book.pay(push, by_c2b).number

    @precondition(lambda self: self.undecided())
    @rule(pick=picks)
    def payer_declines(self, pick: int) -> None:
        self.pick(self.undecided(), pick).truth = "declined"

    @precondition(lambda self: self.undecided())
    @rule(pick=picks)
    def prompt_expires_for_now(self, pick: int) -> None:
        """Told as not answered; a late success may follow."""
        push = self.pick(self.undecided(), pick)
        push.truth = "expired"
        self._stk(push, 1037)

    @precondition(lambda self: sum(each.push is None for each in self.book.receipts) < 2)
    @rule()
    def payer_pays_by_hand(self) -> None:
        self.book.pay(None, by_c2b=True)

    @precondition(lambda self: self.decided())
    @rule(pick=picks)
    def stk_callback(self, pick: int) -> None:
        push = self.pick(self.decided(), pick)
        self._stk(push, 1032 if push.truth == "declined" else 0)

    @precondition(lambda self: self.pushes)
    @rule(pick=picks)
    def query(self, pick: int) -> None:
        self._ask(self.pick(self.pushes, pick))

    def _ask(self, push: Push) -> None:
        payment = push.payment
        payment.refresh_from_db()
        if payment.state not in ASKABLE:
            return
        code = {"": "4999", "declined": "1032", "expired": "1037"}.get(push.truth, "0")
        body = {"ResponseCode": "0", "ResultCode": code, "ResultDesc": "x"}
        stk_query.apply_query(payment, read_query_answer(200, body))

    @precondition(lambda self: self.book.receipts)
    @rule(pick=picks, is_worked_on_late=st.booleans())
    def confirmation(self, pick: int, is_worked_on_late: bool) -> None:
        self._c2b(self.pick(self.book.receipts, pick))
        if is_worked_on_late:
            self.time_passes(int(WAIT) + 1)

    @rule(seconds=st.sampled_from([8, int(WAIT) + 1]))
    def time_passes(self, seconds: int) -> None:
        rows = InboundCallback.objects.filter(status="stored")
        rows.update(received_at=F("received_at") - timedelta(seconds=seconds))
        for row in rows:
            process(row)

    @invariant()
    def no_receipt_is_counted_twice(self) -> None:
        told = sum(receipt.is_told for receipt in self.book.receipts)
        found = Payment.objects.filter(receipt__isnull=False, state="succeeded").count()
        assert found <= told

    def _stk(self, push: Push, code: int) -> None:
        inner: dict[str, Any] = {
            "MerchantRequestID": "1", "CheckoutRequestID": f"ws_CO_{push.number}",
            "ResultCode": code, "ResultDesc": "x",
        }  # fmt: skip
        if code == 0:
            items = {"Amount": AMOUNT, "MpesaReceiptNumber": push.truth}
            inner["CallbackMetadata"] = {
                "Item": [{"Name": name, "Value": value} for name, value in items.items()]
            }
            for receipt in self.book.receipts:
                receipt.is_told |= receipt.number == push.truth
        self._arrive("stk", f"push{push.number}", {"Body": {"stkCallback": inner}})

    def _c2b(self, receipt: Receipt) -> None:
        receipt.is_told = True
        told = {
            "TransactionType": "Pay Bill", "TransID": receipt.number, "TransTime": receipt.at,
            "TransAmount": f"{AMOUNT}.00", "BusinessShortCode": "174379",
            "BillRefNumber": REFERENCE, "MSISDN": f"{PHONE[:4]} ***** {PHONE[-3:]}",
        }  # fmt: skip
        self._arrive("c2b-confirmation", "c", told)

    def _arrive(self, route: str, token: str, body: dict[str, Any]) -> None:
        row = InboundCallback.objects.create(
            route=route, token_digest=digest_of(token), body=json.dumps(body)
        )
        row.refresh_from_db()
        process(row)

    def _finish(self) -> None:
        """What was told of by nobody is told by one of the two channels."""
        for receipt in self.book.receipts:
            if not receipt.is_told:
                if receipt.push is None or receipt.told_last_by_c2b:
                    self._c2b(receipt)
                else:
                    self._stk(receipt.push, 0)
        self.time_passes(int(WAIT) + 1)

    def teardown(self) -> None:
        try:
            self._finish()
            paid = Payment.objects.filter(state="succeeded", direction="in")
            assert (paid.aggregate(total=Sum("amount"))["total"] or 0) == self.book.total
            receipts = set(paid.values_list("receipt", flat=True))
            assert receipts == {receipt.number for receipt in self.book.receipts}
            assert ExpectedPayment.objects.get().received == self.book.total
            assert not InboundCallback.objects.filter(status="stored").exists()
        finally:
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)


@pytest.mark.django_db(transaction=True)
def test_what_is_counted_is_always_what_the_book_has() -> None:
    run_state_machine_as_test(
        Telling,
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


TRUTHS = ("paid", "declined", "paid late", "open")
# How a receipt is told: by one of the two channels, by both, or by one of them twice.
CHANNELS = (("c2b",), ("stk",), ("c2b", "stk"), ("c2b", "c2b", "stk"), ("c2b", "stk", "stk"))


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[str], list[tuple[str, int]]]:
    """What became of up to three prompts, and everything that is told of it, in some order."""
    truths = draw(st.lists(st.sampled_from(TRUTHS), min_size=1, max_size=3))
    told: list[tuple[str, int]] = [("wait", 0)] * draw(st.integers(0, 2))
    for number, truth in enumerate(truths):
        if truth.startswith("paid"):
            told += [(channel, number) for channel in draw(st.sampled_from(CHANNELS))]
        elif truth == "declined":
            told += [("stk", number)] * draw(st.integers(0, 1))
        told += [("query", number)] * draw(st.integers(0, 2))
    told += [("hand", 0)] * draw(st.integers(0, 2))
    return truths, draw(st.permutations(told))


@pytest.mark.django_db(transaction=True)
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(story=stories())
@example(story=(["paid", "open"], [("c2b", 0), ("wait", 0), ("query", 0)]))
@example(story=(["paid late"], [("c2b", 0), ("wait", 0), ("stk", 0)]))
@example(story=(["paid"], [("hand", 0), ("wait", 0), ("stk", 0)]))
@example(story=(["declined"], [("hand", 0), ("wait", 0), ("stk", 0)]))
@example(
    story=(
        ["paid", "paid"],
        [
            ("query", 0),
            ("query", 1),
            ("c2b", 1),
            ("c2b", 0),
            ("wait", 0),
            ("stk", 0),
            ("stk", 1),
        ],
    )
)
@example(story=(["paid", "paid"], [
    ("query", 0), ("c2b", 1), ("wait", 0), ("c2b", 0), ("wait", 0), ("stk", 1), ("stk", 0),
]))  # fmt: skip
def test_the_order_in_which_it_is_told_does_not_matter(
    story: tuple[list[str], list[tuple[str, int]]],
) -> None:
    truths, told = story
    telling = Telling()
    telling.some_prompts(len(truths))
    paid: dict[int, Receipt] = {}
    for number, truth in enumerate(truths):
        push = telling.pushes[number]
        push.truth = {"declined": "declined", "paid late": "expired"}.get(truth, "")
        if truth == "paid late":
            telling._stk(push, 1037)
        if truth.startswith("paid"):
            paid[number] = telling.book.pay(push, by_c2b=True)
            push.truth = paid[number].number
    for what, number in told:
        if what == "wait":
            telling.time_passes(int(WAIT) + 1)
        elif what == "hand":
            telling._c2b(telling.book.pay(None, by_c2b=True))
        elif what == "c2b":
            telling._c2b(paid[number])
        elif what == "query":
            telling._ask(telling.pushes[number])
        else:
            telling._stk(telling.pushes[number], 0 if number in paid else 1032)
        telling.no_receipt_is_counted_twice()
    telling.teardown()
