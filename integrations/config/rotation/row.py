"""The rotation's row: opening it, moving it while the claim is ours, where its pass is."""

from __future__ import annotations

import logging
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from integrations.conf import hub_settings
from integrations.config.rotation.keys import (
    columns,
    count_stored,
    outer_mark,
    require_workable,
)
from integrations.crypto.reencrypt import Batch, Column
from integrations.exceptions import ConfigurationError
from integrations.models import AuditEntry, ConfigStamp, KeyRotation, RotationKind, RotationStage
from integrations.work import later
from integrations.work.clock import database_now

logger = logging.getLogger("integrations.config")
QUEUE = "key-rotation"


class TakenOver(Exception):
    """Another process has the rotation now; the step in hand is undone."""


def settling() -> Any:
    """The instant by which every process has surely seen a change made now.

    Two stamp intervals and a little.
    """
    return later(2 * hub_settings.stamp_seconds + 0.5)


def seconds_to_wait(rotation: KeyRotation) -> float:
    """How long until the next step may be taken."""
    if rotation.not_before is None:
        return 0.0
    return (rotation.not_before - database_now()).total_seconds()


def active_rotation() -> KeyRotation | None:
    """The rotation under way, if any."""
    return KeyRotation.objects.filter(is_active=True).first()


def last_rotation() -> KeyRotation | None:
    """The newest rotation, ended or not."""
    return KeyRotation.objects.first()


def refuse_second() -> None:
    """Raise ConfigurationError (code "rotation_active") where a rotation is under way."""
    active = active_rotation()
    if active is None:
        return
    way = "--from-legacy again" if active.kind == RotationKind.LEGACY else "without options"
    raise ConfigurationError(
        f"A key rotation is under way already; run the command {way} to go on.",
        code="rotation_active",
    )


def open_rotation(kind: RotationKind, stage: RotationStage, **values: Any) -> KeyRotation:
    """Create the row; raises as `refuse_second` does, also when two start at once."""
    refuse_second()
    require_workable()
    try:
        with transaction.atomic():
            return KeyRotation.objects.create(
                kind=kind, stage=stage, outer_mark=outer_mark(), **values
            )
    except IntegrityError:
        refuse_second()
        raise


def tell(rotation: KeyRotation, action: str, detail: str = "") -> None:
    """Add an entry to the audit trail."""
    AuditEntry.objects.record(f"encryption_key.{action}", target=rotation, detail=detail)


def update(rotation: KeyRotation, **values: Any) -> None:
    """Change the row while the claim is ours, and reread it; raises TakenOver."""
    ours = KeyRotation.objects.filter(pk=rotation.pk, claim_token=rotation.claim_token)
    if not ours.update(**values):
        raise TakenOver
    rotation.refresh_from_db()


def new_pass() -> dict[str, Any]:
    """The values by which a pass begins at the first column."""
    return {
        "column": "",
        "after": None,
        "passes": F("passes") + 1,
        "total": count_stored(),
        "seen": 0,
        "skipped": 0,
        "unreadable": 0,
        "changed_before": F("changed"),
    }


def position(rotation: KeyRotation) -> tuple[Column, Any] | None:
    """The column in hand and the primary key to go on after; None at the pass's end.

    A column that went with an update of the program begins the pass anew: raises TakenOver.
    """
    known = columns()
    labels = [column.label for column in known]
    if rotation.column and rotation.column not in labels:
        update(rotation, **new_pass())
    number = labels.index(rotation.column) if rotation.column else -1
    if rotation.after is not None:
        return known[number], known[number].model._meta.pk.to_python(rotation.after)
    return (known[number + 1], None) if number + 1 < len(known) else None


def note_batch(rotation: KeyRotation, column: Column, batch: Batch, seconds: float) -> None:
    """Store how far the pass came; raises TakenOver."""
    update(
        rotation,
        column=column.label,
        after=None if batch.last is None else str(batch.last),
        seen=F("seen") + batch.seen,
        changed=F("changed") + batch.changed,
        skipped=F("skipped") + batch.skipped,
        unreadable=F("unreadable") + batch.unreadable,
        work_seconds=F("work_seconds") + seconds,
    )


def is_clean(rotation: KeyRotation) -> bool:
    """Whether the pass that just ended found nothing to put under the first key."""
    return rotation.changed == rotation.changed_before and not rotation.skipped


def end_rotation(rotation: KeyRotation, stage: RotationStage, detail: str = "") -> None:
    """Store the end. The stamp changes, so that no cache keeps a token from before."""
    when = {RotationStage.VERIFIED: "verified_at", RotationStage.RETIRED: "retired_at"}.get(stage)
    times = {when: timezone.now()} if when else {}
    told = detail or f"{rotation.changed} re-encrypted, {rotation.unreadable} unreadable."
    with transaction.atomic():
        update(rotation, stage=stage, is_active=False, removed_keys="", **times)
        if stage == RotationStage.RETIRED:
            # Their keys are what has just been retired.
            KeyRotation.objects.exclude(pk=rotation.pk).update(new_key="")
        ConfigStamp.objects.touch()
        tell(rotation, stage.value, told)
    if rotation.unreadable:
        logger.error("event=key_rotation_unreadable count=%d", rotation.unreadable)
