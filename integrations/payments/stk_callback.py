"""Settling an STK callback: who may call, which payment it is, what it moves."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import QuerySet

from integrations.exceptions import ConfigurationError, ConfigurationUnavailable, InvalidInput
from integrations.models import InboundCallback, Payment, PaymentState
from integrations.models.inbound_callback import Quarantine, Settled, TryLater, Verdict
from integrations.payments import ledger, receipts
from integrations.payments.accounts import account_of
from integrations.payments.callback_doubts import Addressee
from integrations.payments.states import FINAL, REVISABLE
from integrations.providers.mpesa.callbacks import StkCallback, parse_stk
from integrations.providers.mpesa.codes import Explanation, Outcome, explain

# Seconds between looks at a success callback that waits for M-Pesa's confirmation, and how long
# it waits: as long as a payment is asked about.
CONFIRM_PAUSE = 10.0
CONFIRM_PATIENCE = 172800.0
# By hand, since every answer to a provider waits for it: to write this statement takes the ORM
# longer than the database to answer it.
_ADDRESSEE = (
    "SELECT provider, business, short_code FROM integrations_payment WHERE callback_digest = %s"
)
UNCONFIRMED = "A callback says paid, and M-Pesa can't be asked: compare with the statement."
DISPUTED = "A callback says paid, M-Pesa's earlier answer said not: it is being asked."


def payment_of(token_digest: str) -> Payment | None:
    """The payment whose callback path has this secret."""
    return _payments_of(token_digest).first() if token_digest else None


def _payments_of(token_digest: str) -> QuerySet[Payment]:
    return Payment.objects.filter(callback_digest=token_digest)


def addressee_of(token_digest: str) -> Addressee | None:
    """The same payment, only with what is needed before the answer."""
    with connection.cursor() as cursor:
        cursor.execute(_ADDRESSEE, [token_digest])
        found = cursor.fetchone()
    return Addressee(*found) if found else None


def settle(callback: InboundCallback) -> Verdict:
    """Move the payment by a stored callback; database work only, repeatable.

    Called inside the transaction that marks the callback processed.
    """
    # Locked, so that the answer to the push can't bring its id between our look and our verdict.
    payment = _payments_of(callback.token_digest).select_for_update(no_key=True).first()
    if payment is None:
        return TryLater("No payment has this callback path.")
    try:
        told = parse_stk(callback.raw_body())
    except InvalidInput as error:
        return _distrust(payment, str(error))
    if told.checkout_id != payment.checkout_id and _is_of_another_request(payment, told):
        return _distrust(payment, "The CheckoutRequestID belongs to another request.")
    meaning = explain(told.result_code)
    doubts = " ".join(callback.doubts)
    if meaning.outcome is Outcome.SUCCEEDED:
        return _settle_success(payment, told, meaning, doubts)
    if doubts:
        return _distrust(payment, doubts)
    return _settle_other(payment, told, meaning)


def _is_of_another_request(payment: Payment, told: StkCallback) -> bool:
    if payment.checkout_id:
        return True
    # The answer with the id is still on its way, or was lost.
    return Payment.objects.filter(
        provider=payment.provider, environment=payment.environment, checkout_id=told.checkout_id
    ).exists()


def _distrust(payment: Payment, reason: str) -> Verdict:
    """Settle nothing; ask the provider, whose answer counts."""
    ledger.look_again(payment)
    ledger.note(payment, "callback_quarantined", reason)
    return Quarantine(reason, reference=str(payment.public_id))


def _settle_success(
    payment: Payment, told: StkCallback, meaning: Explanation, doubts: str
) -> Verdict:
    problem = _success_problem(payment, told)
    claim = receipts.look(payment, told.receipt, may_correct=not doubts)
    problem = problem or claim.problem
    if problem:
        if told.amount not in (None, payment.amount) and not doubts:
            ledger.note(payment, "wrong_amount", problem)
        ledger.flag(payment, problem)
        return _distrust(payment, problem)
    if payment.state != PaymentState.SUCCEEDED:
        if doubts and not payment.checkout_id:
            # An id from a doubtful source is nothing to ask by: it could name any paid request.
            ledger.flag(payment, UNCONFIRMED)
            return _distrust(payment, doubts)
        if doubts or needs_confirmation(payment):
            return _await_confirmation(payment, told, doubts)
    changes = _ids(payment, told) | {"receipt": told.receipt}
    if told.paid_at is not None:
        changes["paid_at"] = told.paid_at
    moving = {**changes, "message": meaning.sentence}
    claim.make_way(moving)
    moved = ledger.transition(
        payment,
        PaymentState.SUCCEEDED,
        kind="callback",
        text=f"Paid, receipt {told.receipt}.",
        data={"result_code": told.result_code, "receipt": told.receipt},
        changes=moving,
    )
    if not moved and payment.state == PaymentState.SUCCEEDED:
        _attach_receipt(payment, told, changes, doubts)
    claim.rehome()
    return _settled(payment, told)


def _attach_receipt(
    payment: Payment, told: StkCallback, changes: dict[str, Any], doubts: str
) -> None:
    """A query had settled it; queries carry no receipt."""
    if ledger.attach_receipt(payment, told.receipt, changes) and doubts:
        ledger.flag(payment, f"{doubts} The receipt is from that callback: check the statement.")


def _success_problem(payment: Payment, told: StkCallback) -> str:
    if told.amount is None:
        return "M-Pesa reported success without an amount."
    if told.amount != payment.amount:
        return f"M-Pesa reported KES {told.amount}, but KES {payment.amount} was asked for."
    if not told.receipt:
        return "M-Pesa reported success without a receipt."
    return ""


def needs_confirmation(payment: Payment) -> bool:
    """Whether a success of this amount waits for M-Pesa's own confirmation."""
    try:
        config = account_of(payment.provider, payment.business, payment.short_code)
    except ConfigurationUnavailable:
        raise
    except ConfigurationError:
        ledger.flag(payment, UNCONFIRMED)
        return True
    if config.source == "default":
        # Code defaults answer for an installation whose row was deleted: nobody set a limit.
        ledger.flag(payment, UNCONFIRMED)
        return True
    limit = config.values["confirm_above"]
    return limit is not None and payment.amount > limit


def _await_confirmation(payment: Payment, told: StkCallback, doubts: str) -> TryLater:
    """Keep the callback, with its receipt, until M-Pesa's own answer confirms or patience ends."""
    if payment.state != PaymentState.SENDING:
        # Where the answer was lost, the callback's id is the only one to ask by.
        _attach_ids(payment, told)
    if payment.state in REVISABLE:
        ledger.flag(payment, DISPUTED)
    ledger.look_again(payment)
    return TryLater(
        f"{doubts} Waits for M-Pesa's own confirmation.".strip(),
        delay_seconds=CONFIRM_PAUSE,
        patience_seconds=CONFIRM_PATIENCE,
        reference=str(payment.public_id),
    )


def _attach_ids(payment: Payment, told: StkCallback) -> None:
    Payment.objects.filter(pk=payment.pk, checkout_id=None).update(
        checkout_id=told.checkout_id, merchant_request_id=told.merchant_request_id
    )


def _settle_other(payment: Payment, told: StkCallback, meaning: Explanation) -> Verdict:
    if meaning.outcome is Outcome.PENDING:
        _attach_ids(payment, told)
        ledger.look_again(payment)
        return _settled(payment, told)
    target = PaymentState(meaning.outcome.value)
    moved = ledger.transition(
        payment,
        target,
        kind="callback",
        text=meaning.sentence,
        data={"result_code": told.result_code},
        changes={**_ids(payment, told), "message": meaning.sentence[:300]},
        due_in=None if target in FINAL else 0.0,
    )
    if not moved and target != payment.state:
        ledger.note(payment, "callback_ignored", f"Code {told.result_code} came after the end.")
    elif not moved and target == PaymentState.UNKNOWN:
        _attach_ids(payment, told)
        ledger.look_again(payment)
    return _settled(payment, told)


def _ids(payment: Payment, told: StkCallback) -> dict[str, Any]:
    values: dict[str, Any] = {"result_code": told.result_code[:40], "result_text": told.result_text}
    if not payment.checkout_id:
        values["checkout_id"] = told.checkout_id
        values["merchant_request_id"] = told.merchant_request_id
    return values


def _settled(payment: Payment, told: StkCallback) -> Settled:
    key = f"{told.checkout_id}:{told.result_code}:{told.receipt}"[:128]
    return Settled(dedupe_key=key, reference=str(payment.public_id))
