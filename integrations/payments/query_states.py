"""Which moves a question knows, and the one function that makes them.

`waiting → sent → answered | refused | unanswered`; `dropped` where another try was answered first.
An answer that comes late still counts, so `unanswered` and `refused` are ends only until then.
"""

from __future__ import annotations

from typing import Any

from integrations.models import MpesaQuery
from integrations.models import QueryState as S
from integrations.work import WorkState
from integrations.work.clock import later

QUEUE = "queries"
TRANSITIONS: dict[S, frozenset[S]] = {
    S.WAITING: frozenset({S.SENT, S.REFUSED, S.UNANSWERED, S.DROPPED}),
    # Back to waiting only by the sender itself, which knows that nothing left.
    S.SENT: frozenset({S.WAITING, S.ANSWERED, S.REFUSED, S.UNANSWERED}),
    S.UNANSWERED: frozenset({S.ANSWERED, S.REFUSED}),
    S.REFUSED: frozenset({S.ANSWERED}),
    S.ANSWERED: frozenset(),
    S.DROPPED: frozenset(),
}
OPEN = frozenset({S.WAITING, S.SENT})


def move(
    query: MpesaQuery,
    target: S,
    *,
    changes: dict[str, Any] | None = None,
    due_in: float = 0.0,
    claim: str = "",
) -> bool:
    """Move a question if it may go there from where it stands now; False if it may not.

    One conditional UPDATE. `changes` are further column values, `due_in` the seconds until an open
    one is looked at again. With `claim`, the row must still be held under that token and stays
    held. `query` is reread either way.
    """
    sources = [state for state, targets in TRANSITIONS.items() if target in targets]
    values = {**(changes or {}), "state": target}
    if target not in OPEN:
        values["open_key"] = None
    rows = MpesaQuery.objects.filter(pk=query.pk, state__in=sources)
    if claim:
        rows = rows.filter(claim_token=claim)
    else:
        values.update(next_look(due_in if target in OPEN else None))
    moved = bool(rows.update(**values))
    query.refresh_from_db()
    return moved


def next_look(due_in: float | None) -> dict[str, Any]:
    """The work columns of a row that is due in so many seconds; None: never."""
    values: dict[str, Any] = {"claim_token": "", "lease_until": None, "work_error": ""}
    if due_in is None:
        return {**values, "next_attempt_at": None, "work_state": WorkState.DONE}
    return {**values, "next_attempt_at": later(due_in), "work_state": WorkState.DUE}
