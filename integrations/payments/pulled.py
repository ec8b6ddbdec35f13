"""What pulled lines do to the ledger: settle what waits, fill in what never arrived."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.models import C2BReceipt, LineSource, Payment, Product, StatementLine
from integrations.models import PaymentState as S
from integrations.payments import ledger, receipts
from integrations.payments.references import clean_reference
from integrations.payments.statements.account import Books
from integrations.payments.statements.match import AFTER_PROMPT, OPEN, Candidates, Match
from integrations.payments.statements.party import number_in
from integrations.payments.statements.settle import settle_by
from integrations.work.clock import database_now

BATCH = 100
# How long a line waits for the answer to a push that is being sent right now.
PATIENCE = timedelta(minutes=30)
ABSENT = "pull_absent"
# Nothing is awaited any more: what would have come first had its time.
WAITED = 1e6


def apply_lines(books: Books) -> int:
    """Apply every pulled line of the account that was not applied yet; how many were.

    Each in a transaction of its own, together with its mark: a crash repeats nothing.
    """
    count, last = 0, 0
    while True:
        rows = books.lines().filter(applied_at=None, source=LineSource.PULL, pk__gt=last)
        lines = list(rows.order_by("pk")[:BATCH])
        if not lines:
            return count
        last = lines[-1].pk
        known = _known(books, lines)
        candidates = Candidates(books, [line for line in lines if line.receipt not in known])
        for line in lines:
            try:
                count += _apply(books, line, known.get(line.receipt), candidates)
            except IntegrityError:
                # Its confirmation is worked on at this moment: the next pass sees what it did.
                continue


def _known(books: Books, lines: list[StatementLine]) -> dict[str, Payment]:
    receipts = [line.receipt for line in lines]
    rows = Payment.objects.filter(
        provider=books.provider, environment=books.environment, receipt__in=receipts
    )
    return {payment.receipt or "": payment for payment in rows}


def _apply(
    books: Books, line: StatementLine, known: Payment | None, candidates: Candidates
) -> bool:
    with transaction.atomic():
        mine = StatementLine.objects.filter(pk=line.pk, applied_at=None)
        if not mine.update(applied_at=timezone.now()):
            return False
        if known is not None:
            _beside(books, line, known)
            return True
        match = candidates.match(line)
        if match.wait and database_now() - line.at < PATIENCE:
            mine_again = StatementLine.objects.filter(pk=line.pk)
            mine_again.update(applied_at=None)
            return False
        _by_facts(line, match)
        return True


def _beside(books: Books, line: StatementLine, payment: Payment) -> None:
    """Our payment has the receipt: settled, unless something contradicts."""
    if not books.served([payment]):
        return
    if (line.amount, line.currency) != (payment.amount, payment.currency):
        ledger.flag(
            payment,
            f"M-Pesa's list has {line.receipt} with {line.currency} {line.amount:,.2f}.",
        )
    elif payment.state not in (S.SUCCEEDED, S.MERGED):
        settle_by(line, payment)


def _by_facts(line: StatementLine, match: Match) -> None:
    if match.payment is not None and settle_by(line, match.payment):
        return
    if match.doubt:
        for payment in match.near:
            ledger.flag(
                payment,
                f"M-Pesa's list has {line.receipt}, {line.currency} {line.amount:,.2f}: "
                f"{match.doubt}",
            )
        return
    take(line)


def take(line: StatementLine) -> str:
    """Give incoming money its payment, as the confirmation that never arrived would have.

    "" when done, else why it has to wait; raises IntegrityError where another receives it now.
    """
    number = number_in(line.party)
    receipt = C2BReceipt(
        **Books.of(line).as_values(),
        receipt=line.receipt,
        amount=line.amount,
        currency=line.currency,
        reference=clean_reference(line.reference),
        party=clean_reference(number, 80),
        party_name=clean_reference(line.party.removeprefix(number).strip(" -"), 120),
        transaction_type=clean_reference(line.details, 30),
        paid_at=line.at,
    )
    return receipts.place(receipt, waited=WAITED)


def note_absent(books: Books, begin: datetime, end: datetime) -> int:
    """Note on open prompts that a whole window does not have them; it fails none of them.

    How many were noted; each once.
    """
    rows = books.payments().filter(
        product=Product.STK_PUSH, state__in=OPEN, receipt=None,
        sent_at__gte=begin, sent_at__lte=end - AFTER_PROMPT,
    ).exclude(events__kind=ABSENT)  # fmt: skip
    count = 0
    for payment in rows[:1000]:
        ledger.note(
            payment, ABSENT,
            f"M-Pesa's list of incoming payments from {_local(begin)} to {_local(end)} is "
            "complete and does not have it.",
        )  # fmt: skip
        count += 1
    return count


def _local(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"
