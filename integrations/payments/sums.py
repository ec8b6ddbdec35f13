"""What came for an expectation: always worked out anew from the payments allotted to it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from integrations.events import publish
from integrations.models import (
    Allotment,
    Direction,
    ExpectationState,
    ExpectedPayment,
    Payment,
    PaymentState,
)

# How the event of each state is called.
EVENT_OF = {
    ExpectationState.OPEN: "expectation.reopened",
    ExpectationState.PARTLY_PAID: "expectation.partly_paid",
    ExpectationState.PAID: "expectation.paid",
    ExpectationState.OVERPAID: "expectation.overpaid",
    ExpectationState.CANCELLED: "expectation.cancelled",
}
_ZERO = Decimal(0)


def recompute(expectation_id: int, *, payment: Payment | None = None) -> ExpectedPayment:
    """Bring `received` and `state` to what the allotted payments say, and tell of a change.

    Inside a transaction: the row is locked until its end, so two receipts at once are both
    counted. `payment` is named in the event as what changed it.
    """
    expectation = ExpectedPayment.objects.select_for_update().get(pk=expectation_id)
    received = _received(expectation)
    state = _state(expectation, received)
    if (received, state) == (expectation.received, expectation.state):
        return expectation
    set_state(expectation, state, received=received, payment=payment)
    return expectation


def set_state(
    expectation: ExpectedPayment,
    state: ExpectationState,
    *,
    received: Decimal,
    payment: Payment | None = None,
) -> None:
    """Write a locked expectation's sum and state, and publish the event."""
    previous = expectation.state
    expectation.received, expectation.state = received, state
    expectation.updated_at = timezone.now()
    expectation.save(update_fields=["received", "state", "updated_at"])
    payload = describe_expectation(expectation, previous=previous, payment=payment)
    publish(EVENT_OF[state], payload, expectation.business)


def _received(expectation: ExpectedPayment) -> Decimal:
    paid = Allotment.objects.filter(
        expectation=expectation, payment__state=PaymentState.SUCCEEDED
    ).aggregate(total=Sum("payment__amount"))["total"]
    given_back = Payment.objects.filter(
        direction=Direction.OUT,
        state=PaymentState.SUCCEEDED,
        original__state=PaymentState.SUCCEEDED,
        original__allotment__expectation=expectation,
    ).aggregate(total=Sum("amount"))["total"]
    return _cents(paid) - _cents(given_back)


def _cents(total: Any) -> Decimal:
    """A sum with the column's decimals; databases give back fewer for round ones."""
    return Decimal(total or _ZERO).quantize(Decimal("0.01"))


def _state(expectation: ExpectedPayment, received: Decimal) -> ExpectationState:
    if expectation.state == ExpectationState.CANCELLED:
        return ExpectationState.CANCELLED
    if received <= _ZERO:
        return ExpectationState.OPEN
    if received == expectation.amount:
        return ExpectationState.PAID
    is_less = received < expectation.amount
    return ExpectationState.PARTLY_PAID if is_less else ExpectationState.OVERPAID


def describe_expectation(
    expectation: ExpectedPayment, *, previous: str = "", payment: Payment | None = None
) -> dict[str, Any]:
    """The expectation as events tell it."""
    return {
        "expectation_id": str(expectation.public_id),
        "reference": expectation.reference,
        "environment": expectation.environment,
        "state": str(expectation.state),
        "previous_state": str(previous),
        "amount": f"{expectation.amount:.2f}",
        "received": f"{expectation.received:.2f}",
        "outstanding": f"{expectation.outstanding:.2f}",
        "currency": expectation.currency,
        "payment_id": str(payment.public_id) if payment else "",
    }
