"""The encrypted field on every write path, in the database itself, and in lookups."""

from __future__ import annotations

import copy
import pickle

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import FieldError
from django.db import IntegrityError, connection, transaction
from django.db.models import Case, CharField, F, Max, Q, Value, When
from django.db.models.functions import Upper
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations.crypto import MASK, Secret, decrypt_text
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.models import MpesaSettings
from integrations.utils import Crypto
from tests.crypto.app.models import Note

pytestmark = pytest.mark.django_db
HUSH = "hush-hush"


def stored(pk: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM host_note WHERE id = %s", [pk])
        return str(cursor.fetchone()[0])


def by_save() -> int:
    return Note.objects.create(secret=HUSH).pk


def by_assignment() -> int:
    note = Note()
    note.secret = HUSH
    note.save()
    return note.pk


def by_update_fields() -> int:
    note = Note.objects.create()
    note.secret = HUSH
    note.save(update_fields=["secret"])
    return note.pk


def by_update() -> int:
    note = Note.objects.create()
    assert Note.objects.filter(pk=note.pk).update(secret=HUSH) == 1
    return note.pk


def by_bulk_create() -> int:
    return Note.objects.bulk_create([Note(secret=HUSH), Note(secret=HUSH)])[1].pk


def by_bulk_update() -> int:
    notes = [Note.objects.create(), Note.objects.create()]
    for note in notes:
        note.secret = HUSH
    assert Note.objects.bulk_update(notes, ["secret", "title"]) == 2
    return notes[0].pk


def by_upsert() -> int:
    note = Note.objects.create(secret="older")
    Note.objects.bulk_create(
        [Note(pk=note.pk, secret=HUSH)],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["secret"],
    )
    return note.pk


def by_update_or_create() -> int:
    note = Note.objects.create(title="a")
    return Note.objects.update_or_create({"secret": HUSH}, pk=note.pk)[0].pk


def by_value_of_the_field() -> int:
    note = Note.objects.create()
    field = Note._meta.get_field("secret")
    Note.objects.filter(pk=note.pk).update(secret=Value(HUSH, output_field=field))
    return note.pk


def by_facade() -> int:
    return Note.objects.create(secret=Crypto(HUSH, "encrypt").encrypt()).pk


WAYS = [
    by_save, by_assignment, by_update_fields, by_update, by_bulk_create, by_bulk_update,
    by_upsert, by_update_or_create, by_value_of_the_field, by_facade,
]  # fmt: skip


@pytest.mark.parametrize("write", WAYS, ids=lambda way: way.__name__)
def test_every_way_of_writing_stores_a_token(write):
    pk = write()
    assert decrypt_text(stored(pk)) == HUSH
    assert Note.objects.get(pk=pk).secret.reveal() == HUSH


@pytest.mark.parametrize("text", ["gAAAAA", "my gAAAAA password", "$fernet$", "$fernet$x"])
def test_a_secret_that_looks_encrypted_is_encrypted_all_the_same(text):
    note = Note.objects.create(secret=text)
    assert stored(note.pk) != text
    assert Note.objects.get().secret.reveal() == text
    Note.objects.update(secret=text)
    assert Note.objects.get().secret.reveal() == text


def test_a_real_token_typed_as_a_secret_is_encrypted_again():
    token = Fernet(Fernet.generate_key()).encrypt(b"inner").decode()
    own = "".join(Crypto("inner").encrypt())
    for typed in (token, own):
        note = Note.objects.create(secret=typed)
        assert stored(note.pk) != typed
        assert Note.objects.get(pk=note.pk).secret.reveal() == typed


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    text=st.text(alphabet=st.characters(exclude_categories=["Cs"])).filter(lambda t: MASK not in t)
)
def test_any_text_comes_back_from_the_database(db, text):
    note = Note.objects.create(secret=text)
    assert Note.objects.get(pk=note.pk).secret.reveal() == text


def test_a_very_long_secret_is_kept_whole():
    note = Note.objects.create(secret="é" * 20_000)
    assert Note.objects.get(pk=note.pk).secret.reveal() == "é" * 20_000


# --- the CHECK ------------------------------------------------------------------------------


def refused_by_database(action) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        action()


EXPRESSIONS = {
    "another column": lambda: F("title"),
    "plain value": lambda: Value("plain"),
    "begins like a token": lambda: Value("gAAAAAshort"),
    "function": lambda: Upper(F("title")),
    "case": lambda: Case(When(pk__gt=0, then=Value("plain")), output_field=CharField()),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_that_would_store_plaintext_are_stopped_by_the_database(name):
    note = Note.objects.create(title="plaintext title", secret=HUSH)
    refused_by_database(lambda: Note.objects.update(secret=EXPRESSIONS[name]()))
    assert Note.objects.get().secret == note.secret


@pytest.mark.parametrize("table", ["host_note", "integrations_mpesasettings"])
@pytest.mark.parametrize(
    "value", ["plain", " ", "gAAAAA", "xgAAAAA" + "x" * 100, "GAAAAA" + "x" * 99]
)
def test_raw_sql_that_would_store_plaintext_is_stopped_by_the_database(table, value):
    Note.objects.create()
    MpesaSettings.objects.create()
    column = "secret" if table == "host_note" else "passkey"

    def write() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET {column} = %s", [value])

    refused_by_database(write)


def test_raw_sql_may_clear_a_secret_and_copy_a_token():
    first, second = Note.objects.create(secret=HUSH), Note.objects.create(secret="other")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE host_note SET secret = %s WHERE id = %s", [first.secret.token, second.pk]
        )
        cursor.execute("UPDATE host_note SET secret = '' WHERE id = %s", [first.pk])
    assert not Note.objects.get(pk=first.pk).secret
    assert Note.objects.get(pk=second.pk).secret.reveal() == HUSH


def test_no_column_of_a_secret_takes_null():
    Note.objects.create()
    with connection.cursor() as cursor:
        refused_by_database(lambda: cursor.execute("UPDATE host_note SET secret = NULL"))


def test_one_encrypted_column_can_be_copied_to_another():
    MpesaSettings.objects.create(passkey=HUSH)
    MpesaSettings.objects.update(consumer_key=F("passkey"))
    assert MpesaSettings.objects.get().consumer_key.reveal() == HUSH


# --- what is refused on assignment ----------------------------------------------------------


@pytest.mark.parametrize("value", [MASK, 5, b"x", Value("x"), ["x"], {"a": 1}])
def test_what_is_no_secret_is_refused_when_it_is_assigned(value):
    note = Note.objects.create(secret=HUSH)
    with pytest.raises(InvalidInput, match="secret"):
        note.secret = value
    with pytest.raises(InvalidInput, match="secret"):
        Note(secret=value)
    assert note.secret.reveal() == HUSH


@pytest.mark.parametrize("value", [MASK, 5, b"x", ["x"]])
def test_what_is_no_secret_is_refused_by_bulk_writes(value):
    Note.objects.create(secret=HUSH)
    with pytest.raises(InvalidInput), transaction.atomic():
        Note.objects.update(secret=value)
    assert Note.objects.get().secret.reveal() == HUSH


def test_without_a_key_no_secret_is_taken(set_environment_key):
    set_environment_key("")
    with pytest.raises(ConfigurationError):
        Note(secret=HUSH)
    note = Note.objects.create()
    with pytest.raises(ConfigurationError), transaction.atomic():
        Note.objects.update(secret=HUSH)
    assert stored(note.pk) == ""


def test_no_plaintext_stays_on_an_unsaved_row():
    note = Note(secret=HUSH)
    assert HUSH not in str(note.__dict__)
    assert HUSH.encode() not in pickle.dumps(note)


# --- reading --------------------------------------------------------------------------------


def test_rows_values_and_aggregates_give_secrets():
    note = Note.objects.create(secret=HUSH)
    assert Note.objects.values().get()["secret"].reveal() == HUSH
    assert Note.objects.values_list("secret", flat=True).get().reveal() == HUSH
    assert Note.objects.aggregate(top=Max("secret"))["top"].reveal() == HUSH
    assert Note.objects.annotate(again=F("secret")).get().again.reveal() == HUSH
    raw = Note.objects.raw("SELECT id, title, secret FROM host_note")[0]
    assert raw.secret == note.secret
    assert HUSH not in str(Note.objects.values())


def test_a_deferred_secret_is_read_when_it_is_asked_for(django_assert_num_queries):
    Note.objects.create(secret=HUSH, title="t")
    for rows in (Note.objects.defer("secret"), Note.objects.only("title")):
        note = rows.get()
        assert "secret" in note.get_deferred_fields()
        with django_assert_num_queries(1):
            assert note.secret.token
        assert note.secret.reveal() == HUSH


def test_saving_a_row_with_a_deferred_secret_leaves_it_alone():
    note = Note.objects.create(secret=HUSH)
    deferred = Note.objects.only("title").get()
    deferred.title = "new"
    deferred.save()
    assert stored(note.pk) == note.secret.token


def test_refreshing_reads_what_is_stored_now():
    note = Note.objects.create(secret="older")
    Note.objects.filter(pk=note.pk).update(secret=HUSH)
    note.refresh_from_db()
    assert note.secret.reveal() == HUSH
    note.secret = "typed"
    note.refresh_from_db(fields=["secret"])
    assert note.secret.reveal() == HUSH


def test_saving_without_a_change_keeps_the_token():
    note = Note.objects.create(secret=HUSH)
    before = stored(note.pk)
    read = Note.objects.get()
    read.save()
    note.save()
    assert stored(note.pk) == before


def test_pickles_and_copies_of_a_row_hold_the_token_alone():
    note = Note.objects.create(secret=HUSH)
    assert note.secret.reveal() == HUSH
    dumped = pickle.dumps(note)
    assert HUSH.encode() not in dumped
    for made in (pickle.loads(dumped), copy.copy(note), copy.deepcopy(note)):
        assert made.secret == note.secret
        assert made.secret.reveal() == HUSH


def test_a_queryset_is_pickled_without_plaintext():
    Note.objects.create(secret=HUSH)
    rows = Note.objects.all()
    assert len(rows) == 1
    assert HUSH.encode() not in pickle.dumps(rows)


# --- lookups --------------------------------------------------------------------------------

REFUSED = ["iexact", "contains", "startswith", "gt", "in", "regex", "range", "search"]


@pytest.mark.parametrize("lookup", REFUSED)
def test_a_search_in_secrets_is_refused(lookup):
    with pytest.raises(FieldError):
        list(Note.objects.filter(**{f"secret__{lookup}": ["x"] if lookup == "in" else "x"}))


@pytest.mark.parametrize("value", ["x", None, F("title"), Value("x"), Secret("gAAAAA")])
def test_a_comparison_with_a_secret_is_refused(value):
    for query in (Q(secret=value), Q(secret__exact=value), ~Q(secret=value)):
        with pytest.raises(FieldError):
            list(Note.objects.filter(query))
    with pytest.raises(FieldError):
        Note.objects.get_or_create(secret=value)


def test_whether_a_secret_is_set_can_be_asked():
    with_secret, without = Note.objects.create(secret=HUSH), Note.objects.create()
    assert list(Note.objects.filter(secret="")) == [without]
    assert list(Note.objects.exclude(secret="")) == [with_secret]
    assert not Note.objects.filter(secret__isnull=True).exists()
    assert Note.objects.filter(secret__isnull=False).count() == 2
    assert Note.objects.filter(secret=Secret()).count() == 1
