"""`manage.py rotate_encryption_key`, as an operator types it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import work
from integrations.config import rotation as rotations
from integrations.config.key_row import open_keys, stored_keys
from integrations.crypto import keys
from integrations.models import AppSettings, AuditEntry, KeyRotation, MpesaSettings, RotationStage
from tests.crypto.app.models import HostSettings, Note

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(settings: Any) -> None:
    settings.INTEGRATIONS_STAMP_SECONDS = 0.01


def run(*options: str) -> str:
    out = io.StringIO()
    call_command("rotate_encryption_key", *options, stdout=out)
    told = out.getvalue()
    assert all(key not in told for key in rotations.present_keys())
    return told


def fails(*options: str) -> str:
    with pytest.raises(CommandError) as caught:
        run(*options)
    return str(caught.value)


def test_the_whole_story_from_dry_run_to_retired(row: MpesaSettings) -> None:
    Note.objects.create(secret="hush")
    before = Note.objects.get().secret.token
    told = run("--dry-run")
    assert "none in the key row" in told and "Nothing was changed." in told
    assert "host.Note.secret: 1 stored, 1 under the first key, 0 under older ones" in told
    assert Note.objects.get().secret.token == before and not KeyRotation.objects.exists()

    told = run("--into-database")
    for stage in (RotationStage.ANNOUNCED, RotationStage.PROMOTED, RotationStage.VERIFIED):
        assert stage.label in told
    assert "4 secrets were re-encrypted" in told and "--retire" in told
    assert run("--verify")

    assert RotationStage.RETIRED.label in run("--retire")
    assert len(open_keys(stored_keys())) == 1
    assert Note.objects.get().secret.reveal() == "hush"


def test_a_dry_run_and_a_verification_tell_what_stands_under_older_keys(
    row: MpesaSettings, settings: Any, set_environment_key: Any, new_key: Any
) -> None:
    set_environment_key(f"{new_key()},{settings.CYPHER_KEY}")
    assert "MpesaSettings.passkey: 1 stored, 0 under the first key, 1 under older" in run(
        "--dry-run"
    )
    assert "3 stored values do not open with the first key alone" in fails("--verify")
    assert "Done" in run("--reencrypt")
    assert run("--verify")


def test_a_key_that_lives_in_the_environment_gets_the_two_ways_out(row: MpesaSettings) -> None:
    told = fails()
    assert "--reencrypt" in told and "--into-database" in told
    assert not KeyRotation.objects.exists()


def test_the_new_key_comes_from_a_file_and_never_from_the_command_line(
    row: MpesaSettings, tmp_path: Path, new_key: Any
) -> None:
    key, file = new_key(), tmp_path / "key"
    file.write_text(f"{key}\n")
    run("--into-database", "--new-key-file", str(file))
    assert rotations.present_keys()[0] == key


@pytest.mark.parametrize("content", [None, "", "no key"])
def test_a_key_file_that_can_not_be_used_is_named_and_nothing_begins(
    row: MpesaSettings, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
    told = fails("--into-database", "--new-key-file", str(file))
    assert told.startswith("--new-key-file: the file") or "not a Fernet key" in told
    assert str(file) not in told
    assert not KeyRotation.objects.exists()


@pytest.mark.parametrize("size", ["0", "-1", "5001"])
def test_a_batch_size_out_of_bounds_is_refused(size: str) -> None:
    assert fails(f"--batch-size={size}").startswith("--batch-size: must be from 1 to 5000")


def test_options_that_exclude_each_other_are_refused() -> None:
    assert "not allowed with" in fails("--retire", "--reencrypt")


def test_retiring_without_a_rotation_says_so(row: MpesaSettings) -> None:
    assert "no finished rotation" in fails("--retire")


def test_detached_work_is_done_by_the_workers(row: MpesaSettings) -> None:
    run("--into-database", "--detach")
    assert KeyRotation.objects.get().stage == RotationStage.ANNOUNCED
    for _ in range(6):
        waiting = KeyRotation.objects.exclude(next_attempt_at=None)
        waiting.update(next_attempt_at=timezone.now(), not_before=None)
        work.Worker([rotations.QUEUE]).run_once()
    assert KeyRotation.objects.get().stage == RotationStage.VERIFIED


def test_a_rotation_that_was_given_up_says_why_and_is_gone_on_with(row: MpesaSettings) -> None:
    run("--into-database", "--detach")
    KeyRotation.objects.update(work_state="dead", work_error="The disk was full.")
    assert RotationStage.VERIFIED.label in run()
    assert AuditEntry.objects.filter(action="encryption_key.announced").count() == 1


def test_values_that_no_key_opens_fail_the_command_and_stay(
    row: MpesaSettings, new_key: Any
) -> None:
    from integrations.crypto import Secret

    foreign = Fernet(new_key()).encrypt(b"foreign").decode()
    Note.objects.create(secret=Secret(foreign))
    assert "1 stored values open with no key" in fails("--into-database")
    assert Note.objects.get().secret.token == foreign
    assert (
        "host.Note.secret: 1 stored, 0 under the first key, 0 under older ones, 1 unreadable"
        in (run("--dry-run"))
    )


def test_the_published_key_is_read_from_a_file_and_moved_away_from(
    row: MpesaSettings, settings: Any, tmp_path: Path, new_key: Any, monkeypatch: Any
) -> None:
    import hashlib

    published = new_key()
    monkeypatch.setattr(
        keys, "PUBLISHED_KEY_DIGEST", hashlib.sha256(published.encode()).hexdigest()
    )
    settings.INTEGRATIONS_APP_SETTINGS_MODEL = "host.HostSettings"
    HostSettings.objects.create(cypher_key=published)
    file = tmp_path / "legacy"
    file.write_text(published)
    assert RotationStage.VERIFIED.label in run("--from-legacy", str(file))
    assert HostSettings.objects.get().cypher_key == ""
    assert "accepted once" in fails("--from-legacy", str(file))


def test_an_abandoned_rotation_fails_the_command(row: MpesaSettings) -> None:
    run("--into-database", "--detach")
    AppSettings.objects.update(cypher_key="")
    assert "taken out of the key row" in fails()


def test_other_options_are_refused_while_a_rotation_is_under_way(
    row: MpesaSettings, tmp_path: Path, new_key: Any
) -> None:
    run("--into-database", "--detach")
    file = tmp_path / "key"
    file.write_text(new_key())
    for options in (["--retire"], ["--reencrypt"], ["--new-key-file", str(file)]):
        assert "Another rotation is under way" in fails(*options)
    assert KeyRotation.objects.get().stage == RotationStage.ANNOUNCED


def test_an_interrupted_move_from_the_published_key_is_not_gone_on_with_by_another_command(
    row: MpesaSettings,
) -> None:
    KeyRotation.objects.create(kind="legacy", stage="reencrypting", next_attempt_at=None)
    assert "repeat it" in fails()


def test_a_key_typed_in_place_of_its_file_is_not_repeated(row: MpesaSettings, new_key: Any) -> None:
    key = new_key()
    assert key not in fails("--new-key-file", key)


def test_a_database_that_refuses_is_told_in_a_sentence(row: MpesaSettings) -> None:
    from django.db import OperationalError, connection

    def refuse(*_: Any) -> None:
        raise OperationalError("Jane 0712345678")

    with connection.execute_wrapper(refuse):
        told = fails()
    assert "run the command again" in told or "does not answer" in told
    assert "Jane" not in told
