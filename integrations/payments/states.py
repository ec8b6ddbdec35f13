"""The transition table of a payment: this file is the specification.

`created → sending → pending → succeeded | failed | cancelled | expired`, with `unknown` beside
them. The only way out of a final state is a late success, which wins and raises an alert.
"""

from __future__ import annotations

from integrations.models import PaymentState as S

TRANSITIONS: dict[S, frozenset[S]] = {
    S.CREATED: frozenset({S.SENDING, S.FAILED, S.CANCELLED}),
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
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset({S.SUCCEEDED}),
    S.CANCELLED: frozenset({S.SUCCEEDED}),
    S.EXPIRED: frozenset({S.SUCCEEDED}),
    S.VOIDED: frozenset(),
}

FINAL = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED, S.EXPIRED, S.VOIDED})
# Final but not for certain: a later success is believed.
REVISABLE = frozenset({S.FAILED, S.CANCELLED, S.EXPIRED})


def sources_of(target: S) -> frozenset[S]:
    """The states from which `target` may be entered."""
    return frozenset(state for state, targets in TRANSITIONS.items() if target in targets)
