"""What each outcome of a report changes, each in one transaction.

Under the claim that the report was read with, and none other (`states.move`): a worker whose lease
ran out changes nothing any more, whatever it was told, and its successor goes on.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest, Now

from integrations.exceptions import IntegrationError
from integrations.kra.writes.bodies import COUNTERS
from integrations.kra.writes.effects import when_rejected, when_taken
from integrations.kra.writes.states import move
from integrations.models import KRABranch, KRAWrite
from integrations.models import WriteState as S
from integrations.work import delay_after

# Seconds before the same body is sent again, by how often it was sent.
DOUBT_PAUSES = (5.0, 15.0, 60.0, 300.0)
# Before a try of what provably did not leave.
SEND_PAUSES = (5.0, 15.0, 60.0, 300.0)
LOOK = "KRA's answer was lost so often that somebody should look."
# From this many lost answers on.
MANY = 5
LATE_LOOK = 300.0


def take(write: KRAWrite, *, code: str, text: str) -> None:
    """KRA has it: the counter moves on, and what it stands for is so, in one transaction."""
    with transaction.atomic():
        changes: dict[str, Any] = {
            "result_code": code[:40],
            "result_text": text[:300],
            "message": "",
            "completed_at": Now(),
        }
        if not write.attention.startswith("More was sold"):
            changes["attention"] = ""
        if not move(write, S.DONE, changes=changes):
            return
        counter = COUNTERS.get(write.kind)
        if counter and write.number is not None:
            advance_counter(write.branch, counter, write.number)
        KRABranch.objects.filter(pk=write.branch_id).update(last_contact_at=Now())
        when_taken(write)


def advance_counter(branch: KRABranch, counter: str, number: int) -> None:
    """The last number that KRA has; it never goes back."""
    KRABranch.objects.filter(pk=branch.pk).update(**{counter: Greatest(F(counter), Value(number))})


def reject(
    write: KRAWrite, reason: str, *, code: str = "", text: str = "", attention: str = ""
) -> None:
    """KRA, or we, will not have it: its number goes to the next one."""
    with transaction.atomic():
        changes = {
            "result_code": code[:40],
            "result_text": text[:300],
            "message": reason[:300],
            "number": None,
            "attention": attention[:300],
            "completed_at": Now(),
        }
        if move(write, S.REJECTED, changes=changes):
            when_rejected(write)


def take_back(
    write: KRAWrite,
    error: IntegrationError,
    *,
    pause: float | None = None,
    is_answered: bool = False,
    attempts: int | None = None,
    attention: str = "",
) -> bool:
    """It provably did nothing this time; False where it is another's by now.

    One that was in doubt before stays so. `attempts` sets the count of its tries.
    """
    target = S.IN_DOUBT if is_doubtful(write) else S.QUEUED
    changes: dict[str, Any] = {"message": error.message[:300], "result_code": error.code[:40]}
    if target == S.QUEUED:
        changes.update(number=None, body=None, times_sent=0)
    if attempts is not None:
        changes["attempts"] = attempts
    if attention:
        changes["attention"] = attention[:300]
    if target == S.IN_DOUBT and not is_answered:
        # It did not leave: no further answer was lost.
        changes["times_sent"] = F("times_sent") - 1
    due_in = pause or delay_after(write.attempts, backoff=SEND_PAUSES)
    return move(write, target, changes=changes, due_in=due_in)


def keep_in_doubt(write: KRAWrite, error: IntegrationError) -> None:
    """KRA may have it: the same number and body are sent again later."""
    changes = {"message": error.message[:300], "result_code": error.code[:40]}
    if write.times_sent >= MANY:
        changes["attention"] = LOOK
    due_in = delay_after(write.times_sent, backoff=DOUBT_PAUSES)
    move(write, S.IN_DOUBT, changes=changes, due_in=due_in)


def puzzle(write: KRAWrite, reason: str, *, code: str) -> None:
    """KRA's answer fits nothing that we know: a person decides; the branch's reports wait."""
    changes = {"message": reason[:300], "attention": reason[:300], "result_code": code[:40]}
    move(write, S.IN_DOUBT, changes=changes, due_in=LATE_LOOK)


def is_doubtful(write: KRAWrite) -> bool:
    """Whether an earlier try of this number and body may have reached KRA.

    Whatever provably did nothing takes its sending back, so more than the present one are left
    only where an answer was lost.
    """
    return write.times_sent > 1
