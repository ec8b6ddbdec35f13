"""Settling an STK callback: who may call, which payment it is, what it moves."""

from __future__ import annotations

import ipaddress
import re

from integrations.config import get_snapshot
from integrations.events import publish
from integrations.exceptions import ConfigurationError, ConfigurationUnavailable, InvalidInput
from integrations.models import InboundCallback, Payment, PaymentState
from integrations.models.inbound_callback import Quarantine, Settled, TryLater, Verdict
from integrations.payments import ledger
from integrations.payments.states import FINAL, REVISABLE
from integrations.providers.mpesa.callbacks import StkCallback, parse_stk
from integrations.providers.mpesa.codes import Explanation, Outcome, explain

# Seconds between looks at a success callback that waits for M-Pesa's confirmation, and how long
# it waits: as long as a payment is asked about.
CONFIRM_PAUSE = 10.0
CONFIRM_PATIENCE = 172800.0
UNCONFIRMED = "A callback says paid, and M-Pesa can't be asked: compare with the statement."
DISPUTED = "A callback says paid, M-Pesa's earlier answer said not: it is being asked."


def payment_of(token_digest: str) -> Payment | None:
    """The payment whose callback path has this secret."""
    if not token_digest:
        return None
    return Payment.objects.filter(callback_digest=token_digest).first()


def doubts_about(payment: Payment, *, source: str, short_code: str) -> list[str]:
    """What speaks against a callback, in words; [] for none.

    `short_code` is the header that Daraja sends beside the body, "" where it is absent.
    """
    try:
        settings = get_snapshot(payment.provider, payment.business).values
    except ConfigurationUnavailable:
        raise
    except ConfigurationError:
        # It must be stored all the same: Daraja sends it once.
        return ["The settings of this payment are gone, and with them the list of sources."]
    doubts = []
    allowed = str(settings["callback_sources"] or "")
    if allowed.strip() and not is_listed(source, allowed):
        doubts.append(f"The source address {source or '(none)'} is not on the list.")
    # Which of a till's two numbers the header carries is not documented.
    if short_code and short_code.strip() not in (payment.short_code, settings["till_number"]):
        doubts.append("The short code is not the payment's.")
    return doubts


def is_listed(source: str, allowed: str) -> bool:
    """Whether an address is in a list of addresses and networks separated by white space."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return False
    for part in re.split(r"[,\s]+", allowed.strip()):
        try:
            if address in ipaddress.ip_network(part, strict=False):
                return True
        except ValueError:
            continue
    return False


def settle(callback: InboundCallback) -> Verdict:
    """Move the payment by a stored callback; database work only, repeatable.

    Called inside the transaction that marks the callback processed.
    """
    payment = payment_of(callback.token_digest)
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
        if doubts or _needs_confirmation(payment):
            return _await_confirmation(payment, told, doubts)
    changes = {**_ids(payment, told), "receipt": told.receipt}
    moved = ledger.transition(
        payment,
        PaymentState.SUCCEEDED,
        kind="callback",
        text=f"Paid, receipt {told.receipt}.",
        data={"result_code": told.result_code, "receipt": told.receipt},
        changes={**changes, "message": meaning.sentence},
    )
    if not moved and payment.state == PaymentState.SUCCEEDED:
        _attach_receipt(payment, told, changes, doubts)
    return _settled(payment, told)


def _attach_receipt(
    payment: Payment, told: StkCallback, changes: dict[str, str], doubts: str
) -> None:
    """A query had settled it; queries carry no receipt."""
    if not Payment.objects.filter(pk=payment.pk, receipt=None).update(**changes):
        return
    payment.refresh_from_db()
    ledger.note(payment, "receipt", f"Receipt {told.receipt}.", data={"receipt": told.receipt})
    if doubts:
        ledger.flag(payment, f"{doubts} The receipt is from that callback: check the statement.")
    publish("payment.receipt", ledger.describe(payment), payment.business)


def _success_problem(payment: Payment, told: StkCallback) -> str:
    if told.amount is None:
        return "M-Pesa reported success without an amount."
    if told.amount != payment.amount:
        return f"M-Pesa reported KES {told.amount}, but KES {payment.amount} was asked for."
    if not told.receipt:
        return "M-Pesa reported success without a receipt."
    if payment.receipt and payment.receipt != told.receipt:
        return f"A second receipt came for a paid payment: {told.receipt}."
    others = Payment.objects.filter(
        provider=payment.provider, environment=payment.environment, receipt=told.receipt
    )
    if others.exclude(pk=payment.pk).exists():
        return f"Receipt {told.receipt} already belongs to another payment."
    return ""


def _needs_confirmation(payment: Payment) -> bool:
    try:
        config = get_snapshot(payment.provider, payment.business)
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


def _ids(payment: Payment, told: StkCallback) -> dict[str, str]:
    values = {"result_code": told.result_code[:40], "result_text": told.result_text}
    if not payment.checkout_id:
        values["checkout_id"] = told.checkout_id
        values["merchant_request_id"] = told.merchant_request_id
    return values


def _settled(payment: Payment, told: StkCallback) -> Settled:
    key = f"{told.checkout_id}:{told.result_code}:{told.receipt}"[:128]
    return Settled(dedupe_key=key, reference=str(payment.public_id))
