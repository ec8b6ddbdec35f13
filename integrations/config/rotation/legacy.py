"""Away from the key that the original project published: supplied by the operator, once."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.db import transaction

from integrations.config.key_row import drop_published_key, open_keys, stored_keys
from integrations.config.rotation.keys import rings
from integrations.config.rotation.row import (
    TakenOver,
    active_rotation,
    end_rotation,
    is_clean,
    new_pass,
    note_batch,
    open_rotation,
    position,
    tell,
    update,
)
from integrations.config.rotation.steps import SKIPPED_PAUSE
from integrations.crypto import Secret
from integrations.crypto.keys import (
    canonical_key,
    check_key,
    environment_keys,
    is_published,
    split_keys,
)
from integrations.crypto.reencrypt import Column, Keys, reencrypt_batch
from integrations.exceptions import ConfigurationError
from integrations.models import KeyRotation, RotationKind, RotationStage
from integrations.work import WorkState
from integrations.work.claim import new_token


def migrate_legacy(
    legacy_key: str, *, batch: int, report: Callable[[KeyRotation], None] = lambda _row: None
) -> KeyRotation:
    """Re-encrypt what the published key opens under a key of your own, and drop it from the row.

    The key only decrypts, only in this call, and is stored nowhere. Nothing else is served with
    it: until this has ended, a key row that holds it makes every process refuse. An interrupted
    call is repeated. Raises ConfigurationError for another key, without a key of your own, where
    another rotation is under way, and after it was done once (code "legacy_done").
    """
    legacy = canonical_key(legacy_key.strip(), "The legacy key")
    if not is_published(legacy):
        raise ConfigurationError(
            "This is not the published key. A key of your own goes into CYPHER_KEY, after the "
            "new one; then run this with --reencrypt.",
            code="bad_key",
        )
    keys_of = rings(own_keys(), older=[legacy])
    rotation = _open(batch)
    try:
        while not _pass(rotation, keys_of, report):
            if rotation.skipped:
                time.sleep(SKIPPED_PAUSE)
            update(rotation, **new_pass())
        with transaction.atomic():
            was_in_row = drop_published_key()
            # Found nothing: then it was not used up either.
            is_used = rotation.changed or was_in_row
            stage = RotationStage.VERIFIED if is_used else RotationStage.ABANDONED
            end_rotation(rotation, stage)
    except TakenOver:
        raise ConfigurationError(
            "Another process has taken up the same; let it finish.", code="rotation_active"
        ) from None
    return rotation


def own_keys() -> list[str]:
    """The keys to go to; the key row counts where the published key is not in it."""
    stored = stored_keys()
    text = stored.token if isinstance(stored, Secret) else stored
    listed = split_keys(text)
    if any(is_published(key) for key in listed):
        found = [key for key in listed if not is_published(key)]
    else:
        found = open_keys(stored)
    own = [check_key(key, "AppSettings.cypher_key") for key in found] + environment_keys()
    if not own:
        raise ConfigurationError(
            "Set CYPHER_KEY to a new key of your own first: what the published key opens is "
            "put under it.",
            code="no_key",
        )
    return list(dict.fromkeys(own))


def _open(batch: int) -> KeyRotation:
    """The row, held by this process; no worker has the key, so it is never due."""
    if KeyRotation.objects.filter(kind=RotationKind.LEGACY, stage=RotationStage.VERIFIED).exists():
        raise ConfigurationError(
            "What the published key opened was moved before; the key is accepted once.",
            code="legacy_done",
        )
    with transaction.atomic():
        rotation = active_rotation()
        if rotation is None or rotation.kind != RotationKind.LEGACY:
            stage = RotationStage.REENCRYPTING
            rotation = open_rotation(
                RotationKind.LEGACY, stage, work_state=WorkState.IDLE, next_attempt_at=None
            )
            tell(rotation, "legacy_started", "Away from the published key.")
        KeyRotation.objects.filter(pk=rotation.pk).update(
            claim_token=new_token(), batch_size=batch, **new_pass()
        )
    return KeyRotation.objects.get(pk=rotation.pk)


def _pass(
    rotation: KeyRotation,
    keys_of: Callable[[Column], Keys],
    report: Callable[[KeyRotation], None],
) -> bool:
    """One pass over everything; whether it found nothing to change."""
    while (place := position(rotation)) is not None:
        column, after = place
        began = time.monotonic()
        batch = reencrypt_batch(column, keys_of(column), after, rotation.batch_size)
        note_batch(rotation, column, batch, time.monotonic() - began)
        report(rotation)
    return is_clean(rotation)
