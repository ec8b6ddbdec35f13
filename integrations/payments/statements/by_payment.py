"""The second part of a comparison: each payment of the period that the books should have."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Max, Q, QuerySet

from integrations.models import (
    Direction,
    ItemFinding,
    LineSource,
    Payment,
    Product,
    RunState,
    StatementItem,
    StatementRun,
)
from integrations.models import PaymentState as S
from integrations.payments import ledger
from integrations.payments.statements.account import Books
from integrations.payments.statements.items import item_of

OPEN = (S.PENDING, S.UNKNOWN)
# Our own clock says when a payment without the provider's time was paid: near the ends of the
# period it may belong to the next statement, so it is judged once the books of both are here.
EDGE = timedelta(minutes=15)
# Periods that follow each other may leave out so much between them.
SEAM = timedelta(seconds=1)
# How long before the period a payment may have been stored that was paid in it.
STORED_BEFORE = timedelta(days=3)
ABSENT = "Paid here, and M-Pesa's books of the period do not have it."
ABSENT_OPEN = "Its outcome is not known, and M-Pesa's books of the period do not have it."
EVIDENCE = "statement_absent"


def paid_piece(
    run: StatementRun, books: Books, position: list[Any], size: int
) -> tuple[list[StatementItem], list[Any] | None]:
    """Paid ones in the order of the provider's time, which has an index."""
    rows = _of_source(run, books.payments().filter(state=S.SUCCEEDED))
    rows = rows.filter(paid_at__range=(run.period_from, run.period_to))
    if position:
        at = datetime.fromisoformat(position[0])
        rows = rows.filter(Q(paid_at=at, pk__gt=position[1]) | Q(paid_at__gt=at), paid_at__gte=at)
    # Columns only: nearly all of them are there, and nothing else of these is looked at.
    found = list(
        rows.order_by("paid_at", "pk").values_list("pk", "receipt", "direction", "paid_at")[:size]
    )
    known = _known(books, [receipt for _, receipt, _, _ in found if receipt])
    absent = [pk for pk, receipt, direction, _ in found if (receipt, direction) not in known]
    items = [
        item_of(run, ItemFinding.MISSING_THERE, payment=payment, text=ABSENT)
        for payment in Payment.objects.filter(pk__in=absent).order_by("pk")
    ]
    if len(found) < size:
        return items, None
    pk, _, _, last = found[-1]
    return items, [last.isoformat() if last else "", pk]


def open_piece(
    run: StatementRun, books: Books, position: list[Any], size: int
) -> tuple[list[StatementItem], list[Any] | None]:
    """Those without the provider's time: by our own, with a margin at both ends.

    Where the books of the time beside the period are here too, the margin is judged as well.
    """
    span = _span(run, books)
    rows = _of_source(run, books.payments().filter(paid_at=None, state__in=(*OPEN, S.SUCCEEDED)))
    rows = rows.filter(
        created_at__range=(run.period_from - STORED_BEFORE, max(span.end, run.period_to)),
        pk__gt=position[0] if position else 0,
    )
    payments = list(rows.order_by("pk")[:size])
    inside = [payment for payment in payments if _is_inside(run, span, payment)]
    items = []
    for payment in _absent(books, inside):
        if payment.state == S.SUCCEEDED:
            items.append(item_of(run, ItemFinding.MISSING_THERE, payment=payment, text=ABSENT))
        elif run.is_complete:
            _note_evidence(run, payment)
            items.append(item_of(run, ItemFinding.MISSING_THERE, payment=payment, text=ABSENT_OPEN))
    return items, None if len(payments) < size else [payments[-1].pk]


def _of_source(run: StatementRun, rows: QuerySet[Payment]) -> QuerySet[Payment]:
    """Those that the books of this run would have.

    Pulled lines are of incoming money only. A file may be of one of the short code's accounts:
    payouts leave the utility account, customers pay into the working or the merchant account
    (Daraja reference, sections 9 and 12). Of an account that is not known, nothing is missing.
    """
    if run.source == LineSource.PULL:
        return rows.filter(direction=Direction.IN)
    name = run.account.lower()
    if not name:
        return rows
    if "utility" in name:
        return rows.filter(product=Product.B2C)
    if any(word in name for word in ("working", "merchant", "m-pesa", "mpesa")):
        return rows.filter(direction=Direction.IN)
    return rows.none()


def _absent(books: Books, payments: list[Payment]) -> list[Payment]:
    """Those whose receipt the account's books don't have, on whatever day."""
    known = _known(books, [payment.receipt for payment in payments if payment.receipt])
    return [payment for payment in payments if (payment.receipt, payment.direction) not in known]


def _known(books: Books, receipts: list[str]) -> set[tuple[str | None, str]]:
    """The receipts that the account's books have, with their directions."""
    if not receipts:
        return set()
    lines = books.lines().filter(receipt__in=receipts)
    return set(lines.values_list("receipt", "direction"))


def _listed_until(run: StatementRun, books: Books) -> datetime:
    """Up to when an absence is evidence.

    A file may have been exported before the end of the period that it names: it proves to be
    complete up to its last line only.
    """
    if run.source == LineSource.PULL:
        return run.period_to
    lines = books.lines().filter(at__range=(run.period_from, run.period_to))
    last: datetime | None = lines.aggregate(last=Max("at"))["last"]
    return last or run.period_from


class _Span(NamedTuple):
    """Which instants of our clock a run judges, and up to when each of the books is evidence: of
    the time before the period, of the period, of the time behind it."""

    begin: datetime
    end: datetime
    listed: tuple[datetime, datetime, datetime]


def _span(run: StatementRun, books: Books) -> _Span:
    begin, end = run.period_from, run.period_to
    before = _neighbour(run, period_from__lte=begin - EDGE, period_to__gte=begin - SEAM)
    behind = _neighbour(run, period_from__lte=end + SEAM, period_to__gte=end + EDGE)
    return _Span(
        begin - EDGE if before else begin + EDGE,
        end + EDGE if behind else end - EDGE,
        (
            _listed_until(before, books) if before else begin,
            _listed_until(run, books),
            _listed_until(behind, books) if behind else end,
        ),
    )


def _neighbour(run: StatementRun, **period: datetime) -> StatementRun | None:
    """A run whose books, of the same kind, go on where this one's end."""
    same = {name: getattr(run, name) for name in ("source", "account")}
    rows = StatementRun.objects.filter(
        **Books.of(run).as_values(), **same, **period, is_complete=True, state=RunState.DONE
    )
    return rows.exclude(pk=run.pk).order_by("-pk").first()


def _is_inside(run: StatementRun, span: _Span, payment: Payment) -> bool:
    is_paid = payment.state == S.SUCCEEDED
    at = payment.completed_at if is_paid else payment.sent_at
    if at is None or not span.begin <= at <= span.end:
        return False
    place = 0 if at < run.period_from else 1 if at <= run.period_to else 2
    return is_paid or at <= span.listed[place]


def _note_evidence(run: StatementRun, payment: Payment) -> None:
    """For the person who decides: part of the payment's history. It fails nothing by itself."""
    if payment.events.filter(kind=EVIDENCE, data__run=run.pk).exists():
        return
    ledger.note(
        payment, EVIDENCE,
        f"The statement of {run.short_code} from {run.period_from:%Y-%m-%d %H:%M} to "
        f"{run.period_to:%Y-%m-%d %H:%M} (UTC) is complete and does not have it.",
        data={"run": run.pk},
    )  # fmt: skip
