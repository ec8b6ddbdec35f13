"""Settling a question by what came to its callback addresses: which question, what it tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from integrations.exceptions import ConfigurationError, ConfigurationUnavailable, InvalidInput
from integrations.models import InboundCallback, MpesaQuery, Payment, QueryKind
from integrations.models import QueryState as S
from integrations.models.inbound_callback import Quarantine, Settled, TryLater, Verdict
from integrations.payments import balances, ledger
from integrations.payments.accounts import PROVIDER, account_of
from integrations.payments.initiator import note_initiator_result
from integrations.payments.query_sender import TIMEOUT_ROUTE, give_up
from integrations.payments.query_states import move
from integrations.payments.status_answer import apply_status
from integrations.providers.mpesa.callbacks import (
    Result,
    StatusResult,
    balance_result,
    parse_result,
    status_result,
)
from integrations.providers.mpesa.codes import Outcome, explain

TIMED_OUT = "The question expired in M-Pesa's queue."
WRONG_IDS = "The conversation's ids are those of another request."
NO_IDS = "It names no conversation."


def settle_query(callback: InboundCallback) -> Verdict:
    """Move a question by a stored callback; database work only, repeatable.

    Called inside the transaction that marks the callback processed.
    """
    query = _locked(callback.token_digest)
    if query is None:
        return TryLater("No question has this callback path.")
    is_timeout = callback.route == TIMEOUT_ROUTE
    try:
        told = parse_result(callback.raw_body())
    except InvalidInput as error:
        return _distrust(query, str(error))
    problem = " ".join(callback.doubts) or _wrong_ids(query, told, is_timeout=is_timeout)
    if problem:
        # Not believed. Where no better answer comes, the question is asked again by its patience.
        return _distrust(query, problem)
    if is_timeout:
        give_up(query, TIMED_OUT, code=told.code)
    else:
        try:
            # What can't be stored whole is not stored at all.
            with transaction.atomic():
                _apply(query, told)
        except InvalidInput as error:
            return _distrust(query, str(error))
    return _settled(query, told)


def _locked(token_digest: str) -> MpesaQuery | None:
    """The question, locked after its payment: whoever asks about a payment holds that first."""
    found = MpesaQuery.objects.filter(callback_digest=token_digest).first()
    if found is None or not token_digest:
        return None
    if found.payment_id is not None:
        Payment.objects.select_for_update(no_key=True).get(pk=found.payment_id)
    return MpesaQuery.objects.select_for_update().get(pk=found.pk)


def _distrust(query: MpesaQuery, reason: str) -> Verdict:
    return Quarantine(reason, reference=str(query.public_id))


def _settled(query: MpesaQuery, told: Result) -> Settled:
    key = f"{query.public_id}:{told.conversation_id}:{told.code}"[:128]
    return Settled(dedupe_key=key, reference=str(query.public_id))


def _wrong_ids(query: MpesaQuery, told: Result, *, is_timeout: bool) -> str:
    """Why the ids speak against the callback, "" where they don't.

    A time-out's shape is poorly documented (section 18), so it may lack them.
    """
    pairs = (
        (query.conversation_id, told.conversation_id),
        (query.originator_id, told.originator_id),
    )
    if any(ours and theirs and ours != theirs for ours, theirs in pairs):
        return WRONG_IDS
    if not told.conversation_id and not told.originator_id:
        return "" if is_timeout else NO_IDS
    return WRONG_IDS if _belong_elsewhere(query, told) else ""


def _belong_elsewhere(query: MpesaQuery, told: Result) -> bool:
    """Before the answer to the question, its ids are not known; another request's are."""
    by_id, of_payment = Q(), Q()
    if told.conversation_id:
        by_id |= Q(conversation_id=told.conversation_id)
        of_payment |= Q(conversation_id=told.conversation_id)
    if told.originator_id:
        by_id |= Q(originator_id=told.originator_id)
        of_payment |= Q(originator_id=told.originator_id)
    others = MpesaQuery.objects.filter(by_id, environment=query.environment)
    payments = Payment.objects.filter(of_payment, provider=PROVIDER, environment=query.environment)
    return others.exclude(pk=query.pk).exists() or payments.exists()


def _apply(query: MpesaQuery, told: Result) -> None:
    """Raises InvalidInput for an answer that can't be read."""
    meaning = explain(told.code, query.kind)
    note_initiator_result(
        query.business, query.environment, query.short_code, told.code, sent_at=query.sent_at
    )
    if told.is_success:
        _ANSWERS[QueryKind(query.kind)](query, told, meaning.sentence)
    elif _is_not_found(query, told.code):
        _move_to_answered(query, told, meaning.sentence, {"found": False})
    elif meaning.retry or meaning.outcome is Outcome.UNKNOWN:
        give_up(query, meaning.sentence, code=told.code)
    else:
        changes = {**_columns(query, told), "message": meaning.sentence[:300]}
        if move(query, S.REFUSED, changes=changes) and query.payment is not None:
            ledger.note(query.payment, "status_refused", meaning.sentence)


def _answer_balance(query: MpesaQuery, told: Result, sentence: str) -> None:
    parsed = balance_result(told)
    if not parsed.accounts:
        raise InvalidInput("AccountBalance", "names no account.", code="malformed")
    changes = {**_columns(query, told), "message": sentence, "answer": balances.as_json(parsed)}
    if move(query, S.ANSWERED, changes=changes):
        balances.record(query, parsed)


def _answer_status(query: MpesaQuery, told: Result, sentence: str) -> None:
    status = status_result(told)
    if query.receipt and status.receipt and status.receipt.upper() != query.receipt:
        raise InvalidInput("ReceiptNo", "is another one than was asked about.", code="malformed")
    _move_to_answered(query, told, sentence, status_as_json(status))


def _move_to_answered(
    query: MpesaQuery, told: Result, sentence: str, answer: dict[str, Any]
) -> None:
    changes = {**_columns(query, told), "message": sentence[:300], "answer": answer}
    if move(query, S.ANSWERED, changes=changes) and query.payment is not None:
        apply_status(query.payment, query, told)


_ANSWERS: dict[QueryKind, Callable[[MpesaQuery, Result, str], None]] = {
    QueryKind.TRANSACTION_STATUS: _answer_status,
    QueryKind.ACCOUNT_BALANCE: _answer_balance,
}


def status_as_json(status: StatusResult) -> dict[str, Any]:
    """A status answer in our words; money and times as text."""
    return {
        "found": True,
        "transaction_status": status.status,
        "receipt": status.receipt,
        "amount": balances.money(status.amount),
        "charge": balances.money(status.charge),
        "debit_party": {"number": status.debit_party.number, "name": status.debit_party.name},
        "credit_party": {"number": status.credit_party.number, "name": status.credit_party.name},
        "originator_id": status.originator_id,
        "conversation_id": status.conversation_id,
        "reason": status.reason,
        "started_at": status.started_at.isoformat() if status.started_at else "",
        "finished_at": status.finished_at.isoformat() if status.finished_at else "",
    }


def _columns(query: MpesaQuery, told: Result) -> dict[str, Any]:
    values: dict[str, Any] = {
        "result_code": told.code[:40],
        "result_text": told.text[:300],
        "answered_at": timezone.now(),
    }
    if not query.conversation_id and told.conversation_id:
        values["conversation_id"] = told.conversation_id
    if not query.originator_id and told.originator_id:
        values["originator_id"] = told.originator_id
    return values


def _is_not_found(query: MpesaQuery, code: str) -> bool:
    """Whether M-Pesa says by this code that it has no such transaction: an answer too."""
    if query.kind != QueryKind.TRANSACTION_STATUS:
        return False
    try:
        codes = account_of(PROVIDER, query.business, query.short_code).values["not_found_codes"]
    except ConfigurationUnavailable:
        raise
    except ConfigurationError:
        return False
    return code in str(codes or "").replace(",", " ").split()
