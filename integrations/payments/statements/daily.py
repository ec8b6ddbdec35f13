"""The daily comparison of accounts whose transactions are pulled: incoming money only."""

from __future__ import annotations

from integrations.models import PullAccount
from integrations.payments.statements.account import Books
from integrations.payments.statements.start import compare_day, yesterday


def compare_yesterday() -> int:
    """Periodic: a run over yesterday for every account that was fetched from end to end of it.

    How many accounts have one now. The same day is one run, however often this is called.
    """
    begin, end = yesterday()
    accounts = PullAccount.objects.filter(fetched_from__lte=begin, fetched_to__gt=end)
    return len([compare_day(Books.of(account), begin, end) for account in accounts])
