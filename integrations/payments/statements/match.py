"""Which payment a line is about, where no receipt says so: by the facts, and only by all of them.

Exactly one payment must fit. Several, or one that fits in all but a fact, are for people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from integrations.models import Direction, LineKind, Payment, Product, StatementLine
from integrations.models import PaymentState as S
from integrations.payments.statements.account import Books
from integrations.payments.statements.party import fits_phone
from integrations.payments.states import REVISABLE

# A prompt is answered within a minute or two, its clock may be another; a payout may wait in
# M-Pesa's queue for hours (Daraja reference, sections 5, 9 and 20).
BEFORE = timedelta(minutes=2)
AFTER_PROMPT = timedelta(minutes=10)
AFTER_PAYOUT = timedelta(hours=24)
OPEN = (S.PENDING, S.UNKNOWN)
# What may turn out to be this line's; a success without a receipt was settled by a query.
MATCHABLE = (*OPEN, *sorted(REVISABLE), S.SUCCEEDED)
# About to be sent, or being sent: its own answer comes first.
IN_HAND = (S.CREATED, S.SENDING)


@dataclass(frozen=True, slots=True)
class Match:
    """The one payment that fits, or why there is none. `doubt` is for people.

    `near` are the payments that the doubt is about; `wait` says that one of them is being sent
    right now, so that the line should be looked at again later.
    """

    payment: Payment | None = None
    doubt: str = ""
    near: Sequence[Payment] = ()
    wait: bool = False


class Candidates:
    """The payments without a receipt that some lines may be about, read in one or two queries."""

    def __init__(self, books: Books, lines: Iterable[StatementLine]) -> None:
        wanted = [line for line in lines if line.kind == LineKind.PAYMENT and line.is_completed]
        self._taken: set[int] = set()
        self._incoming = _incoming(books, [ln for ln in wanted if ln.direction == Direction.IN])
        self._outgoing = _outgoing(books, [ln for ln in wanted if ln.direction == Direction.OUT])

    def match(self, line: StatementLine) -> Match:
        """The payment that this line is about; each is given once."""
        is_in = line.direction == Direction.IN
        pool = self._incoming if is_in else self._outgoing
        near = [
            payment for payment in pool if payment.pk not in self._taken and _is_near(line, payment)
        ]
        fitting = [payment for payment in near if not _misfit(line, payment)]
        if any(payment.state in IN_HAND for payment in fitting):
            return Match(wait=True, near=fitting)
        if len(fitting) == 1:
            self._taken.add(fitting[0].pk)
            return Match(fitting[0])
        if fitting:
            names = ", ".join(str(payment.public_id) for payment in fitting[:3])
            return Match(doubt=f"{len(fitting)} payments fit it: {names}.", near=fitting)
        return _contradiction(line, near)


def _contradiction(line: StatementLine, near: list[Payment]) -> Match:
    """An open payment that is the same but for one fact."""
    for payment in near:
        if payment.state in OPEN:
            reason = _misfit(line, payment)
            return Match(doubt=f"Payment {payment.public_id} is like it, but {reason}.",
                         near=[payment])  # fmt: skip
    return Match()


def _incoming(books: Books, lines: list[StatementLine]) -> list[Payment]:
    if not lines:
        return []
    references = {line.reference for line in lines if line.reference}
    amounts = {line.amount for line in lines if not line.reference}
    like = Q(account_reference__in=references)
    if amounts:
        like |= Q(amount__in=amounts)
    rows = _around(books.payments(), lines, AFTER_PROMPT)
    rows = rows.filter(like, product=Product.STK_PUSH, state__in=(*MATCHABLE, *IN_HAND))
    return list(rows)


def _outgoing(books: Books, lines: list[StatementLine]) -> list[Payment]:
    if not lines:
        return []
    linked = {line.linked for line in lines if line.linked}
    own = books.payments().filter(receipt=None, direction=Direction.OUT, state__in=MATCHABLE)
    found = {payment.pk: payment for payment in own.filter(originator_id__in=linked)}
    amounts = {line.amount for line in lines}
    rows = _around(books.payments(), lines, AFTER_PAYOUT)
    rows = rows.filter(
        amount__in=amounts, direction=Direction.OUT, state__in=(*MATCHABLE, *IN_HAND)
    ).select_related("original")
    return [*({**found, **{payment.pk: payment for payment in rows}}).values()]


def _around(
    rows: QuerySet[Payment], lines: list[StatementLine], after: timedelta
) -> QuerySet[Payment]:
    """Those without a receipt that may have been sent for one of the lines."""
    first, last = min(line.at for line in lines), max(line.at for line in lines)
    # Stored before it was sent, by at most the time that a queued one may wait.
    stored = (first - after - timedelta(days=1), last + BEFORE)
    return rows.filter(receipt=None, created_at__range=stored)


def sent_at(payment: Payment) -> datetime:
    """When it was sent, or stored where that is not known."""
    return payment.sent_at or payment.created_at


def _is_near(line: StatementLine, payment: Payment) -> bool:
    """Whether the time fits, and what names the payment."""
    if line.direction == Direction.OUT and line.linked and payment.originator_id:
        return line.linked == payment.originator_id
    after = AFTER_PROMPT if line.direction == Direction.IN else AFTER_PAYOUT
    if not sent_at(payment) - BEFORE <= line.at <= sent_at(payment) + after:
        return False
    if payment.product == Product.REVERSAL:
        original = payment.original.receipt if payment.original else ""
        return bool(original) and line.linked == original
    if line.direction == Direction.IN and line.reference:
        return line.reference.strip().lower() == payment.account_reference.strip().lower()
    # Without a reference only a phone that is certainly the same names the payment.
    return fits_phone(line.party, payment.phone) is True


def _misfit(line: StatementLine, payment: Payment) -> str:
    """The first fact that speaks against it, in words; "" where all fit."""
    if (line.amount, line.currency) != (payment.amount, payment.currency):
        return f"its amount is {payment.currency} {payment.amount:,.2f}"
    if payment.product != Product.REVERSAL and fits_phone(line.party, payment.phone) is False:
        return "its phone is another one"
    return ""
