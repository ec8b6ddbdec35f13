"""Asking for balances every so often, account by account, never all at once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from random import SystemRandom

from django.db.models import Max

from integrations.config import Snapshot
from integrations.exceptions import IntegrationError
from integrations.models import MpesaQuery, MpesaSettings, QueryKind
from integrations.payments.accounts import account_config
from integrations.payments.initiator import initiator_is_held
from integrations.payments.queries import ask_balance
from integrations.work.clock import database_now

logger = logging.getLogger(__name__)
# Accounts asked about in one run. It comes every minute: where many have become due together
# (after a pause, or by the same interval), they are spread over the minutes that follow.
BATCH = 30
# ...and within the minute.
SPREAD_SECONDS = 50.0
_random = SystemRandom()


def refresh_balances() -> int:
    """The periodic job: ask about the accounts whose turn it is; how many were asked about."""
    asked = 0
    for business, short_code in _due()[:BATCH]:
        try:
            ask_balance(
                business=business, short_code=short_code,
                delay_seconds=_random.uniform(0.0, SPREAD_SECONDS),
            )  # fmt: skip
            asked += 1
        except IntegrationError as error:
            logger.warning("balances of %s are not asked for: %s", short_code, error.message)
    return asked


def _due() -> list[tuple[str, str]]:
    """Accounts whose last question is older than their interval, the longest waiting first."""
    now, found = database_now(), []
    for config, minutes in _scheduled():
        short_code = str(config.values["short_code"])
        questions = MpesaQuery.objects.filter(
            kind=QueryKind.ACCOUNT_BALANCE,
            business=config.business,
            environment=config.environment,
            short_code=short_code,
        )
        last = questions.aggregate(last=Max("created_at"))["last"]
        since = now - last if last else timedelta.max
        if since >= timedelta(minutes=minutes) and not initiator_is_held(config):
            found.append((since, config.business, short_code))
    found.sort(key=lambda item: item[0], reverse=True)
    return [(business, short_code) for _, business, short_code in found]


def _scheduled() -> Iterator[tuple[Snapshot, int]]:
    """The accounts that are asked about by themselves, with their interval in minutes."""
    rows = MpesaSettings.objects.exclude(balance_every_minutes=None).order_by("pk")
    keys = list(rows.values_list("business", "short_code"))
    if not MpesaSettings.objects.filter(business="").exists():
        keys.append(("", ""))  # The environment may speak for the installation.
    for business, short_code in keys:
        try:
            config = account_config(business, short_code)
        except IntegrationError:
            continue
        minutes = config.values.get("balance_every_minutes")
        if minutes and config.configured and config.active:
            yield config, int(minutes)
