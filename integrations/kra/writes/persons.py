"""What people do about reports: send a rejected one again, say what became of one in doubt."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from integrations.exceptions import InvalidInput
from integrations.kra.writes.outcomes import reject, take
from integrations.kra.writes.states import QUEUE
from integrations.kra.writes.store import latest_of, requeue
from integrations.models import AuditEntry, KRAWrite, WriteKind, WriteState
from integrations.work import ring, schedule

DECIDED = frozenset({WriteKind.PURCHASE, WriteKind.IMPORT})
NOT_ALONE = "not_alone"
BEING_SENT = "is being sent right now; look again in a minute."
SETTLED_TAKEN = "Somebody found it at KRA."
SETTLED_NOT = "Somebody found that KRA does not have it."


def resend(writes: QuerySet[KRAWrite]) -> int:
    """Send the rejected ones again, and those in doubt at once; how many were.

    What waits or is done is left alone, and so is what a later report replaced. Rejected
    purchases and imports are open for a new decision instead.
    """
    count = 0
    for write in writes.order_by("pk"):
        if write.state == WriteState.IN_DOUBT:
            done = bool(schedule(write))
        else:
            done = _may_go_again(write) and requeue(write)
            # What was rejected for its sake goes with it.
            for follower in write.followers.filter(result_code=NOT_ALONE) if done else ():
                requeue(follower)
        if done:
            AuditEntry.objects.record("kra_report_resent", target=write, business=write.business)
        count += done
    if count:
        ring(QUEUE)
    return count


def _may_go_again(write: KRAWrite) -> bool:
    if write.state != WriteState.REJECTED or write.kind in DECIDED:
        return False
    if not write.subject:
        return True
    latest = latest_of(write.branch, WriteKind(write.kind), write.subject)
    return latest is None or latest.pk == write.pk


def settle(write: KRAWrite, *, taken: bool, note: str = "") -> KRAWrite:
    """Say what became of a report in doubt, by a look into KRA's own book.

    Taken: it is done, and its number is used. Not taken: it is rejected, and its number goes to
    the next one. `note`, how that is known, goes into the trail. Raises InvalidInput for one that
    is not in doubt, or is being sent again right now: what comes of that may be another thing
    than what was seen.
    """
    with transaction.atomic():
        locked = KRAWrite.objects.select_for_update(of=("self",)).get(pk=write.pk)
        if locked.state == WriteState.SENDING:
            raise InvalidInput("report", BEING_SENT, code="not_in_doubt")
        if locked.state != WriteState.IN_DOUBT:
            raise InvalidInput("report", "is not in doubt.", code="not_in_doubt")
        if taken:
            take(locked, code="settled", text=SETTLED_TAKEN)
        else:
            reject(locked, SETTLED_NOT, code="settled")
        AuditEntry.objects.record(
            "kra_report_settled",
            target=locked,
            business=locked.business,
            detail=": ".join(filter(None, ("taken" if taken else "not taken", note))),
        )
    return locked
