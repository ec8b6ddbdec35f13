"""Balances as rows: what an answer told, and which accounts crossed the limit of the settings."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from integrations.events import publish
from integrations.exceptions import ConfigurationError, ConfigurationUnavailable, InvalidInput
from integrations.logs import log_event
from integrations.metrics import balance_alarms
from integrations.models import AccountBalance, MpesaQuery
from integrations.payments.accounts import PROVIDER, account_of
from integrations.providers.mpesa.callbacks import AccountBalance as ToldAccount
from integrations.providers.mpesa.callbacks import BalanceResult

logger = logging.getLogger(__name__)
FIGURES = ("current", "available", "reserved", "uncleared")
_LARGEST = Decimal(10) ** 14
_CENT = Decimal("0.01")
# The settings' limit is in this currency.
LIMIT_CURRENCY = "KES"


class Limit:
    """From which amount on an account is low, and which accounts are left out."""

    def __init__(self, business: str, short_code: str) -> None:
        values: dict[str, Any] = {}
        try:
            values = dict(account_of(PROVIDER, business, short_code).values)
        except ConfigurationUnavailable:
            raise
        except ConfigurationError:
            pass  # An answer that outlives its settings is kept, and alarms nobody.
        self.amount: int | None = values.get("low_balance")
        names = str(values.get("low_balance_except") or "").split(",")
        self.left_out = {name.strip().casefold() for name in names}

    def is_low(self, row: AccountBalance) -> bool:
        """Whether the account has less than the limit."""
        if self.amount is None or row.currency != LIMIT_CURRENCY:
            return False
        return row.account.casefold() not in self.left_out and row.usable < self.amount


def latest_balances(**account: str) -> QuerySet[AccountBalance]:
    """What is known of accounts, without asking: one row each; `account` narrows."""
    rows = AccountBalance.objects.filter(is_latest=True, **account)
    return rows.order_by("business", "short_code", "account", "currency")


def record(query: MpesaQuery, told: BalanceResult) -> list[AccountBalance]:
    """Store the answer's accounts, inside the transaction that settles the question.

    An answer that is older than the one that is known becomes history. Raises InvalidInput for
    an amount that can't be stored exactly.
    """
    account = {
        "business": query.business,
        "environment": query.environment,
        "short_code": query.short_code,
    }
    as_of = told.at or timezone.now()
    locked = AccountBalance.objects.select_for_update().filter(is_latest=True, **account)
    before = {(row.account, row.currency): row for row in locked.order_by("pk")}
    is_latest = all(row.as_of <= as_of for row in before.values())
    rows = [
        AccountBalance(
            **account, query=query, account=name, currency=item.currency, as_of=as_of,
            is_latest=is_latest, **{each: _exact(getattr(item, each)) for each in FIGURES},
        )
        for name, item in _named(told.accounts)
    ]  # fmt: skip
    if is_latest:
        limit = Limit(query.business, query.short_code)
        for row in rows:
            _compare(row, before.get((row.account, row.currency)), limit, as_of)
        AccountBalance.objects.filter(pk__in=[row.pk for row in before.values()]).update(
            is_latest=False
        )
    return AccountBalance.objects.bulk_create(rows)


def _named(accounts: Iterable[ToldAccount]) -> Iterable[tuple[str, ToldAccount]]:
    """The accounts by names that differ, should M-Pesa ever use one twice."""
    seen: dict[tuple[str, str], int] = {}
    for item in accounts:
        key = (item.name, item.currency)
        seen[key] = seen.get(key, 0) + 1
        yield (item.name if seen[key] == 1 else f"{item.name} ({seen[key]})"), item


def _exact(amount: Decimal | None) -> Decimal | None:
    if amount is None:
        return None
    if abs(amount) >= _LARGEST or amount != amount.quantize(_CENT):
        raise InvalidInput("AccountBalance", "has an amount that no account holds.")
    return amount


def _compare(
    row: AccountBalance, before: AccountBalance | None, limit: Limit, as_of: datetime
) -> None:
    """Tell of a crossing once: an account that stays low is not told of again."""
    was_low = before is not None and before.low_since is not None
    if limit.is_low(row):
        row.low_since = before.low_since if before is not None and was_low else as_of
        if not was_low:
            publish("balance.low", _describe(row, limit), row.business)
            _tell(row, "low")
    elif was_low and limit.amount is not None:
        publish("balance.recovered", _describe(row, limit), row.business)
        _tell(row, "recovered")


def _tell(row: AccountBalance, change: str) -> None:
    balance_alarms.add(change)
    log_event(
        logger, logging.WARNING, f"balance_{change}", short_code=row.short_code,
        business=row.business, environment=row.environment, account=row.account,
    )  # fmt: skip


def _describe(row: AccountBalance, limit: Limit) -> dict[str, Any]:
    return {
        "provider": PROVIDER,
        "environment": row.environment,
        "short_code": row.short_code,
        "account": row.account,
        "currency": row.currency,
        "available": f"{row.usable:.2f}",
        "limit": f"{limit.amount}.00",
        "as_of": row.as_of.isoformat(),
    }


def as_json(told: BalanceResult) -> dict[str, Any]:
    """The answer in our words; money as text."""
    return {
        "as_of": told.at.isoformat() if told.at else "",
        "accounts": [
            {
                "account": item.name,
                "currency": item.currency,
                **{each: money(getattr(item, each)) for each in FIGURES},
            }
            for item in told.accounts
        ],
    }


def money(amount: Decimal | None) -> str:
    """An amount as text with two decimals, "" for none."""
    return "" if amount is None else f"{amount:.2f}"
