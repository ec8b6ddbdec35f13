"""Questions to M-Pesa that are answered by callback: asking them, and whose answer it is.

A question moves no money. It is stored first and sent by a worker, or at once with `now=True`.
"""

from __future__ import annotations

import re
import time
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet

from integrations.conf import hub_settings
from integrations.config import Snapshot
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.models import AuditEntry, MpesaQuery, Payment, QueryKind, QueryState, has_actor
from integrations.payments import query_sender
from integrations.payments.accounts import PROVIDER, account_config, account_text, same_environment
from integrations.payments.callback_doubts import Addressee
from integrations.payments.query_answers import settle_query
from integrations.payments.query_states import QUEUE
from integrations.providers.mpesa.payloads import initiator_name, security_credential
from integrations.work import finish, later, lease_expressions, ring

__all__ = [
    "addressee_of_query",
    "ask_balance",
    "ask_status",
    "check_initiator",
    "settle_query",
    "standing_of",
]

_RECEIPT = re.compile(r"[A-Za-z0-9]{6,40}")
_ORIGINATOR = re.compile(r"[\x21-\x7e]{1,100}")
# By hand, since every answer to a provider waits for it.
_ADDRESSEE = "SELECT business, short_code FROM integrations_mpesaquery WHERE callback_digest = %s"


def ask_status(
    *,
    business: str,
    short_code: str = "",
    receipt: str = "",
    originator_id: str = "",
    payment: Payment | None = None,
    requested_by: Any = None,
    now: bool = False,
) -> MpesaQuery:
    """Ask what became of a transaction, by its receipt or by the id that we gave it.

    `payment` is the one of our ledger that the answer is about. One question about a thing is
    open at a time: while there is one, it is answered instead of a new one. With `now` the
    question is sent before this returns, outside any open transaction; else it joins the caller's
    transaction and a worker sends it after the commit.

    Raises InvalidInput, ConfigurationError, and RuntimeError for `now` inside a transaction.
    """
    receipt, originator_id = receipt.strip().upper(), originator_id.strip()
    if not receipt and not originator_id:
        raise InvalidInput("receipt", "is needed, or the id that the transaction was sent under.")
    if receipt and not _RECEIPT.fullmatch(receipt):
        raise InvalidInput("receipt", "must be 6 to 40 letters and digits.")
    if originator_id and not _ORIGINATOR.fullmatch(originator_id):
        raise InvalidInput("originator_id", "must be 1 to 100 printable characters, no spaces.")
    config = account_config(business, account_text(short_code))
    if payment is not None:
        same_environment(config, payment.environment)
    values = {
        **_columns(config),
        "kind": QueryKind.TRANSACTION_STATUS,
        "receipt": receipt,
        "asked_originator_id": originator_id,
        "payment": payment,
    }
    return _ask(config, values, requested_by=requested_by, now=now)


def ask_balance(
    *,
    business: str,
    short_code: str = "",
    requested_by: Any = None,
    now: bool = False,
    delay_seconds: float = 0.0,
) -> MpesaQuery:
    """Ask for the balances of an account; the answer becomes `AccountBalance` rows.

    As `ask_status`, also in what it raises. A worker sends it `delay_seconds` from now.
    """
    config = account_config(business, account_text(short_code))
    config.require_usable()
    values: dict[str, Any] = {**_columns(config), "kind": QueryKind.ACCOUNT_BALANCE}
    if delay_seconds:
        values["next_attempt_at"] = later(delay_seconds)
    return _ask(config, values, requested_by=requested_by, now=now)


def _columns(config: Snapshot) -> dict[str, Any]:
    return {
        "business": config.business,
        "environment": config.environment,
        "short_code": str(config.values["short_code"]),
    }


def _ask(config: Snapshot, values: dict[str, Any], *, requested_by: Any, now: bool) -> MpesaQuery:
    config.require_configured()
    check_initiator(config)
    query_sender.result_urls(config, "0" * 32)  # refused now rather than after the row is written
    key = open_key(values)
    user = requested_by if getattr(requested_by, "pk", None) else None
    values = {**values, "open_key": key, "asked_by": user}
    if now:
        values.update(lease_expressions(hub_settings.lease_seconds))
    started = time.monotonic()
    query, is_new = _store(values, key, now=now)
    if not is_new:
        return query
    if now:
        query.refresh_from_db()
        query.claim_deadline = started + hub_settings.deadline_seconds
        finish(query, query_sender.advance(query))
        query.refresh_from_db()
    else:
        ring(QUEUE)
    return query


def _store(values: dict[str, Any], key: str, *, now: bool) -> tuple[MpesaQuery, bool]:
    """The new row, or the one that is open about the same thing."""
    # Twice: the open one may be closed between our insert and our look.
    for _ in range(2):
        found = MpesaQuery.objects.filter(open_key=key).first()
        if found is not None:
            return found, False
        try:
            with transaction.atomic(durable=now):
                query = MpesaQuery.objects.create(**values)
                if has_actor():
                    AuditEntry.objects.record(
                        "query.asked", target=query, business=query.business,
                        detail=str(query.get_kind_display()),
                    )  # fmt: skip
                return query, True
        except IntegrityError:
            continue
    raise IntegrationError("The question could not be stored.", code="not_stored")


def open_key(values: dict[str, Any]) -> str:
    """What a question is about, as text: of those that are open it is unique."""
    if values.get("payment") is not None:
        return f"payment:{values['payment'].pk}"
    about = values.get("receipt") or values.get("asked_originator_id") or ""
    return ":".join(
        (values["kind"][:7], values["environment"], values["short_code"], values["business"], about)
    )


def check_initiator(config: Snapshot) -> None:
    """Raises ConfigurationError where the settings lack what an initiator's call needs."""
    initiator_name(config)
    security_credential(config)


def addressee_of_query(token_digest: str) -> Addressee | None:
    """Whose question has this callback path, with what is needed before the answer."""
    with connection.cursor() as cursor:
        cursor.execute(_ADDRESSEE, [token_digest])
        found = cursor.fetchone()
    return Addressee(PROVIDER, *found) if found else None


def tries_of(query: MpesaQuery) -> QuerySet[MpesaQuery]:
    """Every try of the same question, this one included."""
    first = query.first_id or query.pk
    return MpesaQuery.objects.filter(Q(pk=first) | Q(first=first))


def standing_of(query: MpesaQuery) -> MpesaQuery:
    """The try that tells how the question stands: the answered one, else the newest."""
    tries = list(tries_of(query).order_by("try_number"))
    answered = [each for each in tries if each.state == QueryState.ANSWERED]
    return answered[-1] if answered else tries[-1]
