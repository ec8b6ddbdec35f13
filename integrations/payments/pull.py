"""Fetching an account's transactions from M-Pesa: page by page, each stored before the next.

Source: Daraja reference, section 16. M-Pesa keeps 48 hours. Windows overlap, since what happened
late in one may be listed in the next; lines that come again are the same rows.
"""

from __future__ import annotations

import logging
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from integrations import work
from integrations.callback_address import check_callback_base, check_callback_words
from integrations.conf import hub_settings
from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError, IntegrationError
from integrations.logs import log_event
from integrations.models import Direction, LineKind, MpesaSettings, PullAccount
from integrations.payments import pulled
from integrations.payments.accounts import PROVIDER
from integrations.payments.opening import digest_of
from integrations.payments.statements.account import Books, books_of
from integrations.payments.statements.cells import cut
from integrations.payments.statements.reader import ReadLine
from integrations.payments.statements.store import store_pulled
from integrations.providers.mpesa.callbacks import PulledRow
from integrations.providers.mpesa.client import DarajaClient, PullPage
from integrations.work import Again, Done, Kept, Outcome
from integrations.work.clock import database_now
from integrations.work.run import handle_claim

logger = logging.getLogger(__name__)
QUEUE = "pulls"
ROUTE = "pull"
# What M-Pesa keeps, less the time that its clock and ours may be apart.
KEPT = timedelta(hours=48) - timedelta(minutes=2)
# A window begins later than that, so that nothing leaves M-Pesa's list while its pages are
# fetched: whatever came behind would move up, and a page further on would miss it.
REACH = KEPT - timedelta(minutes=30)
# A callback is on its way for as long; what is younger than this is left to it.
LAG = timedelta(minutes=2)
OVERLAP = timedelta(minutes=30)
# Seconds until an account is tried again after an error.
PAUSE_AFTER_ERROR = 300.0
# The longest that one page may take (the client's own limit is 30 seconds).
PAGE_SECONDS = 35.0
DEADLINE_SECONDS = 120.0
LEASE_SECONDS = 300.0
STATUS = "Completed"
UNREAD = "rows could not be read"


def watch_accounts() -> int:
    """Periodic: every account with pull switched on has its row, and is due; how many are new."""
    new = 0
    for row in MpesaSettings.objects.filter(pull_enabled=True).exclude(short_code=""):
        books = Books(PROVIDER, row.business, row.environment, row.short_code)
        account, is_new = PullAccount.objects.get_or_create(**books.as_values())
        new += is_new
        if account.next_attempt_at is None:
            work.schedule(account)
    return new


def pull(account: PullAccount) -> Outcome:
    """Handler of the queue: fetch what is new, apply it, come back after the interval."""
    try:
        config = _config_of(account)
        if config is None:
            return Done()
        client = DarajaClient(config)
        _register(account, client, config)
        pulled.apply_lines(Books.of(account))
        is_done = _fetch_window(account, client)
    except _TakenOver:
        return Kept()
    except IntegrationError as error:
        log_event(
            logger, logging.WARNING, "pull_failed", short_code=account.short_code,
            business=account.business, reason=error.message,
        )  # fmt: skip
        PullAccount.objects.filter(pk=account.pk).update(error=error.message[:300])
        return Again(delay_seconds=PAUSE_AFTER_ERROR, error=error.message, count_attempt=False)
    pause = hub_settings.pull_seconds if is_done else 0.0
    return Again(delay_seconds=pause, count_attempt=False)


class _TakenOver(Exception):
    """Another worker has the account; its pages count."""


def _config_of(account: PullAccount) -> Snapshot | None:
    """The account's settings; None where it is not to be pulled (any more)."""
    try:
        books, config = books_of(account.business, account.short_code)
    except ConfigurationError:
        return None
    is_same = books == Books.of(account)
    return config if is_same and config.values["pull_enabled"] and config.active else None


def _register(account: PullAccount, client: DarajaClient, config: Snapshot) -> None:
    """Tell M-Pesa once that this short code is pulled; told again is fine with it."""
    if account.registered_at is not None:
        return
    token = secrets.token_hex(16)
    url = callback_url(config, token)
    rows = PullAccount.objects.filter(pk=account.pk)
    rows.update(callback_digest=digest_of(token))
    client.register_pull(callback_url=url)
    account.registered_at = timezone.now()
    rows.update(registered_at=account.registered_at)


def callback_url(config: Snapshot, token: str) -> str:
    """The address that the registration names; raises ConfigurationError."""
    base = str(config.values["callback_base_url"] or hub_settings.public_base_url)
    path = reverse("integrations:callback", args=[ROUTE, token])
    url = check_callback_base(base, config.environment) + path
    check_callback_words(url)
    return url


def _fetch_window(account: PullAccount, client: DarajaClient) -> bool:
    """Fetch page after page, begun windows first; False where there was no time for all."""
    _open_window(account)
    while account.window_from is not None and account.window_to is not None:
        if not account.has_time_left(seconds=PAGE_SECONDS):
            return False
        begin, end = account.window_from, account.window_to
        page = client.pull(start=begin, end=end, offset=account.offset)
        is_last = _store(account, page)
        pulled.apply_lines(Books.of(account))
        if is_last:
            pulled.note_absent(Books.of(account), begin, end)
    return True


def _open_window(account: PullAccount) -> None:
    now = database_now()
    if account.window_from is not None and account.window_from >= now - KEPT:
        return  # A window is under way: go on with its next page.
    oldest = now - REACH
    known = account.fetched_to
    begin = max(oldest, known - OVERLAP) if known else oldest
    if known is not None and known < oldest:
        log_event(
            logger, logging.WARNING, "pull_gap", short_code=account.short_code,
            begin=known.isoformat(), end=oldest.isoformat(),
        )  # fmt: skip
    _change(account, window_from=begin, window_to=now - LAG, offset=0, last_lines=0)


def _store(account: PullAccount, page: PullPage) -> bool:
    """The page's lines and the place of the next page, in one transaction.

    Whether it was the window's last page.
    """
    window = (account.window_from, account.window_to)
    lines = [line_of(row, window[1]) for row in page.rows]
    with transaction.atomic():
        new = store_pulled(Books.of(account), _numbered(lines))
        values: dict[str, Any] = {
            "offset": account.offset + page.size,
            "last_lines": account.last_lines + new,
            "error": account.error if account.offset and UNREAD in account.error else "",
        }
        if page.wrong:
            told = f"{len(page.wrong)} {UNREAD}: {page.wrong[0]}"
            log_event(logger, logging.ERROR, "pull_bad_rows", rows="; ".join(page.wrong[:10]))
            values["error"] = told[:300]
        is_last = not page.has_more or not page.size
        if is_last:
            values.update(
                fetched_from=_covered_from(account), fetched_to=window[1],
                window_from=None, window_to=None, offset=0,
            )  # fmt: skip
        _change(account, **values)
    return is_last


def _covered_from(account: PullAccount) -> datetime | None:
    """Since when nothing is missing, now that the window is fetched whole."""
    is_joined = (
        account.fetched_from is not None
        and account.fetched_to is not None
        and account.window_from is not None
        and account.window_from <= account.fetched_to
    )
    return account.fetched_from if is_joined else account.window_from


def _change(account: PullAccount, **values: Any) -> None:
    """Change our row while it is ours; raises _TakenOver where it is not."""
    ours = PullAccount.objects.filter(pk=account.pk, claim_token=account.claim_token)
    if not ours.update(**values):
        raise _TakenOver
    for name, value in values.items():
        setattr(account, name, value)


def line_of(row: PulledRow, end: datetime | None) -> ReadLine:
    """A pulled row as a line: incoming money, which is all that M-Pesa lists here.

    A row without a time counts as of the window's end.
    """
    party = " - ".join(part for part in (row.msisdn, row.sender) if part)
    return ReadLine(
        receipt=row.receipt.upper(),
        at=row.at or end or timezone.now(),
        direction=Direction.IN.value,
        kind=LineKind.PAYMENT.value,
        amount=row.amount,
        currency="KES",
        status=STATUS,
        is_completed=True,
        details=cut(row.kind, 300),
        party=cut(party, 160),
        reference=cut(row.bill_ref, 64),
        linked="",
        balance=None,
    )


def _numbered(lines: list[ReadLine]) -> list[ReadLine]:
    """A receipt is one payment here: a row that a page repeats is left out."""
    return list({(line.receipt, line.amount): line for line in lines}.values())


def pull_now(business: str = "", short_code: str = "") -> PullAccount:
    """Fetch an account right now, in the calling thread; the account as it stands afterwards.

    Raises ConfigurationError and InvalidInput as `books_of`, ConfigurationError where pull is
    switched off, and IntegrationError where a worker has the account in hand.
    """
    books, config = books_of(business, short_code)
    if not config.values["pull_enabled"]:
        raise ConfigurationError(
            "Pull is not switched on in the M-Pesa settings of this account.", code="pull_off"
        )
    account, _ = PullAccount.objects.get_or_create(**books.as_values())
    work.schedule(account)
    queue = work.get_queue(QUEUE)
    claim = work.claim_rows(queue, limit=1, only="AND id = %s", params=[account.pk])
    if not claim.rows:
        raise IntegrationError("A worker is fetching this account right now.", code="pull_busy")
    handle_claim(queue, claim)
    account.refresh_from_db()
    return account
