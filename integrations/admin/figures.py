"""Figures of the start page: counted from the rows that the linked list would show.

Each figure starts from the list's own queryset, so businesses and permissions narrow both alike.
Everything is found by an index or counted up to a bound; no table is counted whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.http import HttpRequest
from django.utils.timesince import timesince

from integrations import approvals, work
from integrations.admin.badges import Badge, environment_badge
from integrations.admin.kra_invoices import KRAInvoiceAdmin
from integrations.admin.payments import PaymentAdmin
from integrations.admin.retry import RetryDeadAdmin
from integrations.admin.secret_form import spelled
from integrations.admin.theme import list_url, model_page
from integrations.admin.webhook_events import WebhookEventAdmin
from integrations.models import CallbackStatus, Direction, PaymentState, ProviderCall

S = PaymentState
NAIROBI = ZoneInfo("Africa/Nairobi")
BOUND = 1000
FINAL = (S.SUCCEEDED, S.FAILED, S.CANCELLED, S.EXPIRED)
_OUTCOME = ProviderCall.Outcome
_VERBS = {Direction.IN: "received", Direction.OUT: "paid out"}
_ENDED_WELL = {Direction.IN: "succeeded", Direction.OUT: "went out"}
NOT_DONE = (_OUTCOME.REFUSED, _OUTCOME.FAILED, _OUTCOME.UNKNOWN)


@dataclass(frozen=True)
class Figure:
    """A number that leads to its rows. `label` says what it counts."""

    text: str
    url: str
    label: str = ""
    badge: Badge | None = None


@dataclass(frozen=True)
class Card:
    """A titled figure and finer ones below it; `tone` is good, bad, warn or calm."""

    title: str
    figure: Figure | None
    lines: list[Figure] = field(default_factory=list)
    tone: str = "calm"
    note: str = ""
    # A page that says more.
    page: Figure | None = None


@dataclass(frozen=True)
class QueueLine:
    """One queue: what is due, for how long, and what was given up."""

    name: str
    due: Figure
    age: str
    dead: Figure
    tone: str


class Rows:
    """The rows of one list as the user sees it, and links into that list."""

    def __init__(self, request: HttpRequest, page: Any) -> None:
        self.url = list_url(page.model)
        self.query: QuerySet[Any] = page.get_queryset(request).order_by()

    @classmethod
    def of(cls, request: HttpRequest, label: str) -> Rows | None:
        """The rows of the model with this label; None where the user may not see its list."""
        page = model_page(label)
        if page is None or not page.has_view_or_change_permission(request):
            return None
        return cls(request, page)

    @classmethod
    def of_queue(cls, request: HttpRequest, label: str) -> Rows | None:
        """The same for a queue; None as well where its page is no list of rows (key rotation)."""
        lists = (PaymentAdmin, RetryDeadAdmin, WebhookEventAdmin, KRAInvoiceAdmin)
        is_list = isinstance(model_page(label), lists)
        return cls.of(request, label) if is_list else None

    def link(self, **lookups: Any) -> str:
        """The list, filtered by lookups as the admin's address line takes them."""
        return f"{self.url}?{urlencode(lookups)}"

    def counted(self, label: str, **lookups: str) -> Figure:
        """How many rows have these values, up to the bound; `attention` counts reasons."""
        if lookups.get("attention"):
            found = self.query.exclude(attention="")
        else:
            found = self.query.filter(**lookups)
        return Figure(bounded(found[: BOUND + 1].count()), self.link(**lookups), label)


def bounded(count: int) -> str:
    """ "12", or "1,000+" where counting stopped."""
    return f"{count:,}" if count <= BOUND else f"{BOUND:,}+"


def payment_cards(rows: Rows, now: datetime) -> list[Card]:
    """Today's payments, how many succeed, and what waits for somebody."""
    midnight = now.astimezone(NAIROBI).replace(hour=0, minute=0, second=0, microsecond=0)
    since = day_before(now)
    groups = list(
        rows.query.filter(created_at__gte=since)
        .values("direction", "environment", "currency", "state")
        .annotate(
            day=Count("pk"),
            today=Count("pk", filter=Q(created_at__gte=midnight)),
            sum_today=Sum("amount", filter=Q(created_at__gte=midnight)),
        )
        .order_by("direction", "environment", "currency")
    )
    unknown = rows.counted("payments", state__exact=S.UNKNOWN.value)
    attention = rows.counted("payments", attention="yes")
    return [
        _today(rows, groups, midnight),
        _success(rows, groups, since),
        Card("Outcome unknown", unknown, tone=_tone(unknown, "warn"),
             note="Asked about by itself; never sent again."),
        Card("Needs a person", attention, tone=_tone(attention, "bad"),
             note="The product can't settle these alone."),
    ]  # fmt: skip


def _today(rows: Rows, groups: list[dict[str, Any]], midnight: datetime) -> Card:
    since = midnight.isoformat()
    count = sum(group["today"] for group in groups)
    lines = [
        Figure(
            f"{group['currency']} {group['sum_today']:,.2f}",
            rows.link(created_at__gte=since, environment__exact=group["environment"],
                      currency__exact=group["currency"], state__exact=S.SUCCEEDED.value,
                      direction__exact=group["direction"]),
            f"{_VERBS[group['direction']]} in {group['today']:,}",
            environment_badge(group["environment"]),
        )
        for group in groups
        if group["state"] == S.SUCCEEDED and group["today"]
    ]  # fmt: skip
    note = "" if lines else "Nothing received or paid out yet."
    return Card("Payments today", Figure(f"{count:,}", rows.link(created_at__gte=since), "started"),
                lines, note=note)  # fmt: skip


def _success(rows: Rows, groups: list[dict[str, Any]], since: datetime) -> Card:
    """One rate for each direction and environment: sandbox payments say nothing about real ones,
    and payouts that succeed nothing about payers who cancel."""
    lines = []
    for way, name in dict.fromkeys((g["direction"], g["environment"]) for g in groups):
        here = [g for g in groups if (g["direction"], g["environment"]) == (way, name)]
        final = [g for g in here if g["state"] in FINAL]
        all_ended = sum(group["day"] for group in final)
        good = sum(group["day"] for group in final if group["state"] == S.SUCCEEDED)
        if not all_ended:
            continue
        where = {"created_at__gte": since.isoformat(), "environment__exact": name,
                 "direction__exact": way}  # fmt: skip
        badge = environment_badge(name)
        lines += [
            Figure(f"{100 * good / all_ended:.0f} %",
                   rows.link(**where, state__exact=S.SUCCEEDED.value),
                   f"{good:,} {_ENDED_WELL[way]}", badge),
            Figure(f"{all_ended:,}", rows.link(**where, state__in=",".join(FINAL)), "ended", badge),
        ]  # fmt: skip
    return Card("Success, last 24 hours", None, lines,
                note="" if lines else "No payment has ended.")  # fmt: skip


def approval_card(request: HttpRequest, rows: Rows) -> Card:
    """What waits for this reader's decision, and what it comes to."""
    mine = approvals.decidable_by(request.user, rows.query)
    sums = list(mine.values("currency").annotate(n=Count("pk"), sum=Sum("amount")))
    total = Figure(f"{sum(each['n'] for each in sums):,}", rows.link(standing="mine"), "requests")
    lines = [
        Figure(f"{each['currency']} {each['sum']:,.2f}",
               rows.link(standing="mine", currency__exact=each["currency"]),
               f"in {each['n']:,}")
        for each in sorted(sums, key=lambda each: str(each["currency"]))
    ]  # fmt: skip
    return Card("Waiting for your approval", total, lines, tone=_tone(total, "warn"),
                note="" if lines else "Nothing waits for you.")  # fmt: skip


def callback_card(rows: Rows) -> Card:
    """Callbacks that nobody believed."""
    figure = rows.counted("callbacks", status__exact=CallbackStatus.QUARANTINED.value)
    return Card("Quarantined callbacks", figure, tone=_tone(figure, "warn"),
                note="Kept for people; each says why.")  # fmt: skip


def balance_card(rows: Rows) -> Card:
    """Accounts with less than the limit of their settings, as far as is known."""
    low = rows.query.filter(is_latest=True, low_since__isnull=False)
    figure = Figure(bounded(low[: BOUND + 1].count()), rows.link(shown="low"), "accounts")
    return Card("Low balances", figure, tone=_tone(figure, "bad"),
                note="By the last answer of M-Pesa.")  # fmt: skip


def initiator_card(rows: Rows) -> Card:
    """Initiators that M-Pesa refuses: calls in their name are held back."""
    raised = rows.query.filter(raised_at__isnull=False)
    figure = Figure(bounded(raised[: BOUND + 1].count()), rows.link(state="held"), "initiators")
    note = "Password wrong, expired or locked: change it in the portal and here."
    return Card("Initiators refused", figure, tone=_tone(figure, "bad"),
                note=note if figure.text != "0" else "")  # fmt: skip


def call_card(rows: Rows, now: datetime) -> Card:
    """Calls to providers of the last 24 hours."""
    since = day_before(now)
    found = rows.query.filter(created_at__gte=since).values_list("outcome").annotate(Count("pk"))
    counts: dict[str, int] = dict(found)
    where = {"created_at__gte": since.isoformat()}
    failures = sum(counts.get(outcome, 0) for outcome in NOT_DONE)
    blocked = counts.get(_OUTCOME.BLOCKED, 0)
    lines = [
        Figure(f"{failures:,}", rows.link(**where, outcome__in=",".join(NOT_DONE)), "failures"),
        Figure(f"{blocked:,}", rows.link(**where, outcome__exact=_OUTCOME.BLOCKED.value),
               "stopped here, not sent"),
    ]  # fmt: skip
    total = Figure(f"{sum(counts.values()):,}", rows.link(**where), "calls")
    return Card("Provider calls, last 24 hours", total, lines,
                tone="warn" if failures else "calm")  # fmt: skip


def queue_lines(request: HttpRequest, now: datetime) -> list[QueueLine]:
    """Every queue whose list the user may see."""
    found = ((queue, Rows.of_queue(request, queue.model._meta.label)) for queue in work.queues())
    return [_queue_line(queue.name, rows, now) for queue, rows in found if rows]


def _queue_line(name: str, rows: Rows, now: datetime) -> QueueLine:
    due = rows.query.filter(next_attempt_at__lte=now).order_by("next_attempt_at")
    told = due[: BOUND + 1].aggregate(count=Count("pk"), oldest=Min("next_attempt_at"))
    dead = rows.counted("dead", work_state__exact=work.WorkState.DEAD.value)
    figure = Figure(bounded(told["count"]), rows.link(next_attempt_at__lte=now.isoformat()), "due")
    age = _age(told["oldest"], now) if told["oldest"] else ""
    title = spelled(name.replace("-", " ").replace("_", " ").capitalize())
    return QueueLine(title, figure, age, dead, _tone(dead, "bad"))


def _age(since: datetime, now: datetime) -> str:
    minute = timedelta(minutes=1)
    return timesince(since, now, depth=1) if now - since >= minute else "under a minute"


def dead_letters(lines: Iterable[QueueLine]) -> Card:
    """What was given up, by queue: nothing brings it back but a person."""
    with_dead = [line for line in lines if line.dead.text != "0"]
    shown = [Figure(line.dead.text, line.dead.url, line.name) for line in with_dead]
    return Card("Dead letters", None, shown, tone="bad" if shown else "calm",
                note="" if shown else "Nothing was given up.")  # fmt: skip


def day_before(now: datetime) -> datetime:
    """24 hours ago, in whole seconds, as links carry it."""
    return (now - timedelta(hours=24)).replace(microsecond=0)


def _tone(figure: Figure, tone: str) -> str:
    return "calm" if figure.text == "0" else tone
