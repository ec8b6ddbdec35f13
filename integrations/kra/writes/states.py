"""Which moves a report knows, and the one function that makes them.

`queued → sending → done | rejected | in_doubt`; an answer that was lost leaves it in doubt, with
its number and body, until the same is sent again and KRA takes it or says that it has it.
"""

from __future__ import annotations

from typing import Any

from integrations.models import KRAWrite
from integrations.models import WriteState as S
from integrations.work import WorkState, later

QUEUE = "kra-writes"
TRANSITIONS: dict[S, frozenset[S]] = {
    S.QUEUED: frozenset({S.SENDING, S.DONE, S.REJECTED, S.QUEUED}),
    # Back to queued only by the sender itself, which knows that nothing was done.
    S.SENDING: frozenset({S.QUEUED, S.IN_DOUBT, S.DONE, S.REJECTED}),
    S.IN_DOUBT: frozenset({S.IN_DOUBT, S.DONE, S.REJECTED, S.QUEUED}),
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
    claim: str = "",
) -> bool:
    """Move a report if it may go there from where it stands now; False if it may not.

    One conditional UPDATE. `changes` are further column values, `due_in` the seconds until an open
    one is looked at again. With `claim`, the row must still be held under that token and stays
    held. `write` is reread either way.
    """
    sources = [state for state, targets in TRANSITIONS.items() if target in targets]
    values = {**(changes or {}), "state": target}
    rows = KRAWrite.objects.filter(pk=write.pk, state__in=sources)
    if claim:
        rows = rows.filter(claim_token=claim)
    else:
        values.update(next_look(due_in if target in OPEN else None))
    moved = bool(rows.update(**values))
    write.refresh_from_db()
    return moved


def next_look(due_in: float | None) -> dict[str, Any]:
    """The work columns of a row that is due in so many seconds; None: never."""
    values: dict[str, Any] = {"claim_token": "", "lease_until": None, "work_error": ""}
    if due_in is None:
        return {**values, "next_attempt_at": None, "work_state": WorkState.DONE}
    return {**values, "next_attempt_at": later(due_in), "work_state": WorkState.DUE}
