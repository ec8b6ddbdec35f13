"""What a worker does with a payment that is due: send it, doubt it, or ask about it."""

from __future__ import annotations

import logging
import secrets

from django.utils import timezone

from integrations.conf import hub_settings
from integrations.exceptions import IntegrationError, TransportError
from integrations.models import Payment, PaymentState
from integrations.payments import ledger, stk, stk_query
from integrations.payments.states import REVISABLE
from integrations.providers.mpesa.client import DarajaClient, QueryAnswer
from integrations.providers.mpesa.codes import Outcome as ResultOutcome
from integrations.work import Again, Done, Kept, Outcome

logger = logging.getLogger(__name__)
# Seconds until a queued push that could not leave is tried again.
RESEND_PAUSE = 10.0
# Tries to have an ended payment confirmed, and seconds between them.
RECHECKS = 10
RECHECK_PAUSE = 60.0
NOTHING_TO_ASK_BY = (
    "The answer was lost and no callback settled it: look for it in the M-Pesa statement."
)
TOO_OLD = "It waited too long to be sent; the payer is not prompted out of the blue."


def advance(payment: Payment) -> Outcome:
    """Handler of the payments queue. Sends only what was never sent; otherwise asks."""
    if payment.state == PaymentState.CREATED:
        return _send(payment)
    if payment.state == PaymentState.SENDING:
        return _doubt_expired(payment)
    if payment.state in (PaymentState.PENDING, PaymentState.UNKNOWN):
        return ask(payment)
    if payment.state in REVISABLE and payment.checkout_id:
        return _recheck(payment)
    return Done()


def _send(payment: Payment) -> Outcome:
    if not payment.has_time_left():
        # This process slept past its claim. Nothing was sent, so somebody may still send it.
        return Again(delay_seconds=0, count_attempt=False)
    age = (timezone.now() - payment.created_at).total_seconds()
    if age > hub_settings.enqueued_seconds:
        # Another worker may have sent it meanwhile: only what is still unsent may fail so.
        only_from = PaymentState.CREATED
        stk.fail(payment, TOO_OLD, code="too_old", retry_safe=True, only_from=only_from)
        return Kept()
    token = secrets.token_hex(16)
    digest = stk.digest_of(token)
    if not ledger.begin_sending(payment, digest=digest, claim=payment.claim_token):
        return Kept()  # Another worker has the row; it is not ours to give back.
    stk.send(payment, token, deadline=payment.claim_deadline, may_wait=True)
    if payment.state == PaymentState.CREATED:
        return Again(delay_seconds=RESEND_PAUSE, count_attempt=False)
    return Kept()


def _doubt_expired(payment: Payment) -> Outcome:
    """Whoever was sending is gone or late: it may have been sent, so it is never sent again."""
    ledger.transition(
        payment,
        PaymentState.UNKNOWN,
        kind="sender_lost",
        only_from=PaymentState.SENDING,
        text="The process that was sending stopped; the outcome is being found out.",
        changes={"message": stk.IN_DOUBT},
        due_in=stk.FIRST_LOOK,
    )
    return Kept()


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


def _query(payment: Payment) -> tuple[QueryAnswer | None, str]:
    try:
        client = DarajaClient(stk.config_of(payment))
        answer = client.stk_query(
            payment.checkout_id or "",
            short_code=payment.short_code,
            reference=str(payment.public_id),
        )
    except TransportError as failure:
        return None, failure.message
    except IntegrationError as failure:
        logger.warning("payment=%s can't be asked about: %s", payment.public_id, failure.message)
        return None, failure.message
    return answer, ""


def _recheck(payment: Payment) -> Outcome:
    """Something said that a payment which ended unpaid was paid: M-Pesa's word decides."""
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
        return Again(delay_seconds=pause, error=error, count_attempt=False)
    if payment.state == PaymentState.PENDING:
        ledger.transition(payment, PaymentState.UNKNOWN, kind="given_up", text=stk_query.GIVEN_UP)
    ledger.flag(payment, stk_query.GIVEN_UP)
    return Done()


def _wait_for_callback(payment: Payment) -> Outcome:
    """STK can't be asked about without its id: the callback decides, or a person."""
    sent = payment.sent_at or payment.created_at
    age = (timezone.now() - sent).total_seconds()
    if age < stk_query.UNASKABLE_AFTER:
        return Again(delay_seconds=stk_query.UNASKABLE_AFTER - age + 1, count_attempt=False)
    ledger.flag(payment, NOTHING_TO_ASK_BY)
    return Done()
