"""The transition table of an invoice: this file is the specification.

`queued → sending → signed | rejected | in_doubt`, with `registered` (KRA has it, the signature is
missing) beside them. `signed` and `not_required` are final. A number is open while its document
is `sending` or `in_doubt`; a branch has one open number at most, and no other document gets a
number meanwhile. See docs/explanation/etims.md.
"""

from __future__ import annotations

from integrations.models import InvoiceState as S

QUEUE = "kra-invoices"

TRANSITIONS: dict[S, frozenset[S]] = {
    # To `rejected` without a number (its original was rejected, the body can't be made); to
    # `signed` or `registered` where KRA is found to have it already (our database was restored
    # from a copy, or a copy of it that was sent earlier arrived late).
    S.QUEUED: frozenset({S.SENDING, S.REJECTED, S.SIGNED, S.REGISTERED}),
    # To `queued` only where it provably was not taken: the number goes to whoever is next.
    S.SENDING: frozenset({S.SIGNED, S.REGISTERED, S.REJECTED, S.IN_DOUBT, S.QUEUED}),
    # To `sending` with the same number and the same body; to `queued` where its number turned
    # out to be another document's, or a person says that it was not taken.
    S.IN_DOUBT: frozenset({S.SIGNED, S.REGISTERED, S.REJECTED, S.SENDING, S.QUEUED}),
    # To `queued` only where KRA's own sequence proves that it was not taken.
    S.REGISTERED: frozenset({S.SIGNED, S.QUEUED}),
    # To `queued` when it is corrected or sent again; to the others where KRA has it after all.
    S.REJECTED: frozenset({S.QUEUED, S.SIGNED, S.REGISTERED}),
    S.SIGNED: frozenset(),
    S.NOT_REQUIRED: frozenset(),
}

FINAL = frozenset({S.SIGNED, S.NOT_REQUIRED})
# Nothing more happens to these by itself.
AT_REST = FINAL | {S.REJECTED}
# Its number is allotted, and whether KRA took it is not known.
OPEN_NUMBER = frozenset({S.SENDING, S.IN_DOUBT})
# It still has to reach KRA.
WAITING = frozenset({S.QUEUED, S.SENDING, S.IN_DOUBT})
# KRA has it, so it has a number for good.
AT_KRA = frozenset({S.SIGNED, S.REGISTERED})


def sources_of(target: S) -> frozenset[S]:
    """The states from which a document may enter `target`."""
    return frozenset(state for state, targets in TRANSITIONS.items() if target in targets)
