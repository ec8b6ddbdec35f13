"""Machines whose clocks are hours off: ages count on the database's clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from integrations.models import InboundCallback, MpesaSettings, Payment
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, make_due, run_work
from tests.payments.letters import paid, post, silent_prompt
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push
enqueue = MpesaPaymentService.enqueue_stk_push
OFF = pytest.mark.parametrize("hours", [-5, 5])


@contextmanager
def clock_off(hours: float) -> Iterator[None]:
    """This process's wall clock is wrong; the database's and the monotonic one are right."""
    with time_machine.travel(timezone.now() + timedelta(hours=hours), tick=True):
        yield


@OFF
def test_a_queued_push_is_sent_at_once_whatever_the_caller_s_clock_says(
    mpesa: MpesaSettings, sandbox: SandboxDriver, hours: int
) -> None:
    with clock_off(hours):
        assert enqueue(PHONE, 100, "INV001")[0]
    run_work("payments")
    assert Payment.objects.get().state == "pending"


@OFF
def test_a_worker_with_a_wrong_clock_takes_no_push_for_an_old_one(
    mpesa: MpesaSettings, sandbox: SandboxDriver, hours: int
) -> None:
    assert enqueue(PHONE, 100, "INV001")[0]
    with clock_off(hours):
        run_work("payments")
    assert Payment.objects.get().state == "pending"


@pytest.mark.parametrize("caller", [-5, 0, 5])
@pytest.mark.parametrize("worker", [-5, 0, 5])
def test_a_lost_answer_is_people_s_business_after_five_minutes_by_the_database_s_clock(
    mpesa: MpesaSettings, sandbox: SandboxDriver, caller: int, worker: int
) -> None:
    sandbox.fault("no_callback")
    sandbox.fault("lose_answer", operation="stk_push")
    with clock_off(caller):
        push(PHONE, 100, "INV001")
    payment = Payment.objects.get()
    for seconds, is_due in ((0, False), (310, True)):
        Payment.objects.update(sent_at=payment.sent_at - timedelta(seconds=seconds))
        make_due(payment)
        with clock_off(worker):
            run_work("payments")
        assert bool(Payment.objects.get().attention) is is_due


@OFF
def test_a_callback_that_waits_is_not_given_up_by_a_wrong_clock(
    mpesa: MpesaSettings, sandbox: SandboxDriver, hours: int
) -> None:
    mpesa.callback_sources = "10.0.0.1"
    mpesa.save()
    prompt = silent_prompt(sandbox, push)
    with clock_off(hours * 24):
        post(prompt, paid(prompt))
    run_work("callbacks")
    assert InboundCallback.objects.get().status == "stored"
