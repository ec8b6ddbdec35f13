"""Comparing the ledger with the provider's books: one pass, in pieces, restartable.

Each piece is one transaction: its items, its totals, what it settles and the run's new position.
A killed run goes on behind its last piece and can tell of nothing twice. Memory holds one piece.

First every line of the period by receipt; then every payment of the period that has a time by the
provider's word; then those without one.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone

from integrations.models import RunState, StatementItem, StatementRun
from integrations.payments.statements import by_line, by_payment
from integrations.payments.statements.account import Books
from integrations.payments.statements.bulk import insert_rows
from integrations.payments.statements.items import close_earlier, with_earlier_notes
from integrations.work import Again, Done, Kept, Outcome, WorkState, finish, lease_expressions
from integrations.work.clock import later

QUEUE = "statements"
# Lines or payments of one piece.
CHUNK = 1000
LEASE_SECONDS = 60.0
# What an item is stored with.
COLUMNS = (
    "run_id", "business", "finding", "receipt", "line_id", "payment_id", "direction", "our_amount",
    "their_amount", "currency", "text", "is_settled", "is_open", "resolved_at", "resolved_by_id",
    "note",
)  # fmt: skip
# Left of a worker's time for the piece that is begun last.
MARGIN_SECONDS = 6.0


def compare(run: StatementRun) -> Outcome:
    """Handler of the queue: piece by piece for as long as the claim allows."""
    if run.state != RunState.COMPARING:
        return Done()
    while True:
        if not step(run):
            # Not done: another worker has it.
            return Done() if run.state == RunState.DONE else Kept()
        if not run.has_time_left(seconds=min(MARGIN_SECONDS, LEASE_SECONDS / 10)):
            return Again(delay_seconds=0, count_attempt=False)


def compare_now(run: StatementRun) -> bool:
    """Compare in the calling thread until the end; False where a worker has the run in hand."""
    rows = StatementRun.objects.filter(pk=run.pk).exclude(work_state=WorkState.LEASED)
    if not rows.update(**lease_expressions(LEASE_SECONDS)):
        return False
    run.refresh_from_db()
    while run.state == RunState.COMPARING:
        begun = time.monotonic()
        run.claim_deadline = begun + LEASE_SECONDS
        if not step(run, lease_seconds=LEASE_SECONDS):
            break
    finish(run, Done())
    run.refresh_from_db()
    return run.state == RunState.DONE


def step(run: StatementRun, *, lease_seconds: float = 0.0) -> bool:
    """Do the next piece, all of it or nothing; False when the run is done or no longer ours.

    With `lease_seconds` the claim is lengthened by the same statement.
    """
    with transaction.atomic():
        # Locked and still ours, or another worker has taken it over and its pieces count.
        ours = StatementRun.objects.filter(
            pk=run.pk, claim_token=run.claim_token, state=RunState.COMPARING
        )
        if not ours.select_for_update().values_list("pk").first():
            return False
        items, position = _piece(run, Books.of(run))
        if position is None:
            run.phase, run.position = _after(run), []
        else:
            run.position = position
        _store(run, items)
        changes: dict[str, Any] = {
            name: getattr(run, name) for name in ("phase", "position", "totals", "settled")
        }
        if run.phase == "done":
            run.state, run.finished_at = RunState.DONE, timezone.now()
            changes.update(state=run.state, finished_at=run.finished_at)
        if lease_seconds:
            end = later(lease_seconds)
            changes.update(lease_until=end, next_attempt_at=end)
        ours.update(**changes)
    return run.state == RunState.COMPARING


def _piece(run: StatementRun, books: Books) -> tuple[list[StatementItem], list[Any] | None]:
    """The items of the next piece and where it ends; None: this phase is over."""
    if run.phase == "lines":
        return by_line.piece(run, books, run.position or _receipts(run, books), CHUNK)
    if run.phase == "paid":
        return by_payment.paid_piece(run, books, run.position, CHUNK)
    return by_payment.open_piece(run, books, run.position, CHUNK)


def _after(run: StatementRun) -> str:
    return {"lines": "paid", "paid": "open", "open": "done"}[run.phase]


def _receipts(run: StatementRun, books: Books) -> list[str]:
    """Before the first receipt of the period, and its last one."""
    found = by_line.lines_of(run, books).aggregate(first=Min("receipt"), last=Max("receipt"))
    first = found["first"] or ""
    # Just before it: receipts are letters and digits.
    return [first[:-1], found["last"] or ""]


def _store(run: StatementRun, items: list[StatementItem]) -> None:
    with_earlier_notes(run, items)
    close_earlier(run, items)
    insert_rows(
        StatementItem, COLUMNS, [[getattr(item, name) for name in COLUMNS] for item in items]
    )
    totals = {name: dict(value) for name, value in run.totals.items()}
    for item in items:
        amount = item.their_amount if item.their_amount is not None else item.our_amount
        add_total(totals, str(item.finding), amount or Decimal(0))
    run.totals = totals
    run.settled += sum(item.is_settled for item in items)


def add_total(totals: dict[str, Any], name: str, amount: Decimal, count: int = 1) -> None:
    """Add to a count and a sum, which JSON keeps as text."""
    entry = totals.setdefault(name, {"count": 0, "sum": "0.00"})
    entry["count"] += count
    entry["sum"] = f"{Decimal(entry['sum']) + amount:.2f}"
