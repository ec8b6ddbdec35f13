"""Confirmations from a doubtful source: nothing is settled until M-Pesa itself says the same.

Money may have moved all the same, so M-Pesa is asked by the receipt (transaction status).
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from integrations.exceptions import ConfigurationError, ConfigurationUnavailable, InvalidInput
from integrations.models import C2BReceipt, InboundCallback, MpesaQuery, QueryKind, QueryState
from integrations.models.inbound_callback import Quarantine, TryLater, Verdict
from integrations.payments.accounts import PROVIDER, account_of
from integrations.payments.queries import ask_status
from integrations.work.clock import database_now

# Seconds between looks at the answer, in the first hour and afterwards, and how long M-Pesa is
# asked: as long as about a push. A refused initiator may have to wait for a person's new password.
PAUSE, LONG_PAUSE, PATIENCE = 60.0, 600.0, 172800.0
ASKED = "M-Pesa is asked about the receipt."
ABOVE = "It is above the amount that M-Pesa has to confirm."
NO_SETTINGS = "The settings of this account are gone, and with them the amount to confirm above."
COMPLETED = "completed"
PENDING = frozenset({"initiated", "authorized", "pending authorized"})


def doubts_of(callback: InboundCallback, receipt: C2BReceipt) -> str:
    """Why M-Pesa has to say it again itself, "" where it need not."""
    if callback.doubts:
        return " ".join(callback.doubts)
    try:
        config = account_of(PROVIDER, receipt.business, receipt.short_code)
    except ConfigurationUnavailable:
        raise
    except ConfigurationError:
        return NO_SETTINGS
    limit = config.values["confirm_above"]
    return ABOVE if limit is not None and receipt.amount > limit else ""


def confirm(
    callback: InboundCallback, receipt: C2BReceipt, numbers: set[str], doubts: str
) -> Verdict | None:
    """None where M-Pesa confirms the receipt and its facts; else what becomes of the callback.

    `numbers` are those of the account, as M-Pesa may name it; `doubts` say why it is asked.
    """
    answered = MpesaQuery.objects.filter(
        kind=QueryKind.TRANSACTION_STATUS,
        state=QueryState.ANSWERED,
        business=receipt.business,
        environment=receipt.environment,
        short_code=receipt.short_code,
        receipt=receipt.receipt.upper(),
    )
    told = answered.order_by("-pk").first()
    if told is not None and _is_completed(told):
        problem = _contradiction(told, receipt, numbers)
        return Quarantine(f"{doubts} {problem}") if problem else None
    is_news = told is not None and told.created_at >= callback.received_at
    if told is not None and is_news and not _is_pending(told):
        return Quarantine(f"{doubts} M-Pesa does not know it as a completed payment.")
    try:
        ask_status(
            business=receipt.business, short_code=receipt.short_code, receipt=receipt.receipt
        )
    except ConfigurationUnavailable:
        raise
    except (ConfigurationError, InvalidInput) as error:
        return Quarantine(f"{doubts} M-Pesa can't be asked: {error.message}")
    waited = (database_now() - callback.received_at).total_seconds()
    pause = PAUSE if waited < 3600.0 else LONG_PAUSE
    return TryLater(f"{doubts} {ASKED}", delay_seconds=pause, patience_seconds=PATIENCE)


def _status(query: MpesaQuery) -> str:
    return str(query.answer.get("transaction_status") or "").strip().lower()


def _is_completed(query: MpesaQuery) -> bool:
    return bool(query.answer.get("found")) and _status(query) == COMPLETED


def _is_pending(query: MpesaQuery) -> bool:
    return bool(query.answer.get("found")) and _status(query) in PENDING


def _contradiction(query: MpesaQuery, receipt: C2BReceipt, numbers: set[str]) -> str:
    """Which fact M-Pesa tells otherwise, "" for none."""
    try:
        amount = Decimal(str(query.answer.get("amount") or ""))
    except InvalidOperation:
        return "M-Pesa's own answer tells no amount."
    if amount != receipt.amount:
        return f"M-Pesa's own answer tells another amount: {amount}."
    payee = str((query.answer.get("credit_party") or {}).get("number") or "")
    if payee and payee not in numbers:
        return "M-Pesa's own answer tells another payee."
    return ""
