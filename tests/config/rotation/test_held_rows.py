"""Rows that were read or made before a rotation and are saved after it; keys taken away by hand."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection, connections, models, transaction

from integrations.config import rotation as rotations
from integrations.config.key_row import open_keys, replace_keys, stored_keys
from integrations.crypto import keyring
from integrations.exceptions import DecryptionError
from integrations.models import (
    AppSettings,
    AuditEntry,
    KeyRotation,
    MpesaSettings,
    RotationStage,
)
from tests.config.conftest import VALUES
from tests.config.rotation.stock import everything_is_readable, finish, first_key, go_on, start
from tests.conftest import wait_for_lock
from tests.crypto.app.models import HostSettings, Note

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def in_row(stock: None) -> None:
    """The key lives in the key row, and the environment's only wraps it."""
    start()
    finish()
    rotations.start_retiring()
    finish()


def rotate() -> None:
    """From row key to row key, and the old key is gone: nothing of before can be opened."""
    rotations.start_rotation()
    finish()
    rotations.start_retiring()
    assert finish().stage == RotationStage.RETIRED


def test_a_held_key_row_takes_no_new_key_away(stock: None) -> None:
    held = AppSettings.objects.get()
    start()
    finish()
    new = first_key()
    held.name = "renamed"
    held.save()
    assert (AppSettings.objects.get().name, first_key()) == ("renamed", new)
    everything_is_readable()


def test_a_key_row_held_since_the_announcement_undoes_no_promotion(stock: None) -> None:
    start()
    held = AppSettings.objects.get()
    go_on()
    new = first_key()
    held.save()
    assert first_key() == new


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer")
def test_a_key_row_saved_while_its_key_is_replaced_brings_no_old_key_back(
    in_row: None, new_key: Any
) -> None:
    held = AppSettings.objects.get()
    old, new = open_keys(stored_keys()), new_key()

    def save() -> None:
        try:
            held.save()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            replace_keys(old, [new])
            saved = pool.submit(save)
            wait_for_lock()
        saved.result(60)
    assert open_keys(stored_keys()) == [new]


def test_a_typed_key_still_replaces_the_present_one(stock: None, new_key: Any) -> None:
    held = AppSettings.objects.get()
    start()
    finish()
    typed = new_key()
    held.cypher_key = ",".join([typed, *open_keys(stored_keys())])
    held.save()
    assert first_key() == typed
    everything_is_readable()


@pytest.fixture
def made(in_row: None) -> Note:
    """A row that this process made and has held ever since; its key is gone."""
    note = Note.objects.get(title="0")
    note = Note(pk=note.pk, title="0", secret="note 0")
    note.save(force_update=True)
    rotate()
    with pytest.raises(DecryptionError):
        note.secret.reveal()
    return note


def stored() -> str:
    return Note.objects.get(title="0").secret.token


@pytest.mark.parametrize("way", ["save", "pickled", "bulk_update", "update"])
def test_no_write_path_puts_an_unreadable_secret_over_a_good_one(in_row: None, way: str) -> None:
    held = Note.objects.get(title="0")
    rotate()
    before = stored()
    if way == "save":
        held.save()
    elif way == "pickled":
        pickle.loads(pickle.dumps(held)).save()
    else:
        with pytest.raises(DecryptionError, match="Load the row again"):
            if way == "update":
                Note.objects.filter(title="0").update(secret=held.secret)
            else:
                Note.objects.bulk_update([held], ["secret"])
    assert stored() == before
    everything_is_readable()


def test_a_row_made_here_and_held_is_refused_rather_than_saved_over_a_good_secret(
    made: Note,
) -> None:
    before = stored()
    made.title = "renamed"
    with pytest.raises(DecryptionError, match="Load the row again"):
        made.save()
    assert stored() == before
    everything_is_readable()


def test_a_held_secret_that_says_something_else_is_the_last_write(stock: None) -> None:
    held = Note.objects.get(title="0")
    start()
    finish()
    Note.objects.filter(title="0").update(secret="written meanwhile")
    held.save()
    assert Note.objects.get(title="0").secret.reveal() == "note 0"
    assert keyring.is_first(stored())


def test_settings_made_here_stay_bound_to_their_hosts_after_a_rotation(
    transactional_db: None,
) -> None:
    row = MpesaSettings.objects.create(**VALUES)
    AppSettings.objects.create()
    hosts, saved = row.secret_hosts, row.secrets_saved
    start()
    finish()
    row.sandbox_url = "https://elsewhere.example"
    row.save()
    assert (row.secret_hosts, row.secrets_saved) == (hosts, saved)
    changed = AuditEntry.objects.filter(action="settings.changed").latest("pk")
    assert changed.fields == ["sandbox_url"]


def test_a_rolled_back_save_leaves_the_secret_typed(transactional_db: None) -> None:
    row = MpesaSettings(**VALUES)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        row.save()
        raise ZeroDivisionError
    row.pk, row._state.adding, row.integration = None, True, None
    row.save()
    assert row.secret_hosts == row.outbound_hosts()


@pytest.fixture
def host(stock: None, settings: Any) -> HostSettings:
    settings.INTEGRATIONS_APP_SETTINGS_MODEL = "host.HostSettings"
    keyring.forget()
    return HostSettings.objects.create()


def test_a_key_that_a_hosts_own_form_saved_over_is_put_back(host: HostSettings) -> None:
    start()
    finish()
    new = first_key()
    # The form was opened before the rotation and is posted now.
    models.QuerySet(HostSettings).update(cypher_key="")
    keyring.forget()
    with pytest.raises(DecryptionError):
        Note.objects.get(title="0").secret.reveal()
    assert rotations.restore_lost_key()
    assert new in rotations.present_keys()
    keyring.forget()
    everything_is_readable()
    assert not rotations.restore_lost_key()
    assert AuditEntry.objects.filter(action="encryption_key.restored").count() == 1


def test_a_key_that_was_taken_from_its_place_during_the_rotation_goes_first_again(
    host: HostSettings, settings: Any
) -> None:
    start()
    go_on()
    new = first_key()
    models.QuerySet(HostSettings).update(cypher_key="")
    keyring.forget()
    assert go_on().stage == RotationStage.PROMOTED
    assert rotations.restore_lost_key()
    assert first_key() == new
    assert finish().stage == RotationStage.VERIFIED
    assert Fernet(new).decrypt(Note.objects.get(title="0").secret.token)


def test_a_retired_key_is_kept_nowhere(stock: None) -> None:
    start()
    finish()
    old = first_key()
    rotations.start_rotation()
    finish()
    rotations.start_retiring()
    finish()
    kept = [row.new_key.reveal() for row in KeyRotation.objects.all()]
    assert old not in kept and first_key() in kept
