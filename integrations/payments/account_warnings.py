"""What people should know about M-Pesa accounts, in sentences, without asking anybody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from integrations.models import AccountBalance, InitiatorAlarm, MpesaSettings
from integrations.payments.initiator import age_warning, in_words
from integrations.payments.work_list import Line, Source, register

_Account = tuple[str, str, str]
# Low accounts that are named one by one, over all rows.
MOST_NAMED = 20
REFUSED = "M-Pesa refuses the initiator's password, and calls in its name wait."


def warnings_of(rows: Sequence[Any]) -> dict[Any, list[str]]:
    """Sentences by the settings rows' primary keys; a row about which there is nothing is left out.

    Two queries, however many rows.
    """
    settings = [row for row in rows if isinstance(row, MpesaSettings)]
    alarms = _held(settings)
    low = _low(settings)
    found: dict[Any, list[str]] = {}
    for row in settings:
        account = _account(row)
        told = [in_words({"initiator_password_days": row.initiator_password_days})]
        sentences = told if account in alarms else [age_warning(row)]
        sentences += [_low_words(balance) for balance in low[account]]
        if any(sentences):
            found[row.pk] = [sentence for sentence in sentences if sentence]
    return found


def _account(row: Any) -> _Account:
    return (row.business, str(row.environment), row.short_code)


def _of_rows(rows: QuerySet[Any], settings: Sequence[MpesaSettings]) -> QuerySet[Any]:
    return rows.filter(
        business__in={row.business for row in settings},
        short_code__in={row.short_code for row in settings},
    )


def _held(settings: Sequence[MpesaSettings]) -> set[_Account]:
    raised = InitiatorAlarm.objects.filter(raised_at__isnull=False)
    return {_account(alarm) for alarm in _of_rows(raised, settings)}


def _low(settings: Sequence[MpesaSettings]) -> dict[_Account, list[AccountBalance]]:
    rows = AccountBalance.objects.filter(is_latest=True, low_since__isnull=False)
    found: dict[_Account, list[AccountBalance]] = defaultdict(list)
    for balance in _of_rows(rows, settings)[:MOST_NAMED]:
        found[_account(balance)].append(balance)
    return found


def _low_words(balance: AccountBalance) -> str:
    return (
        f"{balance.account} of {balance.short_code} is low: "
        f"{balance.currency} {balance.usable:,.2f}."
    )


def _alarm_rows() -> QuerySet[InitiatorAlarm]:
    return InitiatorAlarm.objects.filter(raised_at__isnull=False).order_by("-id")


def _alarm_line(alarm: InitiatorAlarm) -> Line:
    return Line(
        pk=alarm.pk,
        since=alarm.raised_at or alarm.last_failed_at or timezone.now(),
        business=alarm.business,
        amount=None,
        currency="",
        reference=alarm.short_code,
        reason=REFUSED,
    )


def _low_rows() -> QuerySet[AccountBalance]:
    rows = AccountBalance.objects.filter(is_latest=True, low_since__isnull=False)
    return rows.order_by("-id")


def _low_line(balance: AccountBalance) -> Line:
    return Line(
        pk=balance.pk,
        since=balance.low_since or balance.as_of,
        business=balance.business,
        amount=balance.usable,
        currency=balance.currency,
        reference=balance.short_code,
        reason=_low_words(balance),
    )


def register_sources() -> None:
    """Put what waits for people on the work list; safe to run twice."""
    for source in (
        Source(
            name="initiators",
            title="Initiators that M-Pesa refuses",
            model=InitiatorAlarm,
            rows=_alarm_rows,
            line=_alarm_line,
            list_query="state=held",
        ),
        Source(
            name="low_balances",
            title="Accounts with little money",
            model=AccountBalance,
            rows=_low_rows,
            line=_low_line,
            list_query="shown=low",
        ),
    ):
        register(source)
