"""Questions to M-Pesa for ERP code, as 3-tuples `(success, message, data)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import Error as DatabaseError

from integrations.exceptions import IntegrationError, InvalidInput, help_url
from integrations.models import AccountBalance, MpesaQuery, QueryKind, QueryState
from integrations.payments import queries
from integrations.payments.accounts import account_text
from integrations.payments.answers import Answer, in_transaction
from integrations.payments.balances import FIGURES, latest_balances, money
from integrations.payments.once import once

_GOOD = {QueryState.WAITING, QueryState.SENT, QueryState.ANSWERED}
ASKED = "Asked; the answer comes later."
AWAY = "The database does not answer; ask again in a moment."


class QueryService:
    """Balances and transactions. Nothing here moves money."""

    @classmethod
    def query_balance(
        cls,
        *,
        business: str = "",
        short_code: str = "",
        requested_by: Any = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Ask M-Pesa for the balances of an account: `(asked, words, data)`.

        The answer comes later: see `read_query(data["query_id"])`, `balances()`, or listen for
        `balance.low`. Inside an open transaction the question is stored with it, and a worker
        sends it after the commit. A second call with the same `idempotency_key` asks nothing and
        is answered as the first one, for a day.
        """
        return once(
            "query_balance", idempotency_key, business, {"short_code": short_code},
            lambda: _asked(
                queries.ask_balance,
                business=business, short_code=short_code, requested_by=requested_by,
            ),
        )  # fmt: skip

    @classmethod
    def query_transaction(
        cls,
        receipt: Any = "",
        *,
        originator_id: str = "",
        business: str = "",
        short_code: str = "",
        requested_by: Any = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Ask M-Pesa what became of a transaction, by receipt or by OriginatorConversationID.

        Answers as `query_balance`; the transaction need not be in the ledger.
        """
        about = {"receipt": str(receipt or ""), "originator_id": str(originator_id or "")}
        return once(
            "query_transaction", idempotency_key, business, {**about, "short_code": short_code},
            lambda: _asked(
                queries.ask_status, **about,
                business=business, short_code=short_code, requested_by=requested_by,
            ),
        )  # fmt: skip

    @classmethod
    def read_query(cls, query_id: Any, *, business: str = "") -> Answer:
        """How a question stands: `(answered, words, data)`; `data["answer"]` is the answer.

        Asks nobody.
        """
        try:
            wanted = UUID(str(query_id))
            query = MpesaQuery.objects.filter(public_id=wanted, business=business).first()
        except ValueError:
            query = None
        except DatabaseError:
            return False, AWAY, None
        if query is None:
            return False, "query_id: is not known for this business.", None
        standing = queries.standing_of(query)
        data = _describe(standing) | {"query_id": str(query.public_id)}
        return standing.state == QueryState.ANSWERED, _words(standing), data

    @classmethod
    def balances(cls, *, business: str = "", short_code: str = "") -> Answer:
        """What is known of the accounts, without asking: `data["accounts"]`, money as text.

        The first value is False where nothing is known yet.
        """
        try:
            narrowed = {"short_code": account_text(short_code)} if short_code else {}
            rows = list(latest_balances(business=business, **narrowed))
        except InvalidInput as error:
            return _refused(error)
        except DatabaseError:
            return False, AWAY, None
        told = "" if rows else "No balance is known yet: ask with query_balance()."
        return bool(rows), told or None, {"accounts": [_account(row) for row in rows]}


def _account(row: AccountBalance) -> dict[str, Any]:
    return {
        "short_code": row.short_code,
        "environment": row.environment,
        "account": row.account,
        "currency": row.currency,
        **{name: money(getattr(row, name)) for name in FIGURES},
        "as_of": row.as_of.isoformat(),
        "low": row.low_since is not None,
    }


def _asked(ask: Callable[..., MpesaQuery], **wanted: Any) -> Answer:
    # In the caller's transaction it may be rolled back, so it is sent after the commit.
    now = not in_transaction()
    try:
        query = ask(**wanted, now=now)
    except IntegrationError as error:
        return _refused(error)
    except DatabaseError:
        return False, AWAY, None
    return query.state in _GOOD, _words(query), _describe(query)


def _refused(error: IntegrationError) -> Answer:
    data: dict[str, Any] = {"query_id": "", "state": "refused", "code": error.code}
    if isinstance(error, InvalidInput):
        data["field"] = error.field
    return False, error.message, {**data, "help": help_url(error.code)}


def _words(query: MpesaQuery) -> str:
    return query.message or (ASKED if query.state in _GOOD else str(query.get_state_display()))


def _describe(query: MpesaQuery) -> dict[str, Any]:
    data: dict[str, Any] = {
        "query_id": str(query.public_id),
        "kind": str(QueryKind(query.kind)),
        "state": str(QueryState(query.state)),
        "short_code": query.short_code,
        "environment": query.environment,
        "code": query.result_code,
        "answer": query.answer,
    }
    if query.state not in _GOOD:
        data["help"] = help_url(query.result_code or "no_answer")
    return data
