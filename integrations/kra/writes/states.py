"""Which moves a report knows, and the one function that makes them.

`queued → sending → done | rejected | in_doubt`; an answer that was lost leaves it in doubt, with
its number and body, until the same is sent again (`sending` meanwhile: nobody settles it then) and
KRA takes it or says that it has it. How often it was sent tells whether it was in doubt before.
"""

from __future__ import annotations

from typing import Any

from integrations.models import KRAWrite
from integrations.models import WriteState as S
from integrations.work import WorkState, later

QUEUE = "kra-writes"
TRANSITIONS: dict[S, frozenset[S]] = {
    S.QUEUED: frozenset({S.SENDING, S.DONE, S.REJECTED}),
    # Back to queued only by the sender itself, which knows that nothing was done.
    S.SENDING: frozenset({S.QUEUED, S.IN_DOUBT, S.DONE, S.REJECTED}),
    S.IN_DOUBT: frozenset({S.SENDING, S.DONE, S.REJECTED}),
    # By a person, or by the same key with other content.
    S.REJECTED: frozenset({S.QUEUED}),
    S.DONE: frozenset(),
}
OPEN = frozenset({S.QUEUED, S.SENDING, S.IN_DOUBT})


def move(
    write: KRAWrite,
    target: S,
    *,
    changes: dict[str, Any] | None = None,
    due_in: float = 0.0,
    is_kept: bool = False,
) -> bool:
    """Move a report if it may go there from where it stands now; False if it may not.

    One conditional UPDATE, under the claim that `write` was read with: whoever lost it, or found
    none where there is one now, changes nothing. `changes` are further column values, `due_in` the
    seconds until an open one is looked at again. The claim ends, unless it `is_kept`. `write` is
    reread either way.
    """
    sources = [state for state, targets in TRANSITIONS.items() if target in targets]
    values = {**(changes or {}), "state": target}
    if not is_kept:
        values.update(next_look(due_in if target in OPEN else None))
    claim = write.claim_token
    rows = KRAWrite.objects.filter(pk=write.pk, state__in=sources, claim_token=claim)
    moved = bool(rows.update(**values))
    write.refresh_from_db()
    if not moved:
        # Somebody else's by now: never act under that one's claim.
        write.claim_token = claim
    return moved


def next_look(due_in: float | None) -> dict[str, Any]:
    """The work columns of a row that is due in so many seconds; None: never."""
    values: dict[str, Any] = {"claim_token": "", "lease_until": None, "work_error": ""}
    if due_in is None:
        return {**values, "next_attempt_at": None, "work_state": WorkState.DONE}
    return {**values, "next_attempt_at": later(due_in), "work_state": WorkState.DUE}
