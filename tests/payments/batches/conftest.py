"""Payout files as people write them."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import PaymentState as S
from integrations.models import PayoutBatch
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import make_due, run_work
from tests.sandbox.driver import SandboxDriver

HEADING = "phone,amount,reference,remarks,name"


def phone(number: int) -> str:
    return f"0712{number:06}"


def text_of(count: int, *, first: int = 0, amount: int = 100) -> str:
    """A good file of so many rows, to a phone each."""
    rows = [
        f"{phone(number)},{amount + number % 7},SAL-{number:05},Salary May,Person {number}"
        for number in range(first, first + count)
    ]
    return "\n".join([HEADING, *rows]) + "\n"


def file_of(text: str | bytes) -> io.BytesIO:
    return io.BytesIO(text if isinstance(text, bytes) else text.encode())


def pay(text: str | bytes, **values: Any) -> tuple[bool, str, dict[str, Any]]:
    success, message, data = MpesaPaymentService.pay_out_file(file_of(text), **values)
    assert data is not None
    return success, message or "", data


def batch_of(data: dict[str, Any]) -> PayoutBatch:
    return PayoutBatch.objects.get(public_id=data["batch_id"])


def states(batch: PayoutBatch) -> dict[str, int]:
    found: dict[str, int] = {}
    for state in batch.rows.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def turn(batch: PayoutBatch) -> PayoutBatch:
    """Let the batch's next look be now, and take it."""
    make_due_batch(batch)
    run_work("payout-batches")
    batch.refresh_from_db()
    return batch


def make_due_batch(batch: PayoutBatch) -> None:
    rows = PayoutBatch.objects.filter(pk=batch.pk, next_attempt_at__isnull=False)
    rows.update(next_attempt_at=timezone.now() - timedelta(hours=1))


@pytest.fixture
def work_through(
    sandbox: SandboxDriver, settle: Callable[[], None]
) -> Callable[[PayoutBatch], None]:
    """Turn by turn until the batch is over."""

    def run(batch: PayoutBatch) -> None:
        for _ in range(100):
            turn(batch)
            if batch.is_over:
                return
            run_work("payments")
            settle()
            for payment in batch.rows.filter(state__in=[S.UNKNOWN, S.PENDING]):
                make_due(payment)
        raise AssertionError(f"not over: {batch.state} {states(batch)}")

    return run
