"""Whose books a statement is of, and which payments they may speak about.

A business's statement never moves or shows another business's payment, whatever short code it
claims: the account is the one that the settings name, and the payments are those that these
settings serve.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.models import MpesaSettings, Payment, StatementLine
from integrations.models.statement import Account
from integrations.payments.accounts import PROVIDER, account_config, account_text


@dataclass(frozen=True, slots=True)
class Books:
    """One account: its provider, owner, environment and short code."""

    provider: str
    business: str
    environment: str
    short_code: str

    @classmethod
    def of(cls, row: Account) -> Books:
        """The account of a stored row."""
        return cls(row.provider, row.business, row.environment, row.short_code)

    def as_values(self) -> dict[str, Any]:
        """The columns by which rows belong to the account."""
        return {name: getattr(self, name) for name in self.__slots__}

    def lines(self) -> QuerySet[StatementLine]:
        """Every stored line of the account."""
        return StatementLine.objects.filter(**self.as_values())

    def payments(self) -> QuerySet[Payment]:
        """Every payment that the account's settings serve.

        The installation's account also serves the businesses that have no settings of their own
        for its short code.
        """
        rows = Payment.objects.filter(
            provider=self.provider, environment=self.environment, short_code=self.short_code
        )
        if self.business:
            return rows.filter(business=self.business)
        return rows.exclude(business__in=_with_own_settings(self.short_code))

    def served(self, payments: Iterable[Payment]) -> list[Payment]:
        """Those of `payments` that `payments()` would have."""
        same = [
            payment
            for payment in payments
            if (payment.provider, payment.environment, payment.short_code)
            == (self.provider, self.environment, self.short_code)
        ]
        if self.business:
            return [payment for payment in same if payment.business == self.business]
        others = {payment.business for payment in same} - {""}
        own = (
            set(_with_own_settings(self.short_code).filter(business__in=others))
            if others
            else set()
        )
        return [payment for payment in same if payment.business not in own]


def _with_own_settings(short_code: str) -> QuerySet[MpesaSettings, str]:
    """The businesses that have this short code in settings of their own."""
    rows = MpesaSettings.objects.filter(short_code=short_code).exclude(business="")
    return rows.values_list("business", flat=True).distinct()


def books_of(business: str, short_code: str = "") -> tuple[Books, Snapshot]:
    """An account of a business, "" for its main one, and its settings.

    Raises ConfigurationError where there are none (code "unknown_account" for a short code
    without settings), and InvalidInput where the business only borrows the installation's account.
    """
    config = account_config(business, account_text(short_code))
    config.require_configured()
    if business and owner_of(config) != business:
        raise InvalidInput(
            "business", "uses the installation's account: its statement belongs to that one.",
            code="statement_account",
        )  # fmt: skip
    return Books(PROVIDER, business, config.environment, str(config.values["short_code"])), config


def owner_of(config: Snapshot) -> str:
    """The business whose row the settings are; "" for the installation's and the environment's."""
    if config.row_id is None:
        return ""
    found = MpesaSettings.objects.filter(pk=config.row_id).values_list("business", flat=True)
    return next(iter(found), "")
