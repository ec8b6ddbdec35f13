"""What happens at each stage of a rotation: the handler of its queue."""

from __future__ import annotations

import time

from django.db import transaction

from integrations.conf import hub_settings
from integrations.config.key_row import replace_keys
from integrations.config.rotation.keys import (
    database_keys,
    mark_of,
    outer_mark,
    present_keys,
    rings,
)
from integrations.config.rotation.row import (
    TakenOver,
    end_rotation,
    is_clean,
    new_pass,
    note_batch,
    position,
    seconds_to_wait,
    settling,
    tell,
    update,
)
from integrations.crypto.keyring import fingerprint
from integrations.crypto.keys import split_keys
from integrations.crypto.reencrypt import reencrypt_batch
from integrations.models import KeyRotation, RotationStage
from integrations.work import Again, Done, Kept, Outcome

# Pause before another pass for rows that somebody held during this one.
SKIPPED_PAUSE = 1.0
# A turn is short, so that whoever watches hears of it.
TURN_SECONDS = 2.0
AT_ONCE = Again(delay_seconds=0, count_attempt=False)
FOREIGN = (
    "The process that took this up has another first key than the rotation goes to: restart it "
    "with the new CYPHER_KEY, or see who changed the key row."
)
NOT_RETIRED = "Values that no key opens are left: nothing was retired."


def advance(rotation: KeyRotation) -> Outcome:
    """One stage, or as much of a pass as there is time for. Repeatable after any crash."""
    steps = {
        RotationStage.ANNOUNCED: _promote,
        RotationStage.PROMOTED: _begin,
        RotationStage.REENCRYPTING: _go_on,
        RotationStage.CONFIRMING: _go_on,
        RotationStage.RETIRING: _go_on,
    }
    step = steps.get(RotationStage(rotation.stage))
    if step is None:
        return Done()
    wait = seconds_to_wait(rotation)
    if wait > 0:
        return Again(delay_seconds=wait, count_attempt=False)
    try:
        return step(rotation)
    except TakenOver:
        return Kept()


def _promote(rotation: KeyRotation) -> Outcome:
    keys = database_keys()
    new = next((key for key in keys if mark_of(key) == rotation.key_mark), None)
    if new is None:
        end_rotation(rotation, RotationStage.ABANDONED, "The new key is no longer in the key row.")
        return Done()
    with transaction.atomic():
        update(rotation, stage=RotationStage.PROMOTED, not_before=settling())
        tell(rotation, "promoted", f"Key {fingerprint(new)} encrypts from now on.")
        replace_keys(keys, [new, *(key for key in keys if key != new)])
    return AT_ONCE


def _begin(rotation: KeyRotation) -> Outcome:
    if not _is_ours(rotation, present_keys()):
        return Again(error=FOREIGN)
    update(rotation, stage=RotationStage.REENCRYPTING, **new_pass())
    return AT_ONCE


def _is_ours(rotation: KeyRotation, keys: list[str]) -> bool:
    """Whether this process, now, encrypts with what the rotation goes to."""
    return mark_of(keys[0]) == rotation.key_mark and outer_mark() == rotation.outer_mark


def _go_on(rotation: KeyRotation) -> Outcome:
    """Batches until the pass ends, or the time for this turn does."""
    row_keys = database_keys()
    keys = present_keys()
    if not _is_ours(rotation, keys):
        return Again(error=FOREIGN)
    keys_of = rings(keys, older=split_keys(rotation.removed_keys.reveal()))
    reserve = hub_settings.deadline_seconds / 3
    end = time.monotonic() + TURN_SECONDS
    while rotation.has_time_left(seconds=reserve):
        place = position(rotation)
        if place is None:
            return _end_pass(rotation, row_keys)
        column, after = place
        began = time.monotonic()
        batch = reencrypt_batch(column, keys_of(column), after, rotation.batch_size)
        note_batch(rotation, column, batch, time.monotonic() - began)
        if time.monotonic() >= end:
            break
    return AT_ONCE


def _end_pass(rotation: KeyRotation, row_keys: list[str]) -> Outcome:
    if not is_clean(rotation):
        pause = SKIPPED_PAUSE if rotation.skipped else 0.0
        update(rotation, **new_pass())
        return Again(delay_seconds=pause, count_attempt=False)
    if rotation.stage != RotationStage.CONFIRMING:
        is_retired = rotation.stage == RotationStage.RETIRING
        end_rotation(rotation, RotationStage.RETIRED if is_retired else RotationStage.VERIFIED)
        return Done()
    if rotation.unreadable and not rotation.accepts_unreadable:
        end_rotation(rotation, RotationStage.VERIFIED, NOT_RETIRED)
        return Done()
    return _remove_old_keys(rotation, row_keys)


def _remove_old_keys(rotation: KeyRotation, keys: list[str]) -> Outcome:
    """Take them from the key row, and keep them here until nothing turns up under them.

    `keys` are those that the clean pass worked with; with others in the row it all comes again.
    """
    # Kept before they are taken away: the key row may be in another database. What an interrupted
    # step kept stays: its keys may have left the row already.
    removed = list(dict.fromkeys([*keys[1:], *split_keys(rotation.removed_keys.reveal())]))
    update(rotation, removed_keys=",".join(removed))
    with transaction.atomic():
        update(rotation, stage=RotationStage.RETIRING, not_before=settling(), **new_pass())
        tell(rotation, "old_keys_removed", ", ".join(map(fingerprint, removed)))
        if len(keys) > 1:
            replace_keys(keys, keys[:1])
    return AT_ONCE
