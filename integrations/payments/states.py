"""The transition table of a payment: this file is the specification.

`created → sending → pending → succeeded | failed | cancelled | expired`, with `unknown` beside
them and `awaiting_approval` before them. The only ways out of a final state are a late success,
which wins and raises an alert, and `merged`: the same money told of twice becomes one payment.
"""

from __future__ import annotations

from integrations.models import Finding, Payment, Product
from integrations.models import PaymentState as S

TRANSITIONS: dict[S, frozenset[S]] = {
    S.AWAITING_APPROVAL: frozenset({S.CREATED, S.CANCELLED}),
    S.CREATED: frozenset({S.SENDING, S.FAILED, S.CANCELLED, S.SUCCEEDED}),  # see ONLY_FOR
    S.SENDING: frozenset(
        {
            S.PENDING,
            S.REQUIRES_ACTION,
            S.AUTHORIZED,
            S.UNKNOWN,
            S.SUCCEEDED,
            S.FAILED,
            S.CANCELLED,
            S.EXPIRED,
            # Only by the sender itself, which knows that nothing left (a queued push waits).
            S.CREATED,
        }
    ),
    S.PENDING: frozenset({S.UNKNOWN, S.SUCCEEDED, S.FAILED, S.CANCELLED, S.EXPIRED}),
    S.UNKNOWN: frozenset(
        {
            S.CREATED,  # see ONLY_FOR
            S.PENDING,
            S.REQUIRES_ACTION,
            S.AUTHORIZED,
            S.SUCCEEDED,
            S.FAILED,
            S.CANCELLED,
            S.EXPIRED,
        }
    ),
    S.REQUIRES_ACTION: frozenset(
        {S.PENDING, S.AUTHORIZED, S.UNKNOWN, S.SUCCEEDED, S.FAILED, S.CANCELLED, S.EXPIRED}
    ),
    S.AUTHORIZED: frozenset({S.UNKNOWN, S.SUCCEEDED, S.FAILED, S.VOIDED, S.EXPIRED}),
    S.SUCCEEDED: frozenset({S.MERGED}),  # see ONLY_FOR
    S.FAILED: frozenset({S.SUCCEEDED}),
    S.CANCELLED: frozenset({S.SUCCEEDED}),
    S.EXPIRED: frozenset({S.SUCCEEDED}),
    S.VOIDED: frozenset(),
    S.MERGED: frozenset(),
}

# Moves that only some products know.
ONLY_FOR: dict[tuple[S, S], frozenset[str]] = {
    # A payout that the provider, asked by the id we chose, proves not to have: it may be sent
    # again under that id, which the provider takes once only.
    (S.UNKNOWN, S.CREATED): frozenset({Product.B2C}),
    # Its result came after that proof, and before it was sent again: late success wins here too.
    (S.CREATED, S.SUCCEEDED): frozenset({Product.B2C}),
    # What a payer sent, and what we asked the payer for, turned out to be the same money.
    (S.SUCCEEDED, S.MERGED): frozenset({Product.C2B}),
}

FINAL = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED, S.EXPIRED, S.VOIDED, S.MERGED})
# Final but not for certain: a later success is believed.
REVISABLE = frozenset({S.FAILED, S.CANCELLED, S.EXPIRED})


def sources_of(target: S, product: str) -> frozenset[S]:
    """The states from which a payment of `product` may enter `target`."""
    return frozenset(
        state
        for state, targets in TRANSITIONS.items()
        if target in targets and product in ONLY_FOR.get((state, target), {product})
    )


def is_retry_safe(payment: Payment) -> bool:
    """Whether charging again can't charge twice: it ended unpaid, and nobody says otherwise.

    With an open question about it, or a person's word that it was paid, it may have been.
    """
    is_unpaid = payment.state in REVISABLE
    return is_unpaid and not payment.attention and payment.finding != Finding.PAID
