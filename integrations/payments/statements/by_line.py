"""The first part of a comparison: each receipt in the provider's books, and our payment for it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.db.models import Case, F, OuterRef, QuerySet, Subquery, Sum, When

from integrations.models import (
    Direction,
    ItemFinding,
    LineKind,
    Payment,
    StatementItem,
    StatementLine,
    StatementRun,
)
from integrations.models import PaymentState as S
from integrations.payments.statements.account import Books
from integrations.payments.statements.items import item_of
from integrations.payments.statements.match import Candidates
from integrations.payments.statements.settle import settle_by

# What a match needs; whatever else is needed is read for the few that are none.
LINE_FIELDS = (
    "receipt", "direction", "kind", "amount", "currency", "status", "is_completed", "source",
)  # fmt: skip
PAYMENT_FIELDS = (
    "provider", "environment", "business", "short_code", "receipt", "direction", "amount",
    "currency", "state", "paid_at", "charge",
)  # fmt: skip
STRANGER = "Its receipt is known for money that is not of this account's ledger."
LATE = "Their books say completed; it could not be settled by itself from {state}."
NOT_THERE = "Their books say {status}, and here it is paid."


def lines_of(run: StatementRun, books: Books) -> QuerySet[StatementLine]:
    """The lines of the run's period, from whatever source."""
    return books.lines().filter(at__range=(run.period_from, run.period_to))


def piece(
    run: StatementRun, books: Books, position: list[Any], size: int
) -> tuple[list[StatementItem], list[Any] | None]:
    """The items of the receipts behind `position` (last one looked at, last one of all)."""
    last, end = position
    rows = lines_of(run, books).filter(receipt__gt=last, receipt__lte=end).only(*LINE_FIELDS)
    lines = list(rows.order_by("receipt", "id")[: size + 1])
    is_end = len(lines) <= size
    if not is_end and lines[0].receipt != lines[-1].receipt:
        # The last receipt may have more lines than were read.
        lines = [line for line in lines if line.receipt != lines[-1].receipt]
    elif not is_end:
        lines = list(rows.filter(receipt=lines[0].receipt).order_by("id"))
    items = judge(run, books, lines)
    return items, None if is_end else [lines[-1].receipt, end]


def judge(run: StatementRun, books: Books, lines: list[StatementLine]) -> list[StatementItem]:
    """An item for every payment line; charges go with the payment that they were taken for."""
    payments = _known(books, {line.receipt for line in lines})
    served = {payment.pk for payment in books.served(payments.values())}
    groups = [list(group) for _, group in groupby(lines, key=lambda line: line.receipt)]
    lacking = [line.pk for line in lines if _is_lacking(line, payments.get(line.receipt))]
    whole = StatementLine.objects.in_bulk(lacking)
    candidates = Candidates(books, whole.values())
    items = []
    for group in groups:
        known = payments.get(group[0].receipt)
        _note_charges(run, group)
        for line in group:
            if line.kind == LineKind.CHARGE:
                continue
            if known is not None and known.pk not in served:
                items += _stranger(run, line)
            elif known is not None and known.direction == line.direction:
                items += _beside(run, line, known, charge_in(group))
            elif line.pk in whole:
                items.append(_missing(run, whole[line.pk], candidates, charge_in(group)))
    matched = {item.payment_id for item in items if item.finding == ItemFinding.MATCHED}
    _keep_facts(books, [each for each in payments.values() if each.pk in matched], groups)
    return items


def _is_lacking(line: StatementLine, known: Payment | None) -> bool:
    """Whether money moved for which no payment has the receipt."""
    is_payment = line.kind == LineKind.PAYMENT and line.is_completed
    return is_payment and (known is None or known.direction != line.direction)


def _known(books: Books, receipts: set[str]) -> dict[str, Payment]:
    rows = Payment.objects.filter(
        provider=books.provider, environment=books.environment, receipt__in=receipts
    )
    return {payment.receipt or "": payment for payment in rows.only(*PAYMENT_FIELDS)}


def charge_in(group: Iterable[StatementLine]) -> Decimal | None:
    """What was taken for the payment, by its charge lines; None where there are none."""
    taken = [
        line.amount if line.direction == Direction.OUT else -line.amount
        for line in group
        if line.kind == LineKind.CHARGE and line.is_completed
    ]
    return sum(taken, Decimal(0)) if taken else None


def _note_charges(run: StatementRun, group: list[StatementLine]) -> None:
    """Charges make no items of their own; the run tells how many and how much."""
    taken = charge_in(group)
    if taken is None:
        return
    totals = dict(run.totals)
    entry = dict(totals.get("charges", {"count": 0, "sum": "0.00"}))
    entry["count"] += sum(line.kind == LineKind.CHARGE for line in group)
    entry["sum"] = f"{Decimal(entry['sum']) + taken:.2f}"
    run.totals = {**totals, "charges": entry}


def _stranger(run: StatementRun, line: StatementLine) -> list[StatementItem]:
    if not line.is_completed:
        return []
    return [item_of(run, ItemFinding.MISSING_HERE, line=line, text=STRANGER)]


def _beside(
    run: StatementRun, line: StatementLine, payment: Payment, charge: Decimal | None
) -> list[StatementItem]:
    """The same receipt on both sides."""
    if not line.is_completed:
        if payment.state != S.SUCCEEDED:
            return []
        text = NOT_THERE.format(status=line.status)
        return [item_of(run, ItemFinding.STATE_DIFFERS, line=line, payment=payment, text=text)]
    if (line.amount, line.currency) != (payment.amount, payment.currency):
        return [item_of(run, ItemFinding.AMOUNT_DIFFERS, line=line, payment=payment)]
    if payment.state in (S.SUCCEEDED, S.MERGED):
        return [item_of(run, ItemFinding.MATCHED, line=line, payment=payment)]
    payment = Payment.objects.get(pk=payment.pk)
    before = payment.get_state_display()
    if settle_by(line, payment, charge=charge):
        return [_settled(run, line, payment, before)]
    text = LATE.format(state=before)
    return [item_of(run, ItemFinding.STATE_DIFFERS, line=line, payment=payment, text=text)]


def _keep_facts(books: Books, payments: list[Payment], groups: list[list[StatementLine]]) -> None:
    """The time and the charges, where our rows do not have them yet: one statement for each."""
    theirs = books.lines().filter(receipt=OuterRef("receipt"), is_completed=True)
    untimed = [payment.pk for payment in payments if payment.paid_at is None]
    if untimed:
        same = theirs.filter(kind=LineKind.PAYMENT, direction=OuterRef("direction"))
        first = same.order_by("id").values("at")[:1]
        Payment.objects.filter(pk__in=untimed).update(paid_at=Subquery(first))
    charged = {group[0].receipt for group in groups if charge_in(group) is not None}
    free = [each.pk for each in payments if each.charge is None and each.receipt in charged]
    if free:
        signed = Case(When(direction=Direction.OUT, then=F("amount")), default=-F("amount"))
        taken = theirs.filter(kind=LineKind.CHARGE).order_by().values("receipt")
        total = taken.annotate(total=Sum(signed)).values("total")
        Payment.objects.filter(pk__in=free).update(charge=Subquery(total))


def _missing(
    run: StatementRun, line: StatementLine, candidates: Candidates, charge: Decimal | None
) -> StatementItem:
    """No payment has this receipt: the one that it is about by its facts, or none."""
    match = candidates.match(line)
    payment = match.payment
    if payment is None:
        return item_of(run, ItemFinding.MISSING_HERE, line=line, text=match.doubt)
    before = payment.get_state_display()
    if settle_by(line, payment, charge=charge):
        return _settled(run, line, payment, before)
    text = LATE.format(state=before)
    return item_of(run, ItemFinding.STATE_DIFFERS, line=line, payment=payment, text=text)


def _settled(
    run: StatementRun, line: StatementLine, payment: Payment, before: str
) -> StatementItem:
    return item_of(
        run, ItemFinding.MATCHED, line=line, payment=payment, is_settled=True,
        text=f"Settled by this statement; it was: {before}.",
    )  # fmt: skip
