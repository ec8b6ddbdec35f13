"""Finding out about what is open: who was asked, what they said, who is asked next.

The order: the payment's own query, M-Pesa's transaction status, the pull of transactions, the
daily statement, and then people. Nothing here moves a payment; each source does that itself.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from integrations.exceptions import IntegrationError, InvalidInput
from integrations.models import (
    InboundCallback,
    ItemFinding,
    MpesaQuery,
    Payment,
    PullAccount,
    StatementItem,
)
from integrations.payments import queries, query_states
from integrations.payments.pulled import ABSENT as PULL_ABSENT
from integrations.payments.stk_query import age_of
from integrations.providers.mpesa.callbacks import parse_stk
from integrations.work.clock import database_now

logger = logging.getLogger(__name__)
# A query answers within minutes where it answers at all; then the status is asked for, but not
# more often than this.
STATUS_AFTER = 150.0
STATUS_EVERY = timedelta(hours=1)
# Callbacks of one payment that are looked through for a receipt.
CALLBACKS = 20


@dataclass(frozen=True, slots=True)
class Told:
    """What one source says of a payment; `at` is None where it was never asked."""

    source: str
    words: str
    at: datetime | None = None


def ask_status(payment: Payment) -> MpesaQuery | None:
    """Ask M-Pesa's transaction status about a payment that its query could not settle.

    By the receipt that a doubted callback told, or by our originator id. None where there is
    nothing to ask by, it is too early, or it was asked within the hour; a question that can't be
    asked (no initiator in the settings) is logged. Raises nothing of the provider's.
    """
    if age_of(payment) < STATUS_AFTER:
        return None
    last = payment.queries.order_by("-pk").first()
    if last is not None and (
        last.state in query_states.OPEN or database_now() - last.created_at < STATUS_EVERY
    ):
        return None
    receipt = payment.receipt or doubted_receipt(payment)
    if not receipt and not payment.originator_id:
        return None
    try:
        return queries.ask_status(
            business=payment.business,
            short_code=payment.short_code,
            receipt=receipt,
            originator_id="" if receipt else payment.originator_id or "",
            payment=payment,
        )
    except IntegrationError as error:
        logger.info("payment=%s status can't be asked for: %s", payment.public_id, error.message)
        return None


def doubted_receipt(payment: Payment) -> str:
    """The receipt of a success callback that was not believed, "" where none told one."""
    if not payment.callback_digest:
        return ""
    rows = InboundCallback.objects.filter(token_digest=payment.callback_digest, route="stk")
    for callback in rows.order_by("-pk")[:CALLBACKS]:
        try:
            told = parse_stk(callback.raw_body())
        except InvalidInput:
            continue
        if told.receipt:
            return told.receipt
    return ""


def with_answers(payment: Payment, reason: str) -> str:
    """A reason for people, with what each source answered; at most 300 characters."""
    answers = "; ".join(f"{told.source}: {told.words}" for told in told_by(payment))
    text = f"{reason} {answers}."
    return text if len(text) <= 300 else f"{text[:299].rstrip()}…"


def told_by(payment: Payment) -> list[Told]:
    """What every source says of a payment, in the order in which they are asked."""
    return [_query(payment), _status(payment), _pull(payment), _statement(payment)]


def _query(payment: Payment) -> Told:
    if payment.originator_id and not payment.checkout_id:
        return Told("Query", "this product has none")
    if not payment.checkout_id:
        return Told("Query", "can't be asked, M-Pesa's id was lost")
    event = payment.events.filter(kind="asked").order_by("-pk").first()
    if event is not None:
        return Told("Query", event.text.rstrip("."), event.at)
    code = f"code {payment.result_code}" if payment.result_code else "no certain answer"
    return Told("Query", code)


def _status(payment: Payment) -> Told:
    query = payment.queries.order_by("-pk").first()
    if query is None:
        return Told("Transaction status", "not asked")
    words = str(query.answer.get("transaction_status") or query.get_state_display()).lower()
    return Told("Transaction status", words, query.answered_at or query.created_at)


def _pull(payment: Payment) -> Told:
    event = payment.events.filter(kind=PULL_ABSENT).order_by("-pk").first()
    if event is not None:
        return Told("Pulled transactions", "do not have it", event.at)
    account = PullAccount.objects.filter(
        provider=payment.provider, environment=payment.environment,
        short_code=payment.short_code, business__in=(payment.business, ""),
    ).order_by("-business").first()  # fmt: skip
    if account is None or account.fetched_to is None:
        return Told("Pulled transactions", "not fetched for this short code")
    return Told("Pulled transactions", "nothing that fits", account.fetched_to)


def _statement(payment: Payment) -> Told:
    item = payment.statement_items.select_related("run").order_by("-pk").first()
    if item is None:
        return Told("Statement", "none of its day")
    day = f"{timezone.localtime(item.run.period_from):%d %b %Y}"
    words = f"{item.get_finding_display().lower()} in that of {day}"
    return Told("Statement", words, item.run.created_at)


def evidence_of(payment: Payment) -> StatementItem | None:
    """The newest statement that should have an open payment and does not; for people to decide."""
    return (
        payment.statement_items.filter(finding=ItemFinding.MISSING_THERE, run__is_complete=True)
        .select_related("run")
        .order_by("-pk")
        .first()
    )
