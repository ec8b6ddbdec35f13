"""Answers to our questions: the state of a transaction, the balances of the accounts.

Source: Daraja reference, sections 11 and 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from integrations.exceptions import InvalidInput
from integrations.providers.mpesa.callbacks.parties import NOBODY, Party, split_party
from integrations.providers.mpesa.callbacks.reading import (
    read_amount,
    read_balance,
    read_moment,
    read_receipt,
    scalar,
)
from integrations.providers.mpesa.callbacks.result import Result
from integrations.providers.mpesa.codes import Explanation, Outcome, explain

# TransactionStatus in lower case without spaces (section 11).
_STATES = {
    "completed": Outcome.SUCCEEDED,
    "cancelled": Outcome.CANCELLED,
    "declined": Outcome.FAILED,
    "expired": Outcome.EXPIRED,
    "initiated": Outcome.PENDING,
    "authorized": Outcome.PENDING,
    "authorised": Outcome.PENDING,
    "pendingauthorized": Outcome.PENDING,
    "pendingauthorised": Outcome.PENDING,
}


@dataclass(frozen=True, slots=True)
class StatusResult:
    """What M-Pesa says of a transaction.

    `explanation` is of the question: unless it succeeded, nothing is told of the transaction.
    `outcome` is of the transaction, UNKNOWN where `status` is no documented word. The ids are
    the transaction's, not the question's.
    """

    explanation: Explanation
    outcome: Outcome = Outcome.UNKNOWN
    status: str = ""
    receipt: str = ""
    amount: Decimal | None = None
    charge: Decimal | None = None
    debit_party: Party = NOBODY
    credit_party: Party = NOBODY
    originator_id: str = ""
    conversation_id: str = ""
    reason: str = ""
    reason_type: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """One account of a short code. Amounts can be negative; None where none was told."""

    name: str
    currency: str
    current: Decimal
    available: Decimal | None = None
    reserved: Decimal | None = None
    uncleared: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BalanceResult:
    """The accounts of a short code; none unless `explanation` says that it was answered."""

    explanation: Explanation
    accounts: tuple[AccountBalance, ...] = ()
    at: datetime | None = None


def status_result(result: Result) -> StatusResult:
    """A status result in our words; raises InvalidInput for a receipt or amount that is none."""
    explanation = explain(result.code, "transaction_status")
    if not result.is_success:
        return StatusResult(explanation)
    told = result.value
    status = scalar(told("TransactionStatus"), 40)
    debit, credit = _parties(result)
    return StatusResult(
        explanation,
        outcome=_STATES.get(status.replace(" ", "").lower(), Outcome.UNKNOWN),
        status=status,
        receipt=read_receipt(told("ReceiptNo"), "ReceiptNo"),
        amount=read_amount(told("Amount"), "Amount"),
        charge=_charge(told("DebitPartyCharges")),
        debit_party=debit,
        credit_party=credit,
        originator_id=scalar(told("OriginatorConversationID"), 100),
        conversation_id=scalar(told("ConversationID"), 100),
        reason=scalar(told("TransactionReason"), 300),
        reason_type=scalar(told("ReasonType"), 100),
        started_at=read_moment(told("InitiatedTime")),
        finished_at=read_moment(told("FinalisedTime")),
    )


def _parties(result: Result) -> tuple[Party, Party]:
    """Payer and payee; where DebitPartyName comes twice, the second is the payee."""
    debits = result.values("DebitPartyName")
    credit = result.value("CreditPartyName") or (debits[1] if len(debits) > 1 else None)
    return split_party(debits[0] if debits else None), split_party(credit)


def _charge(value: object) -> Decimal | None:
    """Fees of "name|KES|amount", several of them joined by "&"."""
    parts = [read_balance(part) for part in scalar(value, 400).split("&")]
    known = [part for part in parts if part is not None]
    return sum(known, Decimal(0)) if known else None


def balance_result(result: Result) -> BalanceResult:
    """A balance result in our words; raises InvalidInput for an account that can't be read."""
    explanation = explain(result.code, "account_balance")
    if not result.is_success:
        return BalanceResult(explanation)
    return BalanceResult(
        explanation,
        accounts=parse_accounts(result.value("AccountBalance")),
        at=read_moment(result.value("BOCompletedTime")),
    )


def parse_accounts(value: object) -> tuple[AccountBalance, ...]:
    """Accounts joined by "&", each `name|currency|current|available|reserved|uncleared`.

    Names vary, so no list of them is kept. Raises InvalidInput for anything that is not this.
    """
    text = scalar(value, 20_000)
    return tuple(_account(part) for part in text.split("&") if part.strip())


def _account(text: str) -> AccountBalance:
    name, currency, *figures = [part.strip() for part in text.split("|")] + [""]
    if not name or len(figures) < 2:
        raise InvalidInput("AccountBalance", f"{text[:60]!r} is no account.", code="malformed")
    amounts = [read_amount(figure, "AccountBalance") for figure in figures]
    current, available, reserved, uncleared = (amounts + [None] * 4)[:4]
    if current is None:
        raise InvalidInput("AccountBalance", f"{text[:60]!r} has no balance.", code="malformed")
    return AccountBalance(name[:80], currency[:3], current, available, reserved, uncleared)
