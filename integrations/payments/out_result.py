"""Settling the result of a payout or a reversal: which payment it is, what it moves.

M-Pesa sends a result once, unsigned, to an address of the payment's own; another address hears of
requests that waited too long in a queue, which is no failure.
"""

from __future__ import annotations

from typing import Any

from django.db import connection

from integrations.exceptions import InvalidInput
from integrations.models import InboundCallback, Payment, PaymentState, Product
from integrations.models.inbound_callback import Quarantine, Settled, TryLater, Verdict
from integrations.payments import ledger, out_settling
from integrations.payments.callback_doubts import Addressee
from integrations.payments.initiator import note_initiator_result
from integrations.payments.out_settling import Told
from integrations.payments.query_sender import TIMEOUT_ROUTE
from integrations.payments.states import REVISABLE
from integrations.payments.stk_callback import (
    CONFIRM_PATIENCE,
    CONFIRM_PAUSE,
    DISPUTED,
    UNCONFIRMED,
    needs_confirmation,
)
from integrations.providers.mpesa.callbacks import (
    Result,
    parse_result,
    payout_result,
    reversal_result,
)
from integrations.providers.mpesa.codes import Explanation, Outcome, explain

TIMED_OUT = "It waited too long in M-Pesa's queue, which is no failure: M-Pesa is asked."
TO_BE_CONFIRMED = "Waits for M-Pesa's own confirmation."
# By hand, since every answer to a provider waits for it.
_ADDRESSEE = (
    "SELECT provider, business, short_code FROM integrations_payment "
    "WHERE callback_digest = %s AND product IN ('b2c', 'reversal')"
)


def addressee_of(token_digest: str) -> Addressee | None:
    """Whose payout or reversal has this callback path, with what is needed before the answer."""
    with connection.cursor() as cursor:
        cursor.execute(_ADDRESSEE, [token_digest])
        found = cursor.fetchone()
    return Addressee(*found) if found else None


def payment_of(token_digest: str) -> Payment | None:
    """The payout or reversal with this callback path, locked."""
    locked = Payment.objects.select_for_update(of=("self",), no_key=True)
    rows = locked.filter(callback_digest=token_digest)
    return rows.filter(product__in=(Product.B2C, Product.REVERSAL)).first()


def settle(callback: InboundCallback, payment: Payment) -> Verdict:
    """Move the locked payment by a stored callback; database work only, repeatable.

    Called inside the transaction that marks the callback processed.
    """
    doubts = " ".join(callback.doubts)
    try:
        told = parse_result(callback.raw_body())
        problem = out_settling.foreign_ids(payment, told.originator_id, told.conversation_id)
        if problem:
            ledger.flag(payment, problem)
            return _distrust(payment, problem)
        if callback.route == TIMEOUT_ROUTE:
            return _timed_out(payment, told)
        meaning = explain(told.code, payment.product)
        if not doubts:
            _note_initiator(payment, told)
        if meaning.outcome is Outcome.SUCCEEDED:
            return _settle_success(callback, payment, told, meaning, doubts)
    except InvalidInput as error:
        return _distrust(payment, str(error))
    if doubts:
        return _distrust(payment, doubts)
    return _settle_other(payment, told, meaning)


def _note_initiator(payment: Payment, told: Result) -> None:
    note_initiator_result(
        payment.business,
        payment.environment,
        payment.short_code,
        told.code,
        sent_at=payment.sent_at,
    )


def _distrust(payment: Payment, reason: str) -> Verdict:
    """Settle nothing; ask the provider, whose answer counts."""
    ledger.look_again(payment)
    ledger.note(payment, "callback_quarantined", reason)
    return Quarantine(reason, reference=str(payment.public_id))


def _timed_out(payment: Payment, told: Result) -> Verdict:
    if payment.state in (PaymentState.PENDING, PaymentState.SENDING):
        changes = out_settling.ids_of(payment, told.originator_id, told.conversation_id)
        out_settling.doubt(payment, TIMED_OUT, kind=out_settling.TIMED_OUT, changes=changes)
    else:
        ledger.note(payment, out_settling.TIMED_OUT, TIMED_OUT)
        if payment.state == PaymentState.UNKNOWN:
            ledger.look_again(payment)
    return _settled(payment, told, "timeout")


def _settle_success(
    callback: InboundCallback, payment: Payment, result: Result, meaning: Explanation, doubts: str
) -> Verdict:
    told = _told(payment, result)
    problem = out_settling.problem_with(payment, told)
    if problem:
        ledger.flag(payment, problem)
        return _distrust(payment, problem)
    if payment.state != PaymentState.SUCCEEDED and (doubts or needs_confirmation(payment)):
        return _await_confirmation(callback, payment, result, doubts)
    if payment.state == PaymentState.SUCCEEDED:
        return _settled(payment, result, told.receipt)
    if not out_settling.succeed(payment, told, kind="result", sentence=meaning.sentence):
        ledger.flag(payment, f"M-Pesa says paid, receipt {told.receipt}: look at it.")
        return _distrust(payment, f"It is {payment.get_state_display().lower()}.")
    return _settled(payment, result, told.receipt)


def _told(payment: Payment, result: Result) -> Told:
    """Raises InvalidInput for a receipt or an amount that is none."""
    ids: dict[str, Any] = {
        "originator_id": result.originator_id,
        "conversation_id": result.conversation_id,
        "text": result.text,
    }
    if payment.product == Product.B2C:
        paid = payout_result(result)
        return Told(paid.amount, paid.receipt, paid.payee, paid.at, **ids)
    back = reversal_result(result)
    return Told(
        back.amount, back.receipt, back.payer, back.at, back.charge,
        original_receipt=back.original_receipt, **ids,
    )  # fmt: skip


def _await_confirmation(
    callback: InboundCallback, payment: Payment, told: Result, doubts: str
) -> Verdict:
    """Keep the result, with its receipt, until M-Pesa's own answer confirms or patience ends."""
    if not payment.originator_id and payment.state != PaymentState.SENDING:
        # An id from a doubtful source is nothing to ask by: it could name any paid request.
        if doubts:
            ledger.flag(payment, UNCONFIRMED)
            return _distrust(payment, doubts)
        out_settling.attach(payment, told.originator_id, told.conversation_id)
    if payment.state in REVISABLE:
        ledger.flag(payment, DISPUTED)
    if not callback.work_error:  # the first look; later ones find the question asked
        ledger.note(payment, out_settling.UNCONFIRMED, TO_BE_CONFIRMED)
        ledger.look_again(payment)
    return TryLater(
        f"{doubts} {TO_BE_CONFIRMED}".strip(),
        delay_seconds=CONFIRM_PAUSE,
        patience_seconds=CONFIRM_PATIENCE,
        reference=str(payment.public_id),
    )


def _settle_other(payment: Payment, told: Result, meaning: Explanation) -> Verdict:
    ids = out_settling.ids_of(payment, told.originator_id, told.conversation_id)
    if meaning.outcome in (Outcome.UNKNOWN, Outcome.PENDING):
        if told.code:
            ids.update(result_code=told.code[:40], result_text=told.text)
        out_settling.doubt(payment, meaning.sentence, kind="result", changes=ids)
        return _settled(payment, told)
    moved = out_settling.end_unpaid(
        payment,
        code=told.code,
        text=told.text,
        sentence=meaning.sentence,
        kind="result",
        changes=ids,
    )
    if not moved and payment.state == PaymentState.SUCCEEDED:
        ledger.note(payment, "callback_ignored", f"Code {told.code} came after the end.")
    return _settled(payment, told)


def _settled(payment: Payment, told: Result, *more: str) -> Settled:
    parts = (told.conversation_id or told.originator_id, told.code, *more)
    return Settled(dedupe_key=":".join(parts)[:128], reference=str(payment.public_id))
