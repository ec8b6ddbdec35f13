"""Limits that hold for a day: what a phone is asked for, what it is paid, what a short code pays.

The day is Nairobi's. A payment counts on the day on which it was stored, from that moment on, and
no longer once it is certain that it moved no money. Each limit is one of the settings row that
serves the business, and counts that business's payments alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet, Sum

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.models import Finding, Payment, PaymentState, PayoutBatch, Product
from integrations.payments.states import REVISABLE
from integrations.phone import mask_phone
from integrations.providers.mpesa.payloads import NAIROBI
from integrations.work.clock import database_now

# `states.is_retry_safe` in SQL: it ended unpaid, and nobody says otherwise.
_UNPAID = Q(state__in=REVISABLE, attention="") & ~Q(finding=Finding.PAID)
_NOT_COUNTED = _UNPAID | Q(state__in=(PaymentState.VOIDED, PaymentState.MERGED))

# Phones of a file that are told one by one.
TOLD = 10


@dataclass(frozen=True, slots=True)
class DailyLimit:
    """One limit of a settings row: `field` names it, `holder` says in words whom it binds."""

    field: str
    product: Product
    column: str
    holder: str
    verb: str

    def like(self, payment: Payment) -> QuerySet[Payment]:
        """The payments that are counted together with this one."""
        return self.any_like(payment).filter(**{self.column: getattr(payment, self.column)})

    def any_like(self, payment: Payment) -> QuerySet[Payment]:
        """The payments that count, whoever their holder is."""
        return Payment.objects.filter(
            business=payment.business,
            environment=payment.environment,
            product=self.product,
            direction=payment.direction,
        ).exclude(_NOT_COUNTED)


# In the order in which they are locked: the same for everybody, or two could wait for each other.
LIMITS = (
    DailyLimit("payer_daily_limit", Product.STK_PUSH, "phone", "this phone", "asked for"),
    DailyLimit("payout_daily_limit", Product.B2C, "short_code", "this short code", "paid out"),
    DailyLimit("payee_daily_limit", Product.B2C, "phone", "this phone", "paid out"),
)


def reserve(config: Snapshot, payment: Payment, now: datetime | None = None) -> None:
    """Count a payment that was just stored against the daily limits of its settings.

    To be called in the transaction that inserted it, right after the insert: of two at once the
    second waits here for the end of the first one's transaction, and then sees it. `now` is the
    database's clock unless given. Raises InvalidInput ("amount_over_daily_limit") naming limit,
    what counts already and what was asked; the caller lets the transaction roll back.
    """
    limits = list(_limits_of(config, payment))
    if not limits:
        return
    moment = now or database_now()
    start = moment.astimezone(NAIROBI).replace(hour=0, minute=0, second=0, microsecond=0)
    for limit, most in limits:
        _wait_for_turn(limit, payment)
        before = limit.like(payment).filter(created_at__gte=start).exclude(pk=payment.pk)
        spent = before.aggregate(total=Sum("amount"))["total"] or Decimal(0)
        if spent + payment.amount > most:
            raise _over(limit, payment.amount, most=most, spent=spent)


def _limits_of(config: Snapshot, payment: Payment) -> Iterator[tuple[DailyLimit, int]]:
    for limit in LIMITS:
        most = config.values.get(limit.field)
        if limit.product == payment.product and most is not None:
            yield limit, int(most)


def reserve_batch(config: Snapshot, batch: PayoutBatch, now: datetime | None = None) -> None:
    """The same for all payouts of a file, which were just stored in this transaction.

    Raises InvalidInput ("amount_over_daily_limit") for the file's total, and for the first phones
    that would be paid too much.
    """
    first = batch.rows.order_by("pk").first()
    if first is None:
        return
    moment = now or database_now()
    start = moment.astimezone(NAIROBI).replace(hour=0, minute=0, second=0, microsecond=0)
    for limit, most in _limits_of(config, first):
        is_of_all = limit.column == "short_code"
        _wait_for_turn(limit, first, is_for_all=not is_of_all)
        counted = limit.any_like(first).filter(created_at__gte=start)
        if is_of_all:
            counted = counted.filter(short_code=first.short_code)
            total = counted.aggregate(total=Sum("amount"))["total"] or Decimal(0)
            if total > most:
                raise _over(limit, batch.total, most=most, spent=total - batch.total)
            continue
        counted = counted.filter(phone__in=batch.rows.values("phone"))
        sums = counted.values("phone").order_by("phone").annotate(total=Sum("amount"))
        over = list(sums.filter(total__gt=most)[: TOLD + 1])
        if over:
            raise _phones_over(over, most)


def _phones_over(over: Sequence[Mapping[str, Any]], most: int) -> InvalidInput:
    first = [f"{mask_phone(each['phone'])} KES {each['total']:,.0f}" for each in over[:TOLD]]
    told = "; ".join(first)
    more = " and more" if len(over) > TOLD else ""
    return InvalidInput(
        "amount",
        f"would pass the daily limit of KES {most:,} for a phone, with what is paid out today "
        f"already: {told}{more}.",
        code="amount_over_daily_limit",
    )


def _wait_for_turn(limit: DailyLimit, payment: Payment, *, is_for_all: bool = False) -> None:
    """Be the only one who counts this limit until the transaction ends.

    An advisory lock, so there is no row that must exist first or be cleaned up later. With
    `is_for_all` for every holder at once: a file would need a lock for each of its phones, so it
    takes one that each single holder shares. SQLite has one writer at a time, and we have
    written already.
    """
    if connection.vendor != "postgresql":
        return
    holder = (limit.field, payment.provider, payment.business, payment.environment)
    everybody = "pg_advisory_xact_lock" if is_for_all else "pg_advisory_xact_lock_shared"
    _lock(everybody, holder)
    if not is_for_all:
        _lock("pg_advisory_xact_lock", (*holder, getattr(payment, limit.column)))


def _lock(function: str, holder: tuple[str, ...]) -> None:
    digest = hashlib.sha256(repr(holder).encode()).digest()
    number = int.from_bytes(digest[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [number])


def _over(limit: DailyLimit, amount: Decimal, *, most: int, spent: Decimal) -> InvalidInput:
    return InvalidInput(
        "amount",
        f"KES {amount:,.0f} would pass the daily limit of KES {most:,} for {limit.holder}: "
        f"KES {spent:,.0f} of it is {limit.verb} today.",
        code="amount_over_daily_limit",
    )
