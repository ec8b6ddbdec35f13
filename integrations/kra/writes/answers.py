"""What a no of KRA means for a report, and what is done about it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max

from integrations.config import Snapshot
from integrations.exceptions import IntegrationError
from integrations.kra.outbox import holds
from integrations.kra.writes.bodies import COUNTERS
from integrations.kra.writes.effects import renumber_item
from integrations.kra.writes.outcomes import (
    advance_counter,
    is_doubtful,
    keep_in_doubt,
    puzzle,
    reject,
    take,
    take_back,
)
from integrations.kra.writes.states import move
from integrations.models import KRABranch, KRAWrite, WriteKind
from integrations.models import WriteState as S
from integrations.providers.kra.codes import Kind, Meaning

# Seconds before a device, or credentials, that KRA refused are tried again.
DEVICE_PAUSE = 300.0
BUSY_PAUSE = 30.0
# Refusals of a report while the device works, before a person is told.
REFUSALS = 5
# Numbers that KRA may name for one report, and how far it may be ahead of what it took from us,
# before a person is told.
MOST_RENUMBERED = 25
MOST_SKIPPED = 1000
FAR = "far_ahead"
AGAIN_AND_AGAIN = (
    "KRA named another number {} times for this report. Find out which program uses this control "
    "unit too, then send it again."
)
FAR_AHEAD = (
    "KRA expects number {}, and ours is {}. Find out which program uses this control unit too; "
    "send this again to go on at KRA's number."
)
ALONE = "KRA refuses this report, while the control unit works: {}"


@dataclass(frozen=True, slots=True)
class Settled:
    """KRA's no: what it means, its own words, and the sentence for people."""

    meaning: Meaning
    text: str
    sentence: str


def settle_answer(write: KRAWrite, config: Snapshot, told: Settled) -> None:
    """Do what the answer asks for; nothing is raised."""
    kind = told.meaning.kind
    if kind is Kind.DUPLICATE:
        _duplicate(write, told)
    elif kind is Kind.SEQUENCE:
        _out_of_sequence(write, told)
    elif kind is Kind.DEVICE:
        _device_refused(write, config, told)
    elif kind is Kind.BUSY:
        take_back(write, _error(told), pause=BUSY_PAUSE, is_answered=True)
    elif kind is Kind.UNKNOWN:
        keep_in_doubt(write, _error(told))
    else:
        _refused(write, told)


def _error(told: Settled) -> IntegrationError:
    return IntegrationError(told.sentence, code=told.meaning.code or "provider_error")


def _device_refused(write: KRAWrite, config: Snapshot, told: Settled) -> None:
    """The device is refused, which a harmless question shows, or this call alone (its path).

    A refused device holds the branch, told at once and probed as for invoices. What is refused
    alone is tried on; after some refusals a person is told, and no invoice waits for it any more.
    """
    is_alone = holds.works(config, write.claim_deadline)
    # Counted are refusals in a row, not the tries of an outage before.
    tries = write.attempts if write.result_code == told.meaning.code else 1
    look = ALONE.format(told.sentence) if is_alone and tries >= REFUSALS else ""
    is_moved = take_back(
        write, _error(told), pause=DEVICE_PAUSE, is_answered=True, attempts=tries, attention=look
    )
    if is_moved and not is_alone:
        holds.hold(write.branch_id, told.sentence, code=holds.DEVICE)


def _refused(write: KRAWrite, told: Settled) -> None:
    """What KRA refuses now it will have refused before; where an answer was lost, say so."""
    look = ""
    if write.kind in COUNTERS and is_doubtful(write):
        look = f"An answer was lost before KRA refused it: look whether KRA has {write.number}."
    reject(write, told.sentence, code=told.meaning.code, text=told.text, attention=look)


def _duplicate(write: KRAWrite, told: Settled) -> None:
    """KRA has it: by the try whose answer was lost, or because the number is another's."""
    code, is_numbered, is_doubted = told.meaning.code, write.kind in COUNTERS, is_doubtful(write)
    if not told.meaning.is_certain:
        # 899 of the VSCU has other causes too.
        if is_numbered and is_doubted:
            puzzle(write, told.sentence, code=code)
        else:
            _refused(write, told)
    elif not is_numbered or is_doubted:
        take(write, code=code, text=told.text)
    else:
        _skip_to(write, (write.number or 0) + 1, told)


def _out_of_sequence(write: KRAWrite, told: Settled) -> None:
    expected = told.meaning.expected
    if write.kind == WriteKind.ITEM:
        _item_out_of_sequence(write, told)
    elif write.kind not in COUNTERS or expected is None or write.number is None:
        _refused(write, told)
    elif not is_doubtful(write):
        _skip_to(write, expected, told)
    elif expected == write.number + 1:
        # It waits for the next one, so this one has arrived.
        take(write, code=told.meaning.code, text=told.text)
    else:
        puzzle(
            write,
            f"KRA expects number {expected}, while it is unknown whether it has {write.number}.",
            code=told.meaning.code,
        )


def _skip_to(write: KRAWrite, expected: int, told: Settled) -> None:
    """Go on where KRA's own count is: the device was used from elsewhere before.

    Never to a number that our book has or has passed, nor without end, nor far on one word alone.
    """
    counter = COUNTERS[write.kind]
    if expected < 1 or expected == write.number:
        _refused(write, told)
        return
    code, look = told.meaning.code, ""
    ours = KRAWrite.objects.filter(branch_id=write.branch_id, kind=write.kind)
    last = ours.exclude(pk=write.pk).aggregate(last=Max("number"))["last"] or 0
    if last >= expected:
        look = f"KRA expects number {expected}, and has taken {last} by our book: compare them."
    elif write.renumbered >= MOST_RENUMBERED:
        look = AGAIN_AND_AGAIN.format(MOST_RENUMBERED)
    elif expected - (write.number or 0) > MOST_SKIPPED and last and not _was_told(write):
        code = "far_ahead"
        look = FAR_AHEAD.format(expected, write.number)
    if look:
        reject(write, look, code=code, text=told.text, attention=look)
        return
    is_more = expected > (write.number or 0)
    with transaction.atomic():
        changes = {
            "number": None,
            "body": None,
            "times_sent": 0,
            "message": f"KRA expects number {expected}; it was renumbered.",
            "renumbered": write.renumbered + 1,
            "result_code": told.meaning.code[:40],
        }
        if not move(write, S.QUEUED, changes=changes):
            return
        if is_more:
            advance_counter(write.branch, counter, expected - 1)
        else:
            KRABranch.objects.filter(pk=write.branch_id).update(**{counter: expected - 1})


def _was_told(write: KRAWrite) -> bool:
    """Whether a person was told how far KRA is ahead, and sent or decided it again."""
    if not write.subject:
        return write.result_code == FAR
    told = KRAWrite.objects.filter(branch_id=write.branch_id, kind=write.kind, result_code=FAR)
    return told.filter(subject=write.subject).exists()


def _item_out_of_sequence(write: KRAWrite, told: Settled) -> None:
    """The running number of a new item is counted for the PIN, in all its branches."""
    expected = told.meaning.expected
    running = write.document.get("running_number")
    if is_doubtful(write) and running and expected == running + 1:
        take(write, code=told.meaning.code, text=told.text)
        return
    if expected is None or not write.document.get("is_new") or expected == running:
        _refused(write, told)
        return
    if write.renumbered >= MOST_RENUMBERED:
        look = AGAIN_AND_AGAIN.format(MOST_RENUMBERED)
        reject(write, look, code=told.meaning.code, text=told.text, attention=look)
        return
    with transaction.atomic():
        document = renumber_item(write, expected)
        if document is None:
            _refused(write, told)
            return
        changes = {
            "document": document,
            "body": None,
            "times_sent": 0,
            "renumbered": write.renumbered + 1,
            "message": f"The item's code is {document['item_code']} now, as KRA expects it.",
            "result_code": told.meaning.code[:40],
        }
        if not move(write, S.QUEUED, changes=changes):
            # Another's by now: the item keeps the code that it has.
            transaction.set_rollback(True)
