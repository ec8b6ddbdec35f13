"""Secrets through forms, serializers and dumps: never the mask, never blank by accident."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django import forms
from django.core.management import call_command
from django.core.serializers import deserialize, serialize
from django.http import QueryDict
from rest_framework import serializers

from integrations.crypto import MASK, decrypt_text
from integrations.models import AppSettings, MpesaSettings
from tests.crypto.app.models import Note

pytestmark = pytest.mark.django_db
HUSH = "hush-hush"


class NoteForm(forms.ModelForm):
    class Meta:
        model = Note
        fields = ["title", "secret"]


class NoteSerializer(serializers.ModelSerializer):
    class Meta:
        model = Note
        fields = ["id", "title", "secret"]


@pytest.fixture
def note() -> Note:
    Note.objects.create(title="t", secret=HUSH)
    return Note.objects.get()


def submit(note: Note | None, **data: Any) -> NoteForm:
    posted = QueryDict(mutable=True)
    posted.update({"title": "t", **data})
    return NoteForm(posted, instance=note)


def test_cleaning_and_saving_a_row_keeps_its_secret(note):
    token = note.secret.token
    note.full_clean()
    note.save()
    note.full_clean()
    assert Note.objects.get().secret.token == token


def test_cleaning_an_unsaved_row_encrypts_once():
    note = Note(title="t", secret=HUSH)
    note.full_clean()
    note.full_clean()
    note.save()
    assert Note.objects.get().secret.reveal() == HUSH


@pytest.mark.parametrize("blank", [{}, {"secret": ""}, {"secret": "   "}, {"secret": "\t\n"}])
def test_a_blank_input_keeps_the_secret(note, blank):
    form = submit(note, **blank)
    assert form.is_valid() and "secret" not in form.changed_data
    form.save()
    assert Note.objects.get().secret.reveal() == HUSH


def test_typing_replaces_the_secret_without_its_outer_white_space(note):
    form = submit(note, secret=" new secret \n")
    assert form.is_valid() and form.changed_data == ["secret"]
    form.save()
    assert Note.objects.get().secret.reveal() == "new secret"


@pytest.mark.parametrize("box", [{"secret-clear": "on"}, {"secret": "", "secret-clear": "on"}])
def test_the_box_clears_the_secret(note, box):
    form = submit(note, **box)
    assert form.is_valid() and form.changed_data == ["secret"]
    form.save()
    assert not Note.objects.get().secret


@pytest.mark.parametrize("masked", [MASK, f"{MASK}ab12", f" {MASK}"])
def test_the_mask_is_refused_by_the_form(note, masked):
    form = submit(note, secret=masked)
    assert not form.is_valid()
    assert form.errors.as_data()["secret"][0].code == "mask_as_value"
    assert Note.objects.get().secret.reveal() == HUSH


def test_a_new_row_by_form_takes_its_secret():
    form = submit(None, secret=HUSH)
    assert form.is_valid()
    assert form.save().secret.reveal() == HUSH


def rendered(form: NoteForm) -> str:
    return form.as_p() + str(form["secret"]) + str(form["secret"].value())


def test_the_page_holds_nothing_of_the_secret_or_its_token(note):
    forms_shown = [NoteForm(instance=note), submit(note, secret="typed-secret", title="x" * 99)]
    assert not forms_shown[1].is_valid()
    for form in forms_shown:
        html = rendered(form)
        assert 'autocomplete="new-password"' in html
        for part in (HUSH, "typed-secret", note.secret.token[:12], note.secret.token[-12:]):
            assert part not in html
        assert 'name="secret-clear"' in html


def test_the_clear_box_is_not_offered_where_nothing_is_stored():
    assert "secret-clear" not in rendered(NoteForm())
    assert "secret-clear" not in rendered(submit(None, secret="typed"))


def test_a_prefixed_form_reads_its_own_input(note):
    data = QueryDict(mutable=True)
    data.update({"p-title": "t", "p-secret": "second", "secret": "first"})
    form = NoteForm(data, instance=note, prefix="p")
    assert form.is_valid()
    assert form.save().secret.reveal() == "second"


# --- serializers ----------------------------------------------------------------------------


def test_an_answer_of_the_api_has_no_secret(note):
    assert NoteSerializer(note).data == {"id": note.pk, "title": "t"}


def written(note: Note | None, **data: Any) -> Note:
    form = NoteSerializer(note, data=data, partial=note is not None)
    assert form.is_valid(), form.errors
    row: Note = form.save()
    assert "secret" not in form.data
    return Note.objects.get(pk=row.pk)


def test_a_secret_is_written_kept_and_cleared_through_the_api(note):
    assert written(None, title="n", secret="new").secret.reveal() == "new"
    assert written(note, title="other").secret.reveal() == HUSH
    assert written(note, secret=" typed ").secret.reveal() == "typed"
    assert not written(note, secret="").secret


def test_what_an_api_client_read_can_be_sent_back(note):
    form = NoteSerializer(note, data=dict(NoteSerializer(note).data))
    assert form.is_valid(), form.errors
    form.save()
    assert Note.objects.get().secret.reveal() == HUSH


@pytest.mark.parametrize("value", [MASK, f"x{MASK}", None, ["x"], {"a": 1}, True, "   "])
def test_what_is_no_secret_is_refused_by_the_api(note, value):
    form = NoteSerializer(note, data={"secret": value}, partial=True)
    assert not form.is_valid()
    assert list(form.errors) == ["secret"]
    assert MASK not in str(form.errors) and HUSH not in str(form.errors)


# --- dumps ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["json", "jsonl", "xml", "python"])
def test_a_dump_holds_ciphertext_and_loads_to_the_same_secret(note, kind):
    empty = Note.objects.create(title="empty")
    dump = serialize(kind, Note.objects.order_by("pk"))
    assert HUSH not in str(dump)
    assert note.secret.token in str(dump)
    Note.objects.all().delete()
    for item in deserialize(kind, dump):
        item.save()
    assert Note.objects.get(pk=note.pk).secret.token == note.secret.token
    assert Note.objects.get(pk=note.pk).secret.reveal() == HUSH
    assert not Note.objects.get(pk=empty.pk).secret


@pytest.mark.parametrize("kind", ["json", "xml"])
def test_settings_survive_dumpdata_and_loaddata(tmp_path, kind):
    row = MpesaSettings.objects.create(passkey=HUSH, consumer_key="gAAAAA", short_code="600000")
    AppSettings.objects.create(app_key="app")
    dump = tmp_path / f"dump.{kind}"
    call_command("dumpdata", "integrations", format=kind, output=str(dump), verbosity=0)
    assert HUSH not in dump.read_text()
    MpesaSettings.objects.all().delete()
    call_command("loaddata", str(dump), verbosity=0)
    loaded = MpesaSettings.objects.get()
    assert (loaded.passkey.reveal(), loaded.consumer_key.reveal()) == (HUSH, "gAAAAA")
    assert loaded.secret_hosts == row.secret_hosts
    assert loaded.secrets_saved == row.secrets_saved
    assert AppSettings.objects.get().app_key.reveal() == "app"


def test_a_fixture_written_by_hand_is_encrypted_when_it_is_loaded(tmp_path):
    for text in (HUSH, "gAAAAA-like", "$fernet$not-a-token"):
        fixture = tmp_path / "notes.json"
        fixture.write_text(json.dumps([{"model": "host.note", "fields": {"secret": text}}]))
        call_command("loaddata", str(fixture), verbosity=0)
        row = Note.objects.latest("pk")
        assert row.secret.reveal() == text
        assert decrypt_text(row.secret.token) == text


def test_a_dump_does_not_hold_the_mask(note):
    for dumped in (serialize("json", [note]), str(forms.model_to_dict(note))):
        assert note.secret.token in dumped or MASK in dumped
    assert MASK not in serialize("json", [note])
