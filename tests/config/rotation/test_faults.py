"""What can go wrong in the middle of a rotation, and how it goes on."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection

from integrations import work
from integrations.config import rotation as rotations
from integrations.config.key_row import open_keys, stored_keys
from integrations.config.rotation import steps
from integrations.crypto import reencrypt
from integrations.exceptions import ConfigurationError
from integrations.models import AppSettings, AuditEntry, KeyRotation, RotationStage
from tests.config.rotation.stock import (
    everything_is_readable,
    finish,
    first_key,
    go_on,
    start,
    wait_no_longer,
    write_raw,
)
from tests.crypto.app.models import Note

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("keys", ["old,new", "old"])
def test_a_worker_that_nobody_restarted_carries_no_re_encryption_on(
    stock: None, settings: Any, set_environment_key: Any, new_key: Any, keys: str
) -> None:
    names = {"old": settings.CYPHER_KEY, "new": new_key()}
    set_environment_key(f"{names['new']},{names['old']}")
    rotations.start_reencryption()
    set_environment_key(",".join(names[name] for name in keys.split(",")))
    rotation = go_on()
    assert (rotation.stage, rotation.is_active) == (RotationStage.PROMOTED, True)
    assert "restart it" in rotation.work_error
    set_environment_key(f"{names['new']},{names['old']}")
    assert finish().stage == RotationStage.VERIFIED
    set_environment_key(names["new"])
    everything_is_readable()


def test_a_key_row_put_back_by_hand_after_the_promotion_is_not_called_verified(stock: None) -> None:
    start()
    go_on()
    row = AppSettings.objects.get()
    row.cypher_key = ",".join(reversed(open_keys(stored_keys())))
    row.save()
    rotation = go_on()
    assert rotation.stage != RotationStage.VERIFIED
    assert "who changed the key row" in rotation.work_error


def test_a_token_stored_late_behind_the_pass_is_found_by_the_next_one(
    stock: None, settings: Any, monkeypatch: Any
) -> None:
    old, real = settings.CYPHER_KEY, steps.reencrypt_batch
    late = [Fernet(old).encrypt(b"note 0").decode()]

    def store_behind(column: Any, keys: Any, after: Any, size: int) -> Any:
        batch = real(column, keys, after, size)
        if column.model is Note and late:
            write_raw("0", late.pop())
        return batch

    start()
    go_on()
    monkeypatch.setattr(steps, "reencrypt_batch", store_behind)
    rotation = finish()
    assert (rotation.stage, rotation.changed) == (RotationStage.VERIFIED, 15)
    new = first_key()
    assert Fernet(new).decrypt(Note.objects.get(title="0").secret.token) == b"note 0"


def test_a_row_that_was_held_during_the_pass_is_found_by_the_next_one(
    stock: None, monkeypatch: Any
) -> None:
    real, held = reencrypt._swap, [1]

    def leave_one(column: Any, swaps: Any) -> int:
        if column.model is Note and held:
            held.pop()
            return real(column, swaps[1:])
        return real(column, swaps)

    monkeypatch.setattr(reencrypt, "_swap", leave_one)
    start()
    assert finish().stage == RotationStage.VERIFIED
    assert rotations.survey_all([first_key()])["host.Note.secret"].first == 5


def test_a_turn_ends_in_time_and_the_next_one_goes_on(stock: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(steps, "TURN_SECONDS", 0.0)
    start(batch=2)
    go_on()
    wait_no_longer()
    queue = work.get_queue(rotations.QUEUE)
    from integrations.work.run import take_turn

    seen = []
    while KeyRotation.objects.get().is_active:
        assert take_turn(queue)
        seen.append(KeyRotation.objects.get().seen)
    assert len(seen) > 10
    everything_is_readable()


@pytest.fixture
def refusing_row(stock: None) -> Any:
    """A trigger of the host's that refuses to have one row written."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN IF OLD.title = '0' THEN "
                "RAISE EXCEPTION 'Jane 0712345678' USING ERRCODE = 'check_violation'; END IF; "
                "RETURN NEW; END $$ LANGUAGE plpgsql"
            )
            cursor.execute(
                "CREATE TRIGGER refuse BEFORE UPDATE ON host_note FOR EACH ROW "
                "EXECUTE FUNCTION refuse()"
            )
        else:
            cursor.execute(
                "CREATE TRIGGER refuse BEFORE UPDATE ON host_note WHEN OLD.title = '0' "
                "BEGIN SELECT RAISE(ABORT, 'Jane 0712345678'); END"
            )
    yield
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DROP TRIGGER refuse ON host_note")
            cursor.execute("DROP FUNCTION refuse")
        else:
            cursor.execute("DROP TRIGGER refuse")


def test_a_row_whose_table_refuses_the_write_is_counted_and_holds_up_no_other(
    refusing_row: None,
) -> None:
    start()
    rotation = finish()
    assert (rotation.stage, rotation.unreadable) == (RotationStage.VERIFIED, 1)
    assert "Jane" not in rotation.work_error
    assert rotations.survey_all([first_key()])["host.Note.secret"].first == 4


def test_a_table_that_is_missing_is_named_before_anything_begins(
    stock: None, monkeypatch: Any
) -> None:
    real = reencrypt._tables
    monkeypatch.setattr(reencrypt, "_tables", lambda alias: real(alias) - {"host_note"})
    for begin in (start, rotations.start_reencryption, lambda: rotations.survey_all(["x"])):
        with pytest.raises(ConfigurationError, match="host_note does not exist"):
            begin()
    assert not KeyRotation.objects.exists()


def test_a_column_that_went_with_an_update_begins_the_pass_anew(stock: None) -> None:
    start()
    go_on()
    KeyRotation.objects.update(
        stage=RotationStage.REENCRYPTING, column="gone.Model.field", after="7"
    )
    assert finish().stage == RotationStage.VERIFIED
    everything_is_readable()


def test_unreadable_values_stop_the_retiring_unless_they_are_accepted(
    stock: None, new_key: Any
) -> None:
    write_raw("0", Fernet(new_key()).encrypt(b"foreign").decode())
    start()
    finish()
    rotations.start_retiring()
    rotation = finish()
    assert (rotation.stage, rotation.unreadable) == (RotationStage.VERIFIED, 1)
    assert len(open_keys(stored_keys())) == 2, "nothing was retired"
    rotations.start_retiring(accept_unreadable=True)
    assert finish().stage == RotationStage.RETIRED
    assert len(open_keys(stored_keys())) == 1


def test_keys_that_came_into_the_row_while_it_was_confirmed_are_not_taken_for_the_old_ones(
    stock: None, new_key: Any, monkeypatch: Any
) -> None:
    start()
    finish()
    typed, real = new_key(), steps._remove_old_keys

    def after_somebody_typed(rotation: KeyRotation, keys: list[str]) -> Any:
        monkeypatch.setattr(steps, "_remove_old_keys", real)
        row = AppSettings.objects.get()
        row.cypher_key = ",".join([typed, *keys])
        row.save()
        return real(rotation, keys)

    monkeypatch.setattr(steps, "_remove_old_keys", after_somebody_typed)
    rotations.start_retiring()
    go_on()
    assert len(open_keys(stored_keys())) == 3
    everything_is_readable()


def test_whoever_ended_a_rotation_late_does_not_end_its_retiring(stock: None) -> None:
    start()
    go_on()
    wait_no_longer()
    (held,) = work.claim_rows(work.get_queue(rotations.QUEUE), limit=1).rows
    KeyRotation.objects.update(stage=RotationStage.VERIFIED, is_active=False)
    rotations.start_retiring()
    assert not work.finish(held, work.Done())
    assert finish().stage == RotationStage.RETIRED


def test_two_who_retire_at_once_are_one(stock: None, monkeypatch: Any) -> None:
    from integrations.config.rotation import start as starting

    start()
    finish()
    rotations.start_retiring()
    monkeypatch.setattr(starting, "refuse_second", lambda: None)
    with pytest.raises(ConfigurationError):
        rotations.start_retiring()
    assert AuditEntry.objects.filter(action="encryption_key.retiring_started").count() == 1


def test_a_rotation_that_nobody_would_look_at_again_is_revived(stock: None) -> None:
    rotation = start()
    KeyRotation.objects.update(work_state="done", next_attempt_at=None)
    rotations.resume(rotation, batch=7)
    rotation.refresh_from_db()
    assert (rotation.work_state, rotation.batch_size) == ("due", 7)
    assert finish().stage == RotationStage.VERIFIED


def test_keys_that_an_interrupted_step_took_from_the_row_are_not_forgotten(
    stock: None,
) -> None:
    start()
    finish()
    rotations.start_rotation()
    finish()
    new, old = open_keys(stored_keys())[:2]
    rotations.start_retiring()
    # The row was written, in its own database, and the process died before the stage was.
    KeyRotation.objects.filter(is_active=True).update(removed_keys=old)
    row = AppSettings.objects.get()
    row.cypher_key = new
    row.save()
    write_raw("0", Fernet(old).encrypt(b"note 0").decode())
    steps._remove_old_keys(_claimed(), [new])
    assert KeyRotation.objects.get(is_active=True).removed_keys.reveal() == old
    assert finish().stage == RotationStage.RETIRED
    everything_is_readable()


def _claimed() -> KeyRotation:
    wait_no_longer()
    (held,) = work.claim_rows(work.get_queue(rotations.QUEUE), limit=1).rows
    return held
