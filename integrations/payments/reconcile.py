"""What a worker does with a payment that is due: send it, doubt it, or ask about it.

The same for every product; what differs is in its `Course`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from integrations.exceptions import ConfigurationUnavailable, IntegrationError
from integrations.models import Payment, PaymentState, Product
from integrations.payments import ledger, opening, out_asking, sending, stk_asking
from integrations.payments.course import Course, Hold, Inquiry
from integrations.payments.states import FINAL, REVISABLE
from integrations.work import Again, Done, Kept, Outcome
from integrations.work.clock import database_now

COURSES: Mapping[str, Course] = MappingProxyType(
    {
        Product.STK_PUSH: stk_asking.COURSE,
        Product.B2C: out_asking.PAYOUT,
        Product.REVERSAL: out_asking.REVERSAL,
    }
)


def advance(payment: Payment) -> Outcome:
    """Handler of the payments queue. Sends only what was never sent; otherwise asks."""
    course = COURSES.get(payment.product)
    if course is None:
        return Done()
    if payment.state == PaymentState.CREATED:
        return _send(payment, course)
    if payment.state == PaymentState.SENDING:
        return _doubt_expired(payment, course)
    if payment.state in (PaymentState.PENDING, PaymentState.UNKNOWN):
        return course.ask(payment)
    if payment.state in REVISABLE:
        return course.recheck(payment)
    return Done()


def _send(payment: Payment, course: Course) -> Outcome:
    if course.send is None:
        return Done()
    if not payment.has_time_left():
        # This process slept past its claim. Nothing was sent, so somebody may still send it.
        return Again(delay_seconds=0, count_attempt=False)
    waited = (database_now() - course.waits_since(payment)).total_seconds()
    if waited > course.patience():
        return _refuse(payment, course.too_old, code="too_old")
    try:
        changes = course.prepare(payment)
    except Hold as hold:
        return Again(delay_seconds=hold.seconds, error=hold.reason, count_attempt=False)
    except ConfigurationUnavailable as error:
        return Again(delay_seconds=sending.RESEND_PAUSE, error=error.message, count_attempt=False)
    except IntegrationError as error:
        return _refuse(payment, error.message, code=error.code)
    token = opening.new_token()
    changes = {**changes, "callback_digest": opening.digest_of(token)}
    if not ledger.begin_sending(
        payment, text=course.sending_text, changes=changes, claim=payment.claim_token
    ):
        return Kept()  # Another worker has the row; it is not ours to give back.
    course.send(payment, token, deadline=payment.claim_deadline, may_wait=True)
    if payment.state == PaymentState.CREATED:
        return Again(delay_seconds=sending.RESEND_PAUSE, count_attempt=False)
    return Kept()


def _refuse(payment: Payment, text: str, *, code: str) -> Outcome:
    # Another worker may have sent it meanwhile: only what is still unsent may fail so.
    sending.fail(payment, text, code=code, only_from=PaymentState.CREATED)
    return Kept()


def _doubt_expired(payment: Payment, course: Course) -> Outcome:
    """Whoever was sending is gone or late: it may have been sent, so it is never sent again."""
    ledger.transition(
        payment,
        PaymentState.UNKNOWN,
        kind="sender_lost",
        only_from=PaymentState.SENDING,
        text="The process that was sending stopped; the outcome is being found out.",
        changes={"message": course.in_doubt},
        due_in=course.first_look,
    )
    return Kept()


def ask_now(payment: Payment) -> Inquiry:
    """Ask the provider right now, for a person who wants to know, and move it by the answer.

    Takes up to 15 seconds. Nothing is ever sent again, and what is settled is not asked about.
    """
    payment.refresh_from_db()
    course = COURSES.get(payment.product)
    if course is None:
        return Inquiry(False, "Payments of this kind can't be asked about.")
    reason = why_not_asked(payment)
    return Inquiry(False, reason) if reason else course.ask_now(payment)


def why_not_asked(payment: Payment) -> str:
    """Why there is nothing to ask about it in its state, in words; "" where it can be asked."""
    if payment.state in FINAL - REVISABLE:
        return f"It is settled: {payment.get_state_display()}. There is nothing to ask."
    if payment.state in (PaymentState.CREATED, PaymentState.AWAITING_APPROVAL):
        return "It was not sent yet, so there is nothing to ask."
    if payment.state == PaymentState.SENDING:
        return "It is being sent right now. Ask again in half a minute."
    return ""
