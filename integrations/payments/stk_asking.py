"""Asking about STK pushes: by a worker when they are due, and for people at once."""

from __future__ import annotations

import logging

from django.db import transaction

from integrations.conf import hub_settings
from integrations.exceptions import IntegrationError, TransportError
from integrations.models import Payment, PaymentState
from integrations.payments import ledger, stk, stk_query, sweep
from integrations.payments.course import Course, Inquiry
from integrations.payments.opening import config_of
from integrations.providers.mpesa.client import DarajaClient, QueryAnswer
from integrations.providers.mpesa.codes import Outcome as ResultOutcome
from integrations.work import Again, Done, Kept, Outcome

logger = logging.getLogger(__name__)
# Tries to have an ended payment confirmed, and seconds between them.
RECHECKS = 10
RECHECK_PAUSE = 60.0
NOTHING_TO_ASK_BY = (
    "The answer was lost and no callback settled it: look for it in the M-Pesa statement."
)
NOT_ASKABLE = "M-Pesa gave no CheckoutRequestID for it, so it can't be asked about."
TOO_OLD = "It waited too long to be sent; the payer is not prompted out of the blue."


def ask(payment: Payment) -> Outcome:
    """Ask the provider about a payment and move it by the answer."""
    if not payment.checkout_id:
        return _wait_for_callback(payment)
    claim = payment.claim_token
    answer, error = _query(payment)
    if answer is not None:
        stk_query.apply_query(payment, answer)
        if payment.claim_token != claim:
            return Kept()  # The move ended our claim and set the next look itself.
    return _again(payment, error)


def ask_now(payment: Payment) -> Inquiry:
    """Ask for a person."""
    if not payment.checkout_id:
        return Inquiry(False, NOT_ASKABLE)
    before = payment.state
    answer, error = _query(payment)
    if answer is None:
        return Inquiry(False, f"{error} It stays: {payment.get_state_display()}.")
    stk_query.apply_query(payment, answer)
    payment.refresh_from_db()
    verb = "stays" if payment.state == before else "is now"
    return Inquiry(
        answer.explanation is not None,
        f"M-Pesa: {_words_of(answer)} It {verb}: {payment.get_state_display()}.",
    )


def _words_of(answer: QueryAnswer) -> str:
    if answer.explanation is not None:
        return answer.explanation.sentence
    return answer.error.text if answer.error else "no usable answer."


def _query(payment: Payment) -> tuple[QueryAnswer | None, str]:
    try:
        client = DarajaClient(config_of(payment))
        answer = client.stk_query(
            payment.checkout_id or "",
            short_code=payment.short_code,
            reference=str(payment.public_id),
        )
    except TransportError as failure:
        return None, failure.message
    except IntegrationError as failure:
        logger.warning(
            "payment=%s can't be asked about: %s help=%s",
            payment.public_id,
            failure.message,
            failure.help_url,
        )
        return None, failure.message
    return answer, ""


def recheck(payment: Payment) -> Outcome:
    """Something said that a payment which ended unpaid was paid: M-Pesa's word decides."""
    if not payment.checkout_id:
        return Done()
    answer, error = _query(payment)
    meaning = answer.explanation if answer else None
    if answer is None or meaning is None or meaning.outcome is ResultOutcome.PENDING:
        is_last = payment.attempts >= RECHECKS
        return Done() if is_last else Again(delay_seconds=RECHECK_PAUSE, error=error)
    stk_query.apply_query(payment, answer)
    return Done()


def _again(payment: Payment, error: str) -> Outcome:
    pause = stk_query.pause_before_next_look(payment)
    if pause is not None:
        sweep.ask_status(payment)
        return Again(delay_seconds=pause, error=error, count_attempt=False)
    # Both or none: nobody would ever look at what is neither due nor on people's list.
    with transaction.atomic():
        if payment.state == PaymentState.PENDING:
            text = stk_query.GIVEN_UP
            ledger.transition(payment, PaymentState.UNKNOWN, kind="given_up", text=text)
        ledger.flag(payment, sweep.with_answers(payment, stk_query.GIVEN_UP))
    return Done()


def _wait_for_callback(payment: Payment) -> Outcome:
    """STK can't be asked about without its id: the callback decides, or a person."""
    age = stk_query.age_of(payment)
    if age < stk_query.UNASKABLE_AFTER:
        return Again(delay_seconds=stk_query.UNASKABLE_AFTER - age + 1, count_attempt=False)
    ledger.flag(payment, sweep.with_answers(payment, NOTHING_TO_ASK_BY))
    return Done()


COURSE = Course(
    ask=ask,
    ask_now=ask_now,
    recheck=recheck,
    send=stk.send,
    sending_text="Asking M-Pesa to prompt the payer.",
    patience=lambda: hub_settings.enqueued_seconds,
    too_old=TOO_OLD,
)
