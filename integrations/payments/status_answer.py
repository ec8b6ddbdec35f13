"""What M-Pesa's answer about a transaction does to the payment that it is about.

The answer belongs to a question of ours (`payments.queries`), which names the payment. It settles
one only where amount, parties, ids and receipt fit; whatever does not is left to people.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime

from integrations.conf import hub_settings
from integrations.models import (
    Direction,
    Finding,
    MpesaQuery,
    Payment,
    PaymentEvent,
    PaymentState,
    Product,
)
from integrations.payments import ledger, out_settling, payouts, sending
from integrations.payments.out_settling import Told
from integrations.providers.mpesa.callbacks import (
    Result,
    StatusResult,
    msisdn_matches,
    status_result,
)
from integrations.providers.mpesa.codes import Outcome, explain

NOT_FOUND = "not_found"
# The code of M-Pesa's answer that it has a payout of this id already.
DUPLICATE = "duplicate_originator"
# How often a payout that never arrived is sent again.
RESENDS = 3
NEVER_ARRIVED = "M-Pesa does not have it: the request never arrived. It is sent again by itself."
GAVE_UP_SENDING = (
    "The request never arrived at M-Pesa, however often it was sent. Nothing was paid."
)
ABSENT = "M-Pesa says that it does not know this transaction: compare with the statement."


def apply_status(payment: Payment, query: MpesaQuery, result: Result) -> None:
    """Move the payment by the answer to a question about it.

    Called in the transaction that stores the answer, with the payment's row locked. Raises
    InvalidInput for an answer that can't be read.
    """
    payment.refresh_from_db()
    state = query.answer.get("transaction_status") or query.result_text
    ledger.note(
        payment,
        "status_answered",
        f"M-Pesa says of the transaction: {state}.",
        data={"query_id": str(query.public_id), "result_code": result.code, **query.answer},
    )
    if not result.is_success:
        _apply_absence(payment, query)
        return
    status = status_result(result)
    if payment.product in (Product.B2C, Product.REVERSAL):
        _apply_to_money_out(payment, status)
    else:
        _apply_to_money_in(payment, query, status)


def _apply_to_money_out(payment: Payment, status: StatusResult) -> None:
    problem = out_settling.foreign_ids(payment, status.originator_id, status.conversation_id)
    if problem and (status.originator_id or status.conversation_id):
        ledger.flag(payment, f"M-Pesa's answer about it: {problem}")
        return
    if status.outcome is Outcome.SUCCEEDED:
        _complete(payment, status)
    elif status.outcome in (Outcome.FAILED, Outcome.CANCELLED, Outcome.EXPIRED):
        sentence = f"M-Pesa did not carry it out: {status.status}. {status.reason}".strip()
        ended = out_settling.end_unpaid(
            payment, code=status.status[:40], text=status.reason, sentence=sentence,
            kind="asked", changes={},
        )  # fmt: skip
        if not ended and payment.state == PaymentState.SUCCEEDED:
            ledger.flag(payment, f"M-Pesa now says {status.status} of what it had carried out.")
    elif status.outcome is Outcome.UNKNOWN:
        ledger.note(payment, "asked", f"M-Pesa answered with the unknown state {status.status!r}.")
    else:
        ledger.note(payment, "asked", f"M-Pesa is still working on it: {status.status}.")


def _complete(payment: Payment, status: StatusResult) -> None:
    told = Told(
        status.amount,
        status.receipt,
        status.credit_party,
        status.finished_at,
        status.charge,
        originator_id=status.originator_id,
        conversation_id=status.conversation_id,
        text=status.status,
    )
    problem = out_settling.problem_with(payment, told)
    if problem:
        ledger.flag(payment, problem)
        return
    if payment.state == PaymentState.SUCCEEDED:
        if payment.charge is None and status.charge is not None:
            Payment.objects.filter(pk=payment.pk).update(charge=status.charge)
        return
    sentence = explain("0", payment.product).sentence
    out_settling.succeed(payment, told, kind="asked", sentence=sentence)


# --- what M-Pesa does not have ------------------------------------------------------------------


def _apply_absence(payment: Payment, query: MpesaQuery) -> None:
    """M-Pesa knows no such transaction.

    Of a payout that nobody acknowledged this can prove that it never arrived: where it was asked
    after every sender had surely given up, twice, some minutes apart, under the id that we chose.
    Then it is sent again, under that id, which M-Pesa takes once only.
    """
    data = {"asked_at": query.sent_at.isoformat() if query.sent_at else ""}
    ledger.note(payment, NOT_FOUND, "M-Pesa does not know the transaction.", data=data)
    if payment.state == PaymentState.SUCCEEDED:
        ledger.flag(payment, ABSENT)
    is_open = payment.state in (PaymentState.UNKNOWN, PaymentState.PENDING)
    if not is_open or payment.direction == Direction.IN or not _is_proven(payment):
        return
    if not _may_be_sent_again(payment, query):
        ledger.flag(payment, ABSENT)
        return
    sent = PaymentEvent.objects.filter(payment=payment, kind=payouts.NOT_ARRIVED).count()
    # Where a person has found it unpaid, it may have been paid anew by now.
    if sent >= RESENDS or payment.finding == Finding.NOT_PAID:
        sending.fail(payment, GAVE_UP_SENDING, code="never_arrived")
        return
    ledger.transition(
        payment,
        PaymentState.CREATED,
        kind=payouts.NOT_ARRIVED,
        text=NEVER_ARRIVED,
        changes={"message": ""},
        due_in=0.0,
        only_from=PaymentState.UNKNOWN,
    )


def _may_be_sent_again(payment: Payment, query: MpesaQuery) -> bool:
    """Only what M-Pesa takes once under our own id, and never acknowledged in any way.

    Whoever calls the payment's own address has seen the request; so has who refuses its id as
    taken. And nobody found that it was paid.
    """
    return (
        payment.product == Product.B2C
        and payment.state == PaymentState.UNKNOWN
        and bool(payment.originator_id)
        and query.asked_originator_id == payment.originator_id
        and not payment.conversation_id
        and not payment.result_code
        and payment.finding != Finding.PAID
        and not _events_since_sending(payment).filter(kind__in=out_settling.HEARD).exists()
        and not payment.events.filter(data__code=DUPLICATE).exists()
    )


def _is_proven(payment: Payment) -> bool:
    """Whether two answers since the last sending are late enough and far enough apart."""
    if payment.sent_at is None:
        return False
    safe = payment.sent_at + timedelta(seconds=hub_settings.lease_seconds)
    answers = _events_since_sending(payment).filter(kind=NOT_FOUND)
    asked = [_moment(event.data.get("asked_at")) for event in answers]
    late = sorted(moment for moment in asked if moment is not None and moment >= safe)
    gap = timedelta(seconds=hub_settings.not_found_seconds)
    return len(late) > 1 and late[-1] - late[0] >= gap


def _events_since_sending(payment: Payment) -> QuerySet[PaymentEvent]:
    events = PaymentEvent.objects.filter(payment=payment)
    started = events.filter(to_state=PaymentState.SENDING).order_by("-id").first()
    return events.filter(pk__gt=started.pk) if started is not None else events


def _moment(text: object) -> datetime | None:
    return parse_datetime(str(text)) if text else None


# --- money in -----------------------------------------------------------------------------------


def _apply_to_money_in(payment: Payment, query: MpesaQuery, status: StatusResult) -> None:
    """A receipt that was doubted, or a payment that M-Pesa's other answers left open."""
    if status.outcome is not Outcome.SUCCEEDED:
        if payment.state == PaymentState.SUCCEEDED and status.outcome is not Outcome.PENDING:
            ledger.flag(
                payment, f"M-Pesa says {status.status or 'nothing certain'} of its receipt."
            )
        return
    problem = _problem_in(payment, query, status)
    if problem:
        ledger.note(payment, "asked", problem)
        if payment.state == PaymentState.SUCCEEDED:
            ledger.flag(payment, problem)
        return
    if payment.state == PaymentState.SUCCEEDED:
        ledger.attach_receipt(payment, status.receipt, {"paid_at": status.finished_at})
        return
    ledger.transition(
        payment,
        PaymentState.SUCCEEDED,
        kind="asked",
        text=f"Paid, receipt {status.receipt}.",
        data={"receipt": status.receipt},
        changes={
            "receipt": status.receipt,
            "paid_at": status.finished_at,
            "result_code": "0",
            "result_text": status.status,
            "message": explain("0", payment.product).sentence,
        },
    )


def _problem_in(payment: Payment, query: MpesaQuery, status: StatusResult) -> str:
    """Why the transaction can't be this payment, in words; "" where everything fits."""
    receipt = status.receipt or query.receipt
    if not status.receipt:
        return "M-Pesa told of no receipt."
    if payment.receipt and payment.receipt != receipt:
        return f"M-Pesa told of receipt {receipt}, and this payment has {payment.receipt}."
    if status.amount != payment.amount:
        return f"M-Pesa told of KES {status.amount} under {receipt}, not of KES {payment.amount}."
    is_payer = msisdn_matches(status.debit_party.number, payment.phone or payment.party)
    if payment.phone and is_payer is not True:
        return f"Receipt {receipt} is not certainly of this payer."
    own = {payment.short_code, payment.party_b}
    if status.credit_party.number and status.credit_party.number not in own:
        return f"Receipt {receipt} went to {status.credit_party.number}."
    if status.finished_at is not None and status.finished_at < payment.created_at - _CLOCKS:
        return f"Receipt {receipt} is older than this payment."
    others = Payment.objects.filter(
        provider=payment.provider, environment=payment.environment, receipt=receipt
    )
    if others.exclude(pk=payment.pk).exists():
        return f"Receipt {receipt} already belongs to another payment."
    return ""


# How far M-Pesa's clock and the database's may be apart.
_CLOCKS = timedelta(minutes=2)
