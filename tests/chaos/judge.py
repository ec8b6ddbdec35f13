"""The judge: does the ledger say what the emulator's book says, and is everybody told the truth?

The book is right by definition: it is what the provider did. Every function returns disagreements
in words; an empty list is an acquittal.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from integrations.models import DomainEvent, InboundCallback, Payment, PaymentEvent
from tests.chaos.load import Told
from tests.chaos.orders import Order, order_of

Prompt = Mapping[str, Any]

# What the result codes of the orders mean (Daraja reference, section 7), not as our code sees it.
ENDS = {
    "0": "succeeded",
    "1": "failed",
    "2001": "failed",
    "1032": "cancelled",
    "1037": "expired",
}
ANNOUNCED = {"pending", "unknown", "succeeded", "failed", "cancelled", "expired"}


def disagreements(
    prompts: Iterable[Prompt],
    payments: Iterable[Payment],
    told: Iterable[Told],
    orders: Iterable[Order],
) -> list[str]:
    """Where book, ledger and what callers were told differ."""
    prompts, payments, told = list(prompts), list(payments), list(told)
    return [
        *_prompted_twice(prompts),
        *_lost(prompts, payments, told, orders),
        *_told_wrongly(prompts, told),
        *_different(prompts, payments),
        *_different_sums(prompts, payments),
    ]


def _prompted_twice(prompts: list[Prompt]) -> list[str]:
    times = Counter(order_of(prompt["reference"]) for prompt in prompts)
    return [f"{order} was prompted {count} times" for order, count in times.items() if count > 1]


def _lost(
    prompts: list[Prompt], payments: list[Payment], told: list[Told], orders: Iterable[Order]
) -> list[str]:
    rows = Counter(payment.account_reference for payment in payments)
    ids = {str(payment.public_id) for payment in payments}
    asked = {order_of(answer.reference) for answer in told}
    missing = {f"C{order.number}" for order in orders} - asked
    return [
        *(f"{order} was given up by its caller" for order in sorted(missing)),
        *(f"{prompt['reference']} was prompted, and no payment is stored" for prompt in prompts
          if not rows[prompt["reference"]]),
        *(f"{answer.reference} was answered for, and its payment is gone" for answer in told
          if answer.payment_id not in ids),
        *(f"{reference} is stored {count} times" for reference, count in rows.items() if count > 1),
    ]  # fmt: skip


def _told_wrongly(prompts: list[Prompt], told: list[Told]) -> list[str]:
    prompted = {prompt["reference"] for prompt in prompts}
    return [
        f"{answer.reference}: the caller was told that nothing was sent, and it was prompted"
        for answer in told
        if answer.may_push_again and answer.reference in prompted
    ]


def _different(prompts: list[Prompt], payments: list[Payment]) -> list[str]:
    by_reference = {prompt["reference"]: prompt for prompt in prompts}
    found = []
    for payment in payments:
        prompt = by_reference.get(payment.account_reference)
        if payment.state == "unknown":
            problem = _undecided(payment, prompt)
        elif prompt is None:
            problem = "" if payment.state == "failed" else "was never prompted"
        else:
            problem = _misjudged(payment, prompt)
        if problem:
            found.append(f"{payment.account_reference} is {payment.state}: {problem}")
    return found


def _undecided(payment: Payment, prompt: Prompt | None) -> str:
    """Unknown is an end only where nobody could know, and where people look."""
    if not payment.attention:
        return "on nobody's work list"
    if payment.checkout_id:
        return "M-Pesa could have been asked"
    if prompt and _was_acknowledged(prompt):
        return "its callback was acknowledged"
    return ""


def _was_acknowledged(prompt: Prompt) -> bool:
    return any(delivery["status"] == 200 for delivery in prompt["deliveries"])


def _misjudged(payment: Payment, prompt: Prompt) -> str:
    end = ENDS.get(prompt["result_code"], "open")
    if payment.state != end:
        return f"the book says {end}"
    if payment.amount != prompt["amount"]:
        return f"KES {payment.amount}, the book says {prompt['amount']}"
    if payment.checkout_id != prompt["checkout_request_id"]:
        return f"as {payment.checkout_id}, the book says {prompt['checkout_request_id']}"
    if (payment.receipt or "") == prompt["receipt"]:
        return ""
    # A query names no receipt: it may be missing where no callback came through.
    if payment.receipt is None and not _was_acknowledged(prompt):
        return ""
    return f"with receipt {payment.receipt}, the book says {prompt['receipt'] or 'none'}"


def _different_sums(prompts: list[Prompt], payments: list[Payment]) -> list[str]:
    """The sums, as finance would compare them; what people still look for is left out."""
    open_cases = {row.account_reference for row in payments if row.state == "unknown"}
    ledger = sum(int(row.amount) for row in payments if row.state == "succeeded")
    book = sum(
        prompt["amount"]
        for prompt in prompts
        if prompt["result_code"] == "0" and prompt["reference"] not in open_cases
    )
    return [] if ledger == book else [f"the ledger sums up to KES {ledger}, the book to {book}"]


def half_written() -> list[str]:
    """Payments whose row, history and announcements do not fit, and work that nobody will do."""
    announced: dict[str, Counter[str]] = defaultdict(Counter)
    told = DomainEvent.objects.filter(event_type__startswith="payment.")
    for kind, payload in told.values_list("event_type", "payload"):
        announced[payload["payment_id"]][kind.removeprefix("payment.")] += 1
    moves: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for row in PaymentEvent.objects.exclude(to_state="").order_by("id"):
        moves[row.payment_id].append((row.from_state, row.to_state))
    found = []
    for payment in Payment.objects.order_by("id"):
        name = payment.account_reference
        steps = moves[payment.pk]
        states = ["", *(to for _from, to in steps)]
        if [before for before, _to in steps] != states[:-1]:
            found.append(f"{name}: its history {steps} has a gap")
        if payment.state != states[-1]:
            found.append(f"{name} is {payment.state}, its history ends with {states[-1]!r}")
        moved = Counter(to for before, to in steps if before and to in ANNOUNCED)
        told = announced[str(payment.public_id)]
        del told["receipt"]
        if moved["succeeded"] > 1:
            found.append(f"{name} succeeded {moved['succeeded']} times")
        if moved != told:
            found.append(f"{name} moved to {dict(moved)} and told of {dict(told)}")
    return [*found, *_abandoned()]


def _abandoned() -> list[str]:
    callbacks = InboundCallback.objects.exclude(status__in=["processed", "duplicate"])
    return [
        *(f"callback {row.pk} is {row.status}: {row.reason}{row.work_error}" for row in callbacks),
        *(f"{row} is {row.work_state}: {row.work_error}"
          for row in DomainEvent.objects.exclude(work_state="done")),
        *(f"{row} is dead: {row.work_error}" for row in Payment.objects.filter(work_state="dead")),
    ]  # fmt: skip
