"""What of C2B and expected payments waits for people; see `work_list`."""

from __future__ import annotations

from django.db.models import QuerySet

from integrations.models import Allotment, AllotmentStatus, ExpectationState, ExpectedPayment
from integrations.payments import work_list
from integrations.payments.work_list import Line, Source


def _unmatched() -> QuerySet[Allotment]:
    rows = Allotment.objects.filter(status=AllotmentStatus.UNMATCHED)
    return rows.select_related("payment").order_by("-id")


def _receipt_line(allotment: Allotment) -> Line:
    payment = allotment.payment
    return Line(
        pk=allotment.pk,
        since=allotment.created_at,
        business=allotment.business,
        amount=payment.amount,
        currency=payment.currency,
        reference=payment.receipt or payment.account_reference,
        reason=f'Nobody expected it; the payer typed "{payment.account_reference}".',
    )


def _wrongly_paid() -> QuerySet[ExpectedPayment]:
    states = (ExpectationState.PARTLY_PAID, ExpectationState.OVERPAID)
    return ExpectedPayment.objects.filter(state__in=states).order_by("-id")


def _expectation_line(expectation: ExpectedPayment) -> Line:
    missing = expectation.outstanding
    verb = "is missing" if missing > 0 else "too much"
    words = f"{expectation.currency} {abs(missing):,.2f} {verb}."
    return Line(
        pk=expectation.pk,
        since=expectation.updated_at,
        business=expectation.business,
        amount=expectation.amount,
        currency=expectation.currency,
        reference=expectation.reference,
        reason=f"{expectation.get_state_display()}: {words}",
    )


RECEIPTS = Source(
    name="receipts",
    title="Receipts that nobody expected",
    model=Allotment,
    rows=_unmatched,
    line=_receipt_line,
    list_query="status__exact=unmatched",
)
EXPECTATIONS = Source(
    name="expectations",
    title="Expected payments that were paid too little or too much",
    model=ExpectedPayment,
    rows=_wrongly_paid,
    line=_expectation_line,
    list_query="paid=wrongly",
)


def register() -> None:
    """Add both to the work list; safe to run twice."""
    work_list.register(RECEIPTS)
    work_list.register(EXPECTATIONS)
