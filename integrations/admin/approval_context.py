"""What an approver should know beside the facts: what is like it, and what came before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.urls import reverse
from django.utils import timezone

from integrations.admin.badges import Badge, environment_badge, payment_badge
from integrations.models import BatchState, Direction, Payment, PayoutBatch, Product
from integrations.models import PaymentState as S

SHOWN = 10
TWINS = 3
# Payouts that did not go out are no reason to doubt another one.
NOT_PAID = (S.FAILED, S.CANCELLED, S.EXPIRED, S.VOIDED)
ALIKE_WITHIN = timedelta(hours=24)


@dataclass(frozen=True)
class Cell:
    """One cell of a table: text, a link where it has one, or a badge."""

    text: str
    url: str = ""
    badge: Badge | None = None


@dataclass(frozen=True)
class Table:
    """A titled table; `empty` is said where it has no rows."""

    title: str
    header: tuple[str, ...]
    rows: list[list[Cell]]
    empty: str = ""


@dataclass(frozen=True)
class Context:
    """What stands beside the facts of one subject."""

    url: str = ""
    environment: Badge | None = None
    warnings: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


Link = Callable[[Payment], str]


def context_of(subject: Any, *, may_open: bool) -> Context:
    """The context of a subject of whatever kind; an empty one where nothing is known of it.

    `may_open` says whether the reader may open payments; without it nothing links to them.
    """
    build = _BUILDERS.get(type(subject))
    return build(subject, payment_url if may_open else _no_link) if build else Context()


def payment_url(payment: Payment) -> str:
    """The page of a payment."""
    return reverse("admin:integrations_payment_change", args=[payment.pk])


def _no_link(_payment: Payment) -> str:
    return ""


def _of_payment(payment: Payment, link: Link) -> Context:
    tables = [_payee_table(payment, link)]
    if payment.product == Product.REVERSAL and payment.original is not None:
        tables = [_original_table(payment.original, link), *tables]
    badge = environment_badge(payment.environment)
    return Context(link(payment), badge, look_alikes(payment), tables)


def look_alikes(payment: Payment) -> list[str]:
    """Sentences about payouts of the same business that look like this one."""
    others = _outgoing(payment).exclude(state__in=NOT_PAID)
    since = timezone.now() - ALIKE_WITHIN
    to_same = others.filter(phone=payment.phone, amount=payment.amount, created_at__gte=since)
    reference = payment.account_reference
    for_same = others.filter(account_reference=reference)
    for_same = for_same.exclude(phone=payment.phone, amount=payment.amount)
    return [
        *(f"The same receiver, the same amount: {_told(twin)}."
          for twin in (to_same[:TWINS] if payment.phone else ())),
        *(f"The same reference, {reference}: {_told(twin)}."
          for twin in (for_same[:TWINS] if reference else ())),
    ]  # fmt: skip


def _told(payment: Payment) -> str:
    return (
        f"{payment.currency} {payment.amount:,.2f} to {payment.phone}, "
        f"{when(payment.created_at)}, {payment.get_state_display().lower()}"
    )


def _outgoing(payment: Payment) -> QuerySet[Payment]:
    """The other payments out of the business and the environment, newest first."""
    rows = Payment.objects.filter(
        business=payment.business, environment=payment.environment, direction=Direction.OUT
    )
    return rows.exclude(pk=payment.pk).order_by("-pk")


def _payee_table(payment: Payment, link: Link) -> Table:
    rows = _outgoing(payment)
    rows = rows.filter(phone=payment.phone) if payment.phone else rows.none()
    return Table(
        "Paid out to the same number before",
        ("When", "Amount", "Reference", "State"),
        [_line(each, link) for each in rows[:SHOWN]],
        "Nothing: this number is new here.",
    )


def _original_table(original: Payment, link: Link) -> Table:
    others = original.reversals.exclude(state__in=NOT_PAID)
    given_back = others.aggregate(total=Sum("amount"))["total"] or 0
    rows = [_line(original, link), *(_line(each, link) for each in others.order_by("-pk")[:SHOWN])]
    title = (
        f"The payment that is reversed, and its reversals: {original.currency} {given_back:,.2f} "
        f"of {original.amount:,.2f}, this one included"
    )
    return Table(title, ("When", "Amount", "Reference", "State"), rows)


def _line(payment: Payment, link: Link) -> list[Cell]:
    return [
        Cell(when(payment.created_at), link(payment)),
        Cell(f"{payment.currency} {payment.amount:,.2f}"),
        Cell(payment.receipt or payment.account_reference),
        Cell(payment.get_state_display(), badge=payment_badge(payment.state)),
    ]


def _of_batch(batch: PayoutBatch, link: Link) -> Context:
    warnings = []
    twins = PayoutBatch.objects.filter(digest=batch.digest, business=batch.business)
    for twin in twins.exclude(pk=batch.pk).exclude(state=BatchState.CANCELLED)[:TWINS]:
        told = f"{when(twin.created_at)}, {twin.get_state_display().lower()}"
        warnings.append(f"The same file was given before: {told}.")
    repeated = batch.rows.order_by().values("phone").annotate(n=Count("pk")).filter(n__gt=1)
    if count := repeated.count():
        warnings.append(f"{count:,} numbers stand in it more than once.")
    largest = [_line(row, link) for row in batch.rows.order_by("-amount", "pk")[:SHOWN]]
    table = Table("The largest payouts in it", ("When", "Amount", "Reference", "State"), largest)
    url = reverse("admin:integrations_payoutbatch_change", args=[batch.pk])
    return Context(url, environment_badge(batch.environment), warnings, [table])


def when(moment: Any) -> str:
    """An instant as the approval pages tell it."""
    return f"{timezone.localtime(moment):%d %b %Y, %H:%M}"


_BUILDERS: dict[type[Any], Callable[[Any, Link], Context]] = {
    Payment: _of_payment,
    PayoutBatch: _of_batch,
}
