"""Starting a rotation, a re-encryption or the retiring of old keys."""

from __future__ import annotations

from cryptography.fernet import Fernet
from django.db import transaction
from django.db.models import Q

from integrations.config.key_row import replace_keys
from integrations.config.rotation.keys import database_keys, mark_of, present_keys
from integrations.config.rotation.row import (
    QUEUE,
    new_pass,
    open_rotation,
    refuse_second,
    settling,
    tell,
)
from integrations.crypto.keyring import fingerprint
from integrations.crypto.keys import check_key, environment_keys
from integrations.exceptions import ConfigurationError
from integrations.models import KeyRotation, RotationKind, RotationStage
from integrations.work import WorkState, later, ring

BATCH = 500
TWO_WAYS = (
    "The key lives in CYPHER_KEY, which no command can change for you. Either set "
    "CYPHER_KEY=<old>,<new> for every process and restart, then CYPHER_KEY=<new>,<old> and "
    "restart, then run this with --reencrypt. Or run it with --into-database: the key row then "
    "holds the new key, wrapped by CYPHER_KEY."
)


def start_rotation(
    *, new_key: str = "", into_database: bool = False, batch: int = BATCH
) -> KeyRotation:
    """Announce a new key (generated, unless given) in the key row; the queue does the rest.

    Raises ConfigurationError where a rotation is under way, where the new key is unusable or in
    use, where a column can't be worked on, and where the key lives in CYPHER_KEY alone (code
    "environment_key"), unless `into_database` says that the key row shall hold it from now on.
    """
    refuse_second()
    new = check_key(new_key or Fernet.generate_key().decode(), "The new key")
    old = database_keys()
    if new in present_keys():
        raise ConfigurationError("The new key is in use already.", code="bad_key")
    if not old and not into_database:
        raise ConfigurationError(TWO_WAYS, code="environment_key")
    # The row's first key encrypts, so the environment's has to lead it until the new one may.
    announced = [*(old or environment_keys()[:1]), new]
    with transaction.atomic():
        rotation = open_rotation(
            RotationKind.DATABASE,
            RotationStage.ANNOUNCED,
            key_mark=mark_of(new),
            new_key=new,
            batch_size=batch,
            next_attempt_at=settling(),
            not_before=settling(),
        )
        tell(rotation, "announced", f"New key {fingerprint(new)}.")
        replace_keys(old, announced)
    rotation.refresh_from_db()
    return rotation


def start_reencryption(*, batch: int = BATCH) -> KeyRotation:
    """Put everything under the first keys as they are now: after CYPHER_KEY was changed.

    Raises ConfigurationError where a rotation is under way, or a key or column can't be used.
    """
    first = present_keys()[0]
    with transaction.atomic():
        rotation = open_rotation(
            RotationKind.ENVIRONMENT,
            RotationStage.PROMOTED,
            key_mark=mark_of(first),
            batch_size=batch,
        )
        tell(rotation, "reencryption_started", f"Under key {fingerprint(first)}.")
        ring(QUEUE)
    return rotation


def start_retiring(*, batch: int = BATCH, accept_unreadable: bool = False) -> KeyRotation:
    """Remove every key of the row but the first, if nothing needs them; the queue does the rest.

    With values that no key opens, only where `accept_unreadable` says so. Raises
    ConfigurationError where a rotation is under way or none has ended, and (code
    "environment_key") where it is CYPHER_KEY that still lists the old keys.
    """
    refuse_second()
    ended = KeyRotation.objects.exclude(kind=RotationKind.LEGACY)
    rotation = ended.filter(stage=RotationStage.VERIFIED).first()
    if rotation is None:
        raise ConfigurationError("There is no finished rotation whose old keys could be retired.")
    outer = environment_keys()
    if rotation.kind != RotationKind.DATABASE and len(outer) > 1:
        raise ConfigurationError(
            f"Set CYPHER_KEY to its first key alone (fingerprint {fingerprint(outer[0])}) for "
            "every process, restart them, and run this again.",
            code="environment_key",
        )
    with transaction.atomic():
        moved = ended.filter(pk=rotation.pk, stage=RotationStage.VERIFIED, is_active=False).update(
            is_active=True,
            stage=RotationStage.CONFIRMING,
            batch_size=batch,
            accepts_unreadable=accept_unreadable,
            work_state=WorkState.DUE,
            next_attempt_at=later(0),
            attempts=0,
            # Whoever ended it may still be about to say so.
            claim_token="",
            lease_until=None,
            **new_pass(),
        )
        if not moved:
            refuse_second()
            raise ConfigurationError("The rotation was retired meanwhile.", code="rotation_active")
        tell(rotation, "retiring_started")
        ring(QUEUE)
    rotation.refresh_from_db()
    return rotation


def resume(rotation: KeyRotation, *, batch: int | None = None) -> None:
    """Bring a rotation that was given up (see its `work_error`) back into its queue.

    `batch` replaces its batch size.
    """
    rows = KeyRotation.objects.filter(pk=rotation.pk, is_active=True)
    if batch is not None:
        rows.update(batch_size=batch)
    stranded = Q(work_state=WorkState.DEAD) | Q(next_attempt_at=None)
    rows.filter(stranded).exclude(kind=RotationKind.LEGACY).update(
        work_state=WorkState.DUE, next_attempt_at=later(0), attempts=0, claim_token=""
    )
    ring(QUEUE)


def restore_lost_key() -> bool:
    """Put a rotation's new key back into the key row if it has left it; whether it had.

    Somebody saved an older key row over it, a host's own form for example; the rotation kept the
    key, so nothing is lost. It goes first while the rotation is under way, and last, where it only
    decrypts, after that. Raises ConfigurationError.
    """
    kept = KeyRotation.objects.exclude(new_key="").exclude(stage=RotationStage.ABANDONED).first()
    if kept is None or kept.stage == RotationStage.ANNOUNCED:
        return False
    key, found = kept.new_key.reveal(), database_keys()
    others = [other for other in found if other != key]
    wanted = [key, *others] if kept.is_active else [*others, key]
    if found == wanted or (key in found and not kept.is_active):
        return False
    with transaction.atomic():
        tell(kept, "restored", f"Key {fingerprint(key)} had left its place in the key row.")
        replace_keys(found, wanted)
    return True
