"""The judge of payouts: has everybody been paid once, and does the ledger know?

The book is right by definition: it is what the provider did. Every function returns disagreements
in words; an empty list is an acquittal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from integrations.models import Payment
from tests.chaos.load import Told
from tests.chaos.orders import PayoutOrder, order_of

# One payout of the book; its remarks are our reference.
Entry = Mapping[str, Any]


def payout_disagreements(
    entries: Iterable[Entry],
    payments: Iterable[Payment],
    told: Iterable[Told],
    orders: Iterable[PayoutOrder],
    *,
    spent: Decimal,
) -> list[str]:
    """Where book, ledger and what callers were told differ. `spent` is what left the accounts."""
    entries, payments, told = list(entries), list(payments), list(told)
    return [
        *_sent_twice(entries),
        *_lost(entries, payments, told, orders),
        *_told_wrongly(entries, told),
        *_different(entries, payments),
        *_different_sums(entries, payments, spent),
    ]


def _sent_twice(entries: list[Entry]) -> list[str]:
    """Whatever became of them: of two requests for one order, each could have been paid."""
    rows = Counter(entry["remarks"] for entry in entries)
    ids = Counter(entry["originator_id"] for entry in entries)
    paid = Counter(order_of(entry["remarks"]) for entry in entries if _is_paid(entry))
    return [
        *(f"{name} was sent {count} times" for name, count in rows.items() if count > 1),
        *(f"the id {name} was taken {count} times" for name, count in ids.items() if count > 1),
        *(f"{order} was paid {count} times" for order, count in paid.items() if count > 1),
    ]


def _is_paid(entry: Entry) -> bool:
    return bool(entry["result_code"] == "0")


def _lost(
    entries: list[Entry], payments: list[Payment], told: list[Told], orders: Iterable[PayoutOrder]
) -> list[str]:
    rows = Counter(payment.account_reference for payment in payments)
    ids = {str(payment.public_id) for payment in payments}
    asked = {order_of(answer.reference) for answer in told}
    missing = {f"C{order.number}" for order in orders} - asked
    return [
        *(f"{order} was given up by its caller" for order in sorted(missing)),
        *(f"{entry['remarks']} was sent, and no payment is stored" for entry in entries
          if not rows[entry["remarks"]]),
        *(f"{answer.reference} was answered for, and its payment is gone" for answer in told
          if answer.payment_id not in ids),
        *(f"{reference} is stored {count} times" for reference, count in rows.items() if count > 1),
    ]  # fmt: skip


def _told_wrongly(entries: list[Entry], told: list[Told]) -> list[str]:
    sent = {entry["remarks"] for entry in entries}
    return [
        f"{answer.reference}: the caller was told that nothing was sent, and it was"
        for answer in told
        if answer.may_push_again and answer.reference in sent
    ]


def _different(entries: list[Entry], payments: list[Payment]) -> list[str]:
    by_reference = {entry["remarks"]: entry for entry in entries}
    found = []
    for payment in payments:
        entry = by_reference.get(payment.account_reference)
        if payment.state not in ("succeeded", "failed"):
            # Under the id that we chose, everything can be found out.
            problem = "M-Pesa could have been asked"
        elif entry is None:
            problem = "" if payment.state == "failed" else "it was never sent"
        else:
            problem = _misjudged(payment, entry)
        if problem:
            found.append(f"{payment.account_reference} is {payment.state}: {problem}")
    return found


def _misjudged(payment: Payment, entry: Entry) -> str:
    end = "open" if not entry["result_code"] else "succeeded" if _is_paid(entry) else "failed"
    if payment.state != end:
        return f"the book says {end} ({entry['result_code']})"
    if payment.amount != Decimal(entry["amount"]):
        return f"KES {payment.amount}, the book says {entry['amount']}"
    if payment.originator_id != entry["originator_id"]:
        return f"as {payment.originator_id}, the book says {entry['originator_id']}"
    told = (payment.receipt or "", payment.phone)
    booked = (entry["receipt"] if end == "succeeded" else "", entry["phone"])
    return "" if told == booked else f"with {told}, the book says {booked}"


def _different_sums(entries: list[Entry], payments: list[Payment], spent: Decimal) -> list[str]:
    ledger = sum((row.amount for row in payments if row.state == "succeeded"), Decimal(0))
    book = sum((Decimal(entry["amount"]) for entry in entries if _is_paid(entry)), Decimal(0))
    if ledger == book == spent:
        return []
    return [f"the ledger sums up to KES {ledger}, the book to {book}, the accounts lost {spent}"]
