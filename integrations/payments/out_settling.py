"""Settling money out by what M-Pesa told of it, whether by a result or by a status answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.models import Payment, PaymentState, Product
from integrations.payments import ledger
from integrations.payments.states import FINAL
from integrations.providers.mpesa.callbacks import Party, msisdn_matches

# An event of this kind says that the request expired in M-Pesa's queue: it had arrived.
TIMED_OUT = "timed_out"
# A success of this kind waits until M-Pesa itself confirms it.
UNCONFIRMED = "result_unconfirmed"
# Whatever came to the address that only the request names: it had arrived.
HEARD = (TIMED_OUT, UNCONFIRMED, "result", "callback_quarantined")
# One that M-Pesa's own word contradicts: settled by people, never by a guess.
OTHER_PAYEE = "M-Pesa says paid, but to another number than was asked for."


@dataclass(frozen=True, slots=True)
class Told:
    """What M-Pesa told of a payout or a reversal that was carried out.

    `party` is who got the money. Ids are "" where they were not told.
    """

    amount: Decimal | None
    receipt: str
    party: Party
    at: datetime | None = None
    charge: Decimal | None = None
    originator_id: str = ""
    conversation_id: str = ""
    original_receipt: str = ""
    code: str = "0"
    text: str = ""


def problem_with(payment: Payment, told: Told) -> str:
    """Why a success can't be that of this payment, in words; "" where it can."""
    if told.amount is None:
        return "M-Pesa reported success without an amount."
    if told.amount != payment.amount:
        return f"M-Pesa reported KES {told.amount}, but KES {payment.amount} was asked for."
    if not told.receipt:
        return "M-Pesa reported success without a receipt."
    if payment.receipt and payment.receipt != told.receipt:
        return f"A second receipt came for what was carried out already: {told.receipt}."
    if payment.phone and msisdn_matches(told.party.number, payment.phone) is False:
        return OTHER_PAYEE
    original = payment.original
    if original is not None and told.original_receipt not in ("", original.receipt):
        return f"M-Pesa reversed {told.original_receipt}, and {original.receipt} was asked for."
    others = Payment.objects.filter(
        provider=payment.provider, environment=payment.environment, receipt=told.receipt
    )
    if others.exclude(pk=payment.pk).exists():
        return f"Receipt {told.receipt} already belongs to another payment."
    return ""


def foreign_ids(payment: Payment, originator_id: str, conversation_id: str) -> str:
    """Why the ids are not this payment's, in words; "" where they can be.

    Before the acknowledgement we know the id that we chose, or none at all.
    """
    pairs = ((payment.originator_id, originator_id), (payment.conversation_id, conversation_id))
    if any(ours and theirs and ours != theirs for ours, theirs in pairs):
        return "Its ids belong to another request."
    if not originator_id and not conversation_id:
        return "It names no request."
    if originator_id and not payment.originator_id:
        others = Payment.objects.filter(
            provider=payment.provider,
            environment=payment.environment,
            originator_id=originator_id,
        )
        if others.exclude(pk=payment.pk).exists():
            return "Its ids belong to another request."
    return ""


def ids_of(payment: Payment, originator_id: str, conversation_id: str) -> dict[str, str]:
    """The columns of ids that were not known before."""
    values = {}
    if originator_id and not payment.originator_id:
        values["originator_id"] = originator_id
    if conversation_id and not payment.conversation_id:
        values["conversation_id"] = conversation_id
    return values


def attach(payment: Payment, originator_id: str, conversation_id: str) -> None:
    """Note the ids by which M-Pesa can be asked."""
    values = ids_of(payment, originator_id, conversation_id)
    if values:
        Payment.objects.filter(pk=payment.pk).update(**values)
        payment.refresh_from_db()


def succeed(payment: Payment, told: Told, *, kind: str, sentence: str) -> bool:
    """The money has gone out: keep receipt, charge, name and time. False where it had already.

    `told` must have no problem (`problem_with`). A success after another end wins.
    """
    changes: dict[str, Any] = {
        **ids_of(payment, told.originator_id, told.conversation_id),
        "receipt": told.receipt,
        "result_code": told.code,
        "result_text": told.text,
        "message": sentence[:300],
        "paid_at": told.at,
    }
    if told.charge is not None:
        changes["charge"] = told.charge
    if told.party.name:
        changes["party_name"] = told.party.name
    if not payment.phone and told.party.number:
        changes["party"] = told.party.number
    return ledger.transition(
        payment,
        PaymentState.SUCCEEDED,
        kind=kind,
        text=f"{_DONE[Product(payment.product)]}, receipt {told.receipt}.",
        data={"result_code": told.code, "receipt": told.receipt},
        changes=changes,
    )


_DONE = {Product.B2C: "Paid out", Product.REVERSAL: "Reversed"}


def end_unpaid(
    payment: Payment, *, code: str, text: str, sentence: str, kind: str, changes: dict[str, Any]
) -> bool:
    """M-Pesa did not carry it out; False where the table does not allow that end any more."""
    if payment.state in FINAL:
        return False
    return ledger.transition(
        payment,
        PaymentState.FAILED,
        kind=kind,
        text=sentence,
        data={"result_code": code},
        changes={
            **changes,
            "result_code": code[:40],
            "result_text": text,
            "message": sentence[:300],
        },
    )


def doubt(payment: Payment, text: str, *, kind: str, changes: dict[str, Any]) -> None:
    """Keep it unknown and have M-Pesa asked; what has ended stays as it is."""
    moved = ledger.transition(
        payment,
        PaymentState.UNKNOWN,
        kind=kind,
        text=text,
        changes={"message": text[:300], **changes},
        due_in=0.0,
    )
    if not moved:
        ledger.note(payment, kind, text)
        ledger.look_again(payment)
