"""Asking about money out: by transaction status, whose answer comes later, by callback."""

from __future__ import annotations

import logging

from django.db import transaction

from integrations.conf import hub_settings
from integrations.exceptions import IntegrationError
from integrations.models import MpesaQuery, Payment, PaymentState, QueryState
from integrations.payments import ledger, money_out, payouts, queries, reversals
from integrations.payments.course import Course, Inquiry
from integrations.payments.stk_query import age_of
from integrations.work import Again, Done, Outcome

logger = logging.getLogger(__name__)
# Each look is a question and an answer of its own, so they are further apart than those of a
# prompt. (age in seconds, pause in seconds)
PAUSES = ((300, 45), (1800, 120), (7200, 600), (172800, 3600))
# What can't be asked about has its result on the way; people look after this many seconds.
UNASKABLE_AFTER = 900.0
# Tries to have an ended payment confirmed, and seconds between them.
RECHECKS = 10
RECHECK_PAUSE = 60.0
GIVEN_UP = "M-Pesa told no certain outcome for two days: compare with the statement."
NOTHING_TO_ASK_BY = (
    "The answer was lost and no result came: look for it in the M-Pesa statement before you send "
    "it again."
)
NOT_ASKABLE = "M-Pesa has not told its id for it, so it can't be asked about."
TOO_OLD = "It waited too long to be sent, so it was not."


def ask(payment: Payment) -> Outcome:
    """Have M-Pesa asked; the answer moves the payment, whenever it comes."""
    if not payment.originator_id:
        return _wait_for_result(payment)
    error = _question(payment)[1]
    pause = next((float(pause) for limit, pause in PAUSES if age_of(payment) < limit), None)
    if pause is not None:
        return Again(delay_seconds=pause, error=error, count_attempt=False)
    # Both or none: nobody would ever look at what is neither due nor on people's list.
    with transaction.atomic():
        if payment.state == PaymentState.PENDING:
            ledger.transition(payment, PaymentState.UNKNOWN, kind="given_up", text=GIVEN_UP)
        ledger.flag(payment, GIVEN_UP)
    return Done()


def _question(payment: Payment, *, now: bool = False) -> tuple[MpesaQuery | None, str]:
    try:
        query = queries.ask_status(
            business=payment.business,
            short_code=payment.short_code,
            originator_id=payment.originator_id or "",
            payment=payment,
            now=now,
        )
    except IntegrationError as failure:
        logger.warning(
            "payment=%s can't be asked about: %s help=%s",
            payment.public_id,
            failure.message,
            failure.help_url,
        )
        return None, failure.message
    return query, ""


def ask_now(payment: Payment) -> Inquiry:
    """Ask for a person: the question is sent now, its answer follows."""
    if not payment.originator_id:
        return Inquiry(False, NOT_ASKABLE)
    query, error = _question(payment, now=True)
    if query is None:
        return Inquiry(False, f"{error} It stays: {payment.get_state_display()}.")
    payment.refresh_from_db()
    if query.state == QueryState.ANSWERED:
        return Inquiry(True, f"M-Pesa has answered. It is now: {payment.get_state_display()}.")
    if query.state == QueryState.SENT:
        return Inquiry(True, "M-Pesa was asked. Its answer comes in a moment and is shown here.")
    return Inquiry(False, f"{query.message or 'M-Pesa could not be asked.'}")


def recheck(payment: Payment) -> Outcome:
    """Something said that a payment which ended otherwise was carried out: M-Pesa decides."""
    if not payment.originator_id:
        return Done()
    error = _question(payment)[1]
    # The last try ends here, or the queue would call the payment dead.
    is_last = payment.attempts >= RECHECKS
    return Done() if is_last else Again(delay_seconds=RECHECK_PAUSE, error=error)


def _wait_for_result(payment: Payment) -> Outcome:
    """Without an id only the result tells, which comes to an address of its own, or a person."""
    age = age_of(payment)
    if age < UNASKABLE_AFTER:
        return Again(delay_seconds=UNASKABLE_AFTER - age + 1, count_attempt=False)
    ledger.flag(payment, NOTHING_TO_ASK_BY)
    return Done()


PAYOUT = Course(
    ask=ask,
    ask_now=ask_now,
    recheck=recheck,
    send=payouts.send,
    sending_text="Asking M-Pesa to pay it out.",
    prepare=payouts.prepare,
    patience=lambda: hub_settings.payout_wait_seconds,
    waits_since=money_out.waits_since,
    too_old=TOO_OLD,
)
REVERSAL = Course(
    ask=ask,
    ask_now=ask_now,
    recheck=recheck,
    send=reversals.send,
    sending_text="Asking M-Pesa to reverse the payment.",
    prepare=reversals.prepare,
    patience=lambda: hub_settings.payout_wait_seconds,
    waits_since=money_out.waits_since,
    too_old=TOO_OLD,
)
