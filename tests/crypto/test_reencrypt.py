"""Putting stored tokens under the first key: compare-and-set, never waiting, never guessing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection, connections, models, transaction

from integrations.crypto import Secret, keyring
from integrations.crypto.reencrypt import (
    Column,
    Keys,
    encrypted_columns,
    reencrypt_batch,
    survey,
)
from integrations.models import MpesaSettings
from tests.crypto.app.models import Note

pytestmark = pytest.mark.django_db(transaction=True)
NOTE = Column(Note, Note._meta.get_field("secret"))


@pytest.fixture
def notes(set_environment_key: Any, new_key: Any) -> tuple[str, str]:
    """Five notes under an old key; the new one is known and encrypts now."""
    old, new = new_key(), new_key()
    set_environment_key(old)
    Note.objects.bulk_create([Note(title=str(n), secret=f"hush {n}") for n in range(5)])
    Note.objects.create(title="nothing")
    set_environment_key(f"{new},{old}")
    return old, new


def stored(pk: Any) -> str:
    return Note.objects.get(pk=pk).secret.token


def first_note() -> Note:
    return Note.objects.order_by("pk")[0]


def test_every_encrypted_column_is_known_and_keys_of_keys_are_told_apart() -> None:
    by_label = {column.label: column for column in encrypted_columns()}
    assert {"host.Note.secret", "integrations.InboundCallback.body"} <= set(by_label)
    secrets = {f"integrations.MpesaSettings.{name}" for name in MpesaSettings.secret_fields()}
    assert secrets and secrets <= set(by_label)
    wrapped = {label for label, column in by_label.items() if column.is_wrapped}
    assert wrapped == {
        "integrations.AppSettings.cypher_key",
        "integrations.KeyRotation.new_key",
        "integrations.KeyRotation.removed_keys",
    }


def test_batches_walk_the_whole_column_and_leave_every_text_as_it_was(notes: Any) -> None:
    old, new = notes
    keys, after, sizes = Keys([new, old]), None, []
    while True:
        batch = reencrypt_batch(NOTE, keys, after, 2)
        sizes.append((batch.seen, batch.changed, batch.skipped))
        if batch.last is None:
            break
        after = batch.last
    assert sizes == [(2, 2, 0), (2, 2, 0), (1, 1, 0)]
    texts = [note.secret.reveal() for note in Note.objects.order_by("pk")]
    assert texts == [*(f"hush {n}" for n in range(5)), ""]
    assert survey(NOTE, Keys([new])).first == survey(NOTE, Keys([new])).total == 5


def test_a_token_under_the_first_key_is_left_alone(notes: Any) -> None:
    old, new = notes
    reencrypt_batch(NOTE, Keys([new, old]), None, 100)
    before = stored(first_note().pk)
    again = reencrypt_batch(NOTE, Keys([new, old]), None, 100)
    assert (again.seen, again.changed, again.skipped) == (5, 0, 0)
    assert stored(first_note().pk) == before


def test_what_no_key_opens_is_counted_and_left_alone(notes: Any, new_key: Any) -> None:
    old, new = notes
    foreign = Fernet(new_key()).encrypt(b"foreign").decode()
    models.QuerySet(Note).filter(pk=first_note().pk).update(secret=Secret(foreign))
    batch = reencrypt_batch(NOTE, Keys([new, old]), None, 100)
    assert (batch.changed, batch.unreadable) == (4, 1)
    assert stored(first_note().pk) == foreign
    found = survey(NOTE, Keys([new, old]))
    assert (found.first, found.older, found.unreadable) == (4, 0, 1)


def test_a_value_saved_between_look_and_write_is_never_overwritten(
    notes: Any, monkeypatch: Any
) -> None:
    old, new = notes
    pk = first_note().pk
    renew = Keys.renew

    def save_meanwhile(self: Keys, token: str) -> str:
        if token == stored(pk):
            Note.objects.filter(pk=pk).update(secret="typed meanwhile")
        return renew(self, token)

    monkeypatch.setattr(Keys, "renew", save_meanwhile)
    batch = reencrypt_batch(NOTE, Keys([new, old]), None, 100)
    assert (batch.changed, batch.skipped) == (4, 1)
    assert Note.objects.get(pk=pk).secret.reveal() == "typed meanwhile"


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite locks no rows")
def test_a_row_that_somebody_holds_is_skipped_and_not_waited_for(notes: Any) -> None:
    old, new = notes
    pk = first_note().pk
    is_held, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Note.objects.select_for_update().get(pk=pk)
                is_held.set()
                assert may_go.wait(20)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        holder = pool.submit(hold)
        assert is_held.wait(60)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '3s'")
        try:
            batch = reencrypt_batch(NOTE, Keys([new, old]), None, 100)
        finally:
            may_go.set()
            holder.result(20)
    assert (batch.changed, batch.skipped) == (4, 1)
    assert reencrypt_batch(NOTE, Keys([new, old]), None, 100).changed == 1


def test_a_row_read_before_a_rotation_and_saved_after_it_brings_nothing_old_back(
    notes: Any, set_environment_key: Any
) -> None:
    old, new = notes
    held = first_note()
    reencrypt_batch(NOTE, Keys([new, old]), None, 100)
    present = stored(held.pk)
    set_environment_key(new)
    held.title = "renamed"
    held.save()
    assert (stored(held.pk), Note.objects.get(pk=held.pk).title) == (present, "renamed")
    assert held.secret.reveal() == "hush 0"


def test_a_row_read_before_the_promotion_is_saved_under_the_new_key(
    notes: Any, set_environment_key: Any
) -> None:
    _old, new = notes
    held = first_note()
    held.save()
    assert Fernet(new).decrypt(stored(held.pk)) == b"hush 0"


def test_an_unreadable_secret_is_saved_back_as_it_is(
    notes: Any, set_environment_key: Any, new_key: Any
) -> None:
    before = stored(first_note().pk)
    set_environment_key(new_key())
    held = first_note()
    held.title = "renamed"
    held.save()
    assert stored(held.pk) == before


def test_saving_without_any_key_keeps_what_is_stored(
    notes: Any, set_environment_key: Any, settings: Any
) -> None:
    before = stored(first_note().pk)
    settings.CYPHER_DEV_KEY_FILE = None
    set_environment_key("")
    held = first_note()
    held.title = "renamed"
    held.save()
    assert stored(held.pk) == before


def test_every_write_path_stores_under_the_first_key(notes: Any) -> None:
    old, new = notes
    held = Secret(Fernet(old).encrypt(b"older").decode(), stored=True)
    Note.objects.filter(pk=first_note().pk).update(secret=held)
    note = first_note()
    assert Fernet(new).decrypt(note.secret.token) == b"older"
    note.secret = held
    Note.objects.bulk_update([note], ["secret"])
    assert Fernet(new).decrypt(stored(note.pk)) == b"older"
    Note.objects.bulk_create([Note(title="bulk", secret=held)])
    assert Fernet(new).decrypt(Note.objects.get(title="bulk").secret.token) == b"older"
    assert keyring.is_first(stored(note.pk))
