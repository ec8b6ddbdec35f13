"""What the flows really publish fits the catalogue: every key declared, every value of its kind.

Alarms, reversals and merges are judged by the tests that play them.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from jsonschema import ValidationError

from integrations import approvals
from integrations.events import publish
from integrations.models import ExpectedPayment, MpesaSettings, PayoutBatch
from integrations.payments import expectations
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.approvals.conftest import KIND, ask, handlers, person, waiting_payment  # noqa: F401
from tests.conftest import PHONE, run_work
from tests.events.makers import judge_events
from tests.payments.batches.conftest import batch_of, pay, text_of, work_through  # noqa: F401
from tests.sandbox.driver import SandboxDriver


def test_a_push_that_was_expected(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    expectations.expect(expectations.Wish("INV001", Decimal(1500)))
    MpesaPaymentService.initiate_stk_push(PHONE, 1000, "INV001")
    settle()
    sandbox.scenario("1032")
    MpesaPaymentService.initiate_stk_push(PHONE, 500, "INV001")
    settle()
    expectations.cancel(ExpectedPayment.objects.get())
    assert judge_events() == {
        "settings.created", "payment.pending", "payment.succeeded", "payment.cancelled",
        "expectation.partly_paid", "expectation.cancelled", "payment.unmatched",
    }  # fmt: skip


def test_payouts_one_by_one_and_as_a_file(
    paying: MpesaSettings,
    sandbox: SandboxDriver,
    settle: Callable[[], None],
    work_through: Callable[[PayoutBatch], None],  # noqa: F811
) -> None:
    MpesaPaymentService.pay_out(PHONE, 500, "REF001")
    settle()
    data = pay(text_of(2))[2]
    work_through(batch_of(data))
    run_work("events")
    assert judge_events() == {
        "settings.created", "payment.pending", "payment.succeeded", "payout_batch.finished",
    }  # fmt: skip


@pytest.mark.django_db
def test_an_approval(handlers: object) -> None:  # noqa: F811
    approvals.decide(ask(waiting_payment(), person("mary")), person("otieno"), approve=True)
    assert judge_events() == {"approval.requested", "approval.approved"}


@pytest.mark.django_db
def test_the_judge_finds_what_does_not_fit() -> None:
    publish("approval.requested", {"kind": "payout"})
    with pytest.raises(ValidationError):
        judge_events()
