"""What came of a payout or a reversal. Source: Daraja reference, sections 9 and 13."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from integrations.providers.mpesa.callbacks.parties import NOBODY, Party, split_party
from integrations.providers.mpesa.callbacks.reading import (
    read_amount,
    read_balance,
    read_moment,
    read_receipt,
    scalar,
)
from integrations.providers.mpesa.callbacks.result import Result
from integrations.providers.mpesa.codes import Explanation, explain

_YES_NO = {"Y": True, "N": False}


@dataclass(frozen=True, slots=True)
class PayoutResult:
    """One payout's end. All but `explanation` are told on success only.

    Balances are those after the payout, in KES; None where they were not told or not readable.
    """

    explanation: Explanation
    receipt: str = ""
    amount: Decimal | None = None
    at: datetime | None = None
    payee: Party = NOBODY
    is_registered: bool | None = None
    utility_balance: Decimal | None = None
    working_balance: Decimal | None = None
    charges_balance: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ReversalResult:
    """One reversal's end. All but `explanation` are told on success only.

    `receipt` is the reversal's own, `original_receipt` that of the payment it gave back.
    """

    explanation: Explanation
    receipt: str = ""
    original_receipt: str = ""
    amount: Decimal | None = None
    at: datetime | None = None
    charge: Decimal | None = None
    payer: Party = NOBODY
    business: Party = NOBODY
    balance: Decimal | None = None


def payout_result(result: Result) -> PayoutResult:
    """A B2C result in our words; raises InvalidInput for a receipt or amount that is none."""
    explanation = explain(result.code, "b2c")
    if not result.is_success:
        return PayoutResult(explanation)
    told = result.value
    registered = scalar(told("B2CRecipientIsRegisteredCustomer"), 5).upper()
    return PayoutResult(
        explanation,
        receipt=read_receipt(
            told("TransactionReceipt") or result.transaction_id, "TransactionReceipt"
        ),
        amount=read_amount(told("TransactionAmount"), "TransactionAmount"),
        at=read_moment(told("TransactionCompletedDateTime")),
        payee=split_party(told("ReceiverPartyPublicName")),
        is_registered=_YES_NO.get(registered[:1]),
        utility_balance=read_balance(told("B2CUtilityAccountAvailableFunds")),
        working_balance=read_balance(told("B2CWorkingAccountAvailableFunds")),
        charges_balance=read_balance(told("B2CChargesPaidAccountAvailableFunds")),
    )


def reversal_result(result: Result) -> ReversalResult:
    """A reversal's result in our words; raises InvalidInput for a bad receipt or amount."""
    explanation = explain(result.code, "reversal")
    if not result.is_success:
        return ReversalResult(explanation)
    told = result.value
    return ReversalResult(
        explanation,
        receipt=read_receipt(result.transaction_id, "TransactionID"),
        original_receipt=read_receipt(told("OriginalTransactionID"), "OriginalTransactionID"),
        amount=read_amount(told("Amount"), "Amount"),
        at=read_moment(told("TransCompletedTime")),
        charge=read_balance(told("Charge")),
        payer=split_party(told("CreditPartyPublicName")),
        business=split_party(told("DebitPartyPublicName")),
        balance=read_balance(told("DebitAccountBalance")),
    )
