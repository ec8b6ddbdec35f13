"""The worker's part of a question: send it, wait for its answer, ask again, give up.

Asking twice does no harm, so what is in doubt is asked again; how often and how fast is bounded.
"""

from __future__ import annotations

import secrets
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from integrations.config import Snapshot
from integrations.exceptions import (
    ConfigurationError,
    ConfigurationUnavailable,
    IntegrationError,
    OutcomeUnknown,
    ProviderError,
    TransportError,
)
from integrations.models import MpesaQuery, QueryKind
from integrations.models import QueryState as S
from integrations.payments.accounts import PROVIDER, account_of, same_environment
from integrations.payments.initiator import HELD, initiator_is_held
from integrations.payments.opening import callback_url, digest_of
from integrations.payments.query_states import QUEUE, move, next_look
from integrations.providers.mpesa.client import Ack, DarajaClient
from integrations.work import Again, Done, Kept, Outcome, later, ring
from integrations.work.clock import database_now

RESULT_ROUTE = "result"
TIMEOUT_ROUTE = "timeout"
# Seconds. How long an answer may take is not documented; a later one still counts.
ANSWER_PATIENCE = 120.0
# A question that could not leave for so long is not asked out of the blue.
SENDING_PATIENCE = 3600.0
HOLD_PAUSE = 60.0
# Between tries to send what provably did not leave, or what M-Pesa asked to send later.
SEND_PAUSES = (5.0, 15.0, 60.0, 300.0)
# Before the second and the third try of a question that got no answer.
TRY_PAUSES = (30.0, 300.0)
TOO_OLD = "It waited for an hour and could not be sent."
NO_ANSWER = "M-Pesa took the question and gave no answer."
NEEDLESS = "Another try was answered."


def advance(query: MpesaQuery) -> Outcome:
    """Handler of the queue."""
    if query.state == S.WAITING:
        return _send_waiting(query)
    if query.state == S.SENT:
        return _look_after_sent(query)
    return Done()


def _send_waiting(query: MpesaQuery) -> Outcome:
    if not query.has_time_left():
        return Again(delay_seconds=0, count_attempt=False)
    if is_answered(query):
        move(query, S.DROPPED, changes={"message": NEEDLESS})
        return Kept()
    if (database_now() - query.created_at).total_seconds() > SENDING_PATIENCE:
        move(query, S.UNANSWERED, changes={"message": query.message or TOO_OLD})
        return Kept()
    try:
        config = config_of(query)
    except ConfigurationUnavailable:
        raise
    except ConfigurationError as error:
        _refuse(query, error)
        return Kept()
    if initiator_is_held(config):
        MpesaQuery.objects.filter(pk=query.pk).update(message=HELD)
        return Again(delay_seconds=HOLD_PAUSE, error=HELD, count_attempt=False)
    _send(query, config)
    return Kept()


def is_answered(query: MpesaQuery) -> bool:
    """Whether any try of the same question has its answer."""
    first = query.first_id or query.pk
    tries = MpesaQuery.objects.filter(Q(pk=first) | Q(first=first), state=S.ANSWERED)
    return tries.exists()


def config_of(query: MpesaQuery) -> Snapshot:
    """The settings by which a stored question is sent; raises ConfigurationError."""
    config = account_of(PROVIDER, query.business, query.short_code)
    return same_environment(config, query.environment)


def result_urls(config: Snapshot, token: str) -> tuple[str, str]:
    """The addresses of the result and of the time-out; raises ConfigurationError."""
    result_url = callback_url(config, token, route=RESULT_ROUTE)
    return result_url, callback_url(config, token, route=TIMEOUT_ROUTE)


def _send(query: MpesaQuery, config: Snapshot) -> None:
    """Send a claimed question. Raises nothing of the provider's: each outcome is a state."""
    token = secrets.token_hex(16)
    if not begin(query, digest_of(token)):
        return
    try:
        ack = _call(query, config, token)
    except ProviderError as error:
        if error.permanent:
            _refuse(query, error)
        else:
            _take_back(query, error)
    except TransportError as error:
        if error.sent:
            _wait(query, {"message": _short(error)})
        elif error.code == "blocked_address":
            _refuse(query, error)
        else:
            _take_back(query, error)
    except OutcomeUnknown as error:
        _wait(query, {"message": _short(error)})
    except IntegrationError as error:
        _refuse(query, error)
    else:
        _store_ack(query, ack)


def begin(query: MpesaQuery, digest: str) -> bool:
    """Committed before the socket opens; the claim stays ours until there is an answer."""
    with transaction.atomic(durable=True):
        changes = {"callback_digest": digest, "sent_at": Now(), "message": ""}
        return move(query, S.SENT, changes=changes, claim=query.claim_token)


def _call(query: MpesaQuery, config: Snapshot, token: str) -> Ack:
    result_url, timeout_url = result_urls(config, token)
    client = DarajaClient(config)
    common: dict[str, Any] = {
        "short_code": query.short_code,
        "result_url": result_url,
        "timeout_url": timeout_url,
        "deadline": query.claim_deadline,
        "reference": str(query.public_id),
    }
    if query.kind == QueryKind.ACCOUNT_BALANCE:
        return client.account_balance(**common)
    by_id = "" if query.receipt else query.asked_originator_id
    return client.transaction_status(receipt=query.receipt, originator_id=by_id, **common)


def _store_ack(query: MpesaQuery, ack: Ack) -> None:
    """Keep M-Pesa's ids, and wait. Where the result was faster, only the ids are new."""
    with transaction.atomic():
        MpesaQuery.objects.filter(pk=query.pk, conversation_id=None).update(
            conversation_id=ack.conversation_id or None, originator_id=ack.originator_id or None
        )
        _wait(query, {})


def _wait(query: MpesaQuery, changes: dict[str, Any]) -> None:
    rows = MpesaQuery.objects.filter(pk=query.pk, state=S.SENT, claim_token=query.claim_token)
    rows.update(**changes, **next_look(ANSWER_PATIENCE))
    query.refresh_from_db()


def _refuse(query: MpesaQuery, error: IntegrationError) -> None:
    changes = {"result_code": error.code[:40], "message": _short(error)}
    move(query, S.REFUSED, changes=changes)


def _take_back(query: MpesaQuery, error: IntegrationError) -> None:
    """Nothing was created at M-Pesa: it waits to be sent again."""
    pause = SEND_PAUSES[min(query.attempts, len(SEND_PAUSES)) - 1]
    changes = {"callback_digest": None, "sent_at": None, "message": _short(error)}
    move(query, S.WAITING, changes=changes, due_in=pause)


def _short(error: IntegrationError) -> str:
    return error.message[:300]


def _look_after_sent(query: MpesaQuery) -> Outcome:
    """Its patience is over, or whoever was sending it is gone: it may have been sent or not."""
    since = query.sent_at or query.created_at
    left = ANSWER_PATIENCE - (database_now() - since).total_seconds()
    if left > 0:
        return Again(delay_seconds=left, count_attempt=False)
    give_up(query, NO_ANSWER)
    return Kept()


def give_up(query: MpesaQuery, reason: str, *, code: str = "") -> None:
    """Wait no longer for this try, and open the next one where there is one left."""
    with transaction.atomic():
        key = query.open_key
        changes = {"message": reason[:300], "result_code": code[:40]}
        if not move(query, S.UNANSWERED, changes=changes):
            return
        if query.try_number > len(TRY_PAUSES) or is_answered(query) or not key:
            return
        _ask_again(query, key)


def _ask_again(query: MpesaQuery, key: str) -> None:
    MpesaQuery.objects.create(
        kind=query.kind,
        business=query.business,
        environment=query.environment,
        short_code=query.short_code,
        receipt=query.receipt,
        asked_originator_id=query.asked_originator_id,
        payment_id=query.payment_id,
        asked_by_id=query.asked_by_id,
        first_id=query.first_id or query.pk,
        try_number=query.try_number + 1,
        open_key=key,
        next_attempt_at=later(TRY_PAUSES[query.try_number - 1]),
        correlation_id=query.correlation_id,
    )
    ring(QUEUE)
