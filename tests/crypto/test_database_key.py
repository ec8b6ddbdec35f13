"""The database's key: first in the order, wrapped by the environment's, refused when in doubt."""

from __future__ import annotations

import hashlib
import time

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models.signals import post_delete, post_save

from integrations.config import key_source
from integrations.crypto import decrypt_text, encrypt_text, keyring, keys
from integrations.exceptions import ConfigurationError, DecryptionError, InvalidInput
from integrations.models import AppSettings, AuditEntry, ConfigStamp, MpesaSettings
from tests.crypto.app.models import HostSettings

pytestmark = pytest.mark.django_db(transaction=True)


def stored_text(row: AppSettings) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT cypher_key FROM integrations_appsettings WHERE id = %s", [row.pk])
        return str(cursor.fetchone()[0])


def test_the_key_of_the_database_encrypts_and_the_environment_still_reads(
    set_environment_key, new_key
):
    outer, inner = new_key(), new_key()
    set_environment_key(outer)
    before = encrypt_text("older")
    AppSettings.objects.create(cypher_key=inner)
    token = encrypt_text("hush")
    assert Fernet(inner).decrypt(token.encode()) == b"hush"
    assert decrypt_text(before) == "older"


def test_the_row_with_the_lowest_id_counts(new_key):
    first, second = new_key(), new_key()
    AppSettings.objects.create(cypher_key=first)
    AppSettings.objects.create(cypher_key=second)
    assert Fernet(first).decrypt(encrypt_text("hush").encode())


def test_an_empty_key_in_the_database_leaves_it_to_the_environment(set_environment_key, new_key):
    outer = new_key()
    set_environment_key(outer)
    AppSettings.objects.create()
    assert Fernet(outer).decrypt(encrypt_text("hush").encode())


def test_the_key_is_stored_wrapped_and_never_shown(set_environment_key, new_key):
    outer, inner = new_key(), new_key()
    set_environment_key(outer)
    row = AppSettings.objects.create(cypher_key=inner)
    stored = stored_text(row)
    assert Fernet(outer).decrypt(stored.encode()).decode() == inner
    row = AppSettings.objects.get()
    assert row.cypher_key.reveal() == inner
    for shown in (repr(row.cypher_key), str(row.cypher_key), f"{row.__dict__}"):
        assert inner not in shown and stored not in shown


def test_several_keys_in_the_database_are_wrapped_together(new_key):
    first, second = new_key(), new_key()
    AppSettings.objects.create(cypher_key=f"{first}, {second}")
    assert Fernet(first).decrypt(encrypt_text("hush").encode())
    assert decrypt_text(Fernet(second).encrypt(b"older").decode()) == "older"


def test_a_key_that_does_not_unwrap_is_refused_for_everything(set_environment_key, new_key):
    token = encrypt_text("hush")
    row = AppSettings.objects.create(cypher_key=new_key())
    before = stored_text(row)
    set_environment_key(new_key())
    for action in (lambda: encrypt_text("x"), lambda: decrypt_text(token)):
        with pytest.raises(ConfigurationError) as caught:
            action()
        assert caught.value.code == "key_mismatch"
    assert stored_text(row) == before


def test_saving_other_fields_never_overwrites_a_key_that_can_not_be_read(
    set_environment_key, new_key
):
    row = AppSettings.objects.create(cypher_key=new_key())
    before = stored_text(row)
    set_environment_key(new_key())
    row = AppSettings.objects.get()
    row.name = "Renamed"
    row.save()
    assert stored_text(row) == before


def test_typing_the_key_again_mends_a_changed_environment(set_environment_key, new_key):
    inner = new_key()
    AppSettings.objects.create(cypher_key=inner)
    token = encrypt_text("hush")
    set_environment_key(new_key())
    row = AppSettings.objects.get()
    row.cypher_key = inner
    row.save()
    assert decrypt_text(token) == "hush"


def test_a_bare_key_works_where_the_environment_has_none(set_environment_key, new_key):
    set_environment_key("")
    inner = new_key()
    row = AppSettings.objects.create(cypher_key=inner)
    assert stored_text(row) == inner
    assert decrypt_text(encrypt_text("hush")) == "hush"


def test_a_bare_key_is_refused_once_the_environment_has_one(set_environment_key, new_key):
    set_environment_key("")
    AppSettings.objects.create(cypher_key=new_key())
    set_environment_key(new_key())
    with pytest.raises(ConfigurationError) as caught:
        encrypt_text("hush")
    assert caught.value.code == "key_mismatch"


@pytest.mark.parametrize("bad", ["short", "gAAAAA" + "x" * 94])
def test_a_malformed_key_is_refused_when_it_is_typed(bad):
    with pytest.raises(ConfigurationError) as caught:
        AppSettings(cypher_key=bad)
    assert caught.value.code == "bad_key"
    assert bad not in str(caught.value)


def test_the_mask_is_no_key():
    with pytest.raises(InvalidInput):
        AppSettings(cypher_key="••••••••")


def test_the_published_key_is_refused_in_the_database(set_environment_key, new_key, monkeypatch):
    published = new_key()
    set_environment_key("")
    AppSettings.objects.create(cypher_key=published)
    monkeypatch.setattr(
        keys, "PUBLISHED_KEY_DIGEST", hashlib.sha256(published.encode()).hexdigest()
    )
    keyring.forget()
    with pytest.raises(ConfigurationError) as caught:
        encrypt_text("hush")
    assert caught.value.code == "published_key"
    with pytest.raises(ConfigurationError):
        AppSettings(cypher_key=published)


def test_deleting_the_row_takes_its_key_away_at_once(new_key):
    row = AppSettings.objects.create(cypher_key=new_key())
    token = encrypt_text("hush")
    row.delete()
    with pytest.raises(DecryptionError):
        decrypt_text(token)


def test_every_way_of_changing_the_key_is_seen_at_once(new_key):
    one, two, three = new_key(), new_key(), new_key()
    row = AppSettings.objects.create(cypher_key=one)
    encrypt_text("warm")
    AppSettings.objects.filter(pk=row.pk).update(cypher_key=two)
    assert Fernet(two).decrypt(encrypt_text("hush").encode())
    row = AppSettings.objects.get()
    row.cypher_key = three
    AppSettings.objects.bulk_update([row], ["cypher_key"])
    assert Fernet(three).decrypt(encrypt_text("hush").encode())
    assert stored_text(row) not in (one, two, three)


def test_changes_of_the_key_are_audited_by_field_name_alone(new_key):
    row = AppSettings.objects.create(cypher_key=new_key())
    row.cypher_key = new_key()
    row.save()
    told = list(AuditEntry.objects.order_by("pk").values_list("action", "fields"))
    assert told == [
        ("app_settings.created", ["cypher_key", "name"]),
        ("app_settings.changed", ["cypher_key"]),
    ]


@pytest.mark.parametrize("with_environment", [True, False])
def test_the_key_row_survives_a_dump_and_a_load(
    set_environment_key, new_key, tmp_path, with_environment
):
    set_environment_key(new_key() if with_environment else "")
    inner = new_key()
    AppSettings.objects.create(cypher_key=inner)
    token = encrypt_text("hush")
    dump = tmp_path / "keys.json"
    call_command("dumpdata", "integrations.AppSettings", output=str(dump), verbosity=0)
    AppSettings.objects.all().delete()
    with pytest.raises((DecryptionError, ConfigurationError)):
        decrypt_text(token)
    call_command("loaddata", str(dump), verbosity=0)
    assert decrypt_text(token) == "hush"
    assert (inner in dump.read_text()) is not with_environment


def test_a_bare_key_of_a_dump_is_wrapped_where_there_is_an_environment_key(
    set_environment_key, new_key, tmp_path
):
    set_environment_key("")
    inner, outer = new_key(), new_key()
    AppSettings.objects.create(cypher_key=inner)
    dump = tmp_path / "keys.json"
    call_command("dumpdata", "integrations.AppSettings", output=str(dump), verbosity=0)
    set_environment_key(outer)
    call_command("loaddata", str(dump), verbosity=0)
    assert Fernet(outer).decrypt(stored_text(AppSettings.objects.get()).encode()).decode() == inner


# --- a host's own model ---------------------------------------------------------------------


def test_a_host_keeps_its_key_in_a_model_of_its_own(settings, new_key):
    settings.INTEGRATIONS_APP_SETTINGS_MODEL = "host.HostSettings"
    host_key = new_key()
    HostSettings.objects.create(cypher_key=host_key)
    AppSettings.objects.create(cypher_key=new_key())
    keyring.forget()
    assert Fernet(host_key).decrypt(encrypt_text("hush").encode())


def test_a_host_may_store_its_key_wrapped(settings, set_environment_key, new_key):
    outer, inner = new_key(), new_key()
    set_environment_key(outer)
    settings.INTEGRATIONS_APP_SETTINGS_MODEL = "host.HostSettings"
    wrapped = Fernet(outer).encrypt(inner.encode()).decode()
    HostSettings.objects.create(cypher_key=wrapped)
    assert Fernet(inner).decrypt(encrypt_text("hush").encode())
    set_environment_key(new_key())
    with pytest.raises(ConfigurationError):
        encrypt_text("hush")


@pytest.mark.parametrize("bad", ["nonsense", "x" * 44])
def test_a_key_of_the_host_that_is_none_is_refused(settings, bad):
    settings.INTEGRATIONS_APP_SETTINGS_MODEL = "host.HostSettings"
    HostSettings.objects.create(cypher_key=bad)
    keyring.forget()
    with pytest.raises(ConfigurationError):
        encrypt_text("hush")


def test_a_model_that_is_not_installed_is_named_in_the_refusal(settings):
    settings.INTEGRATIONS_APP_SETTINGS_MODEL = "core.AppSettings"
    keyring.forget()
    with pytest.raises(ConfigurationError, match=r"core\.AppSettings"):
        encrypt_text("hush")


@pytest.mark.parametrize("label", ["nonsense", "host.HostSettings.cypher_key"])
def test_a_setting_that_is_no_model_name_is_refused_in_words(settings, label):
    settings.INTEGRATIONS_APP_SETTINGS_MODEL = label
    keyring.forget()
    with pytest.raises(ConfigurationError, match="INTEGRATIONS_APP_SETTINGS_MODEL"):
        encrypt_text("hush")


def test_a_host_model_without_the_column_is_refused_in_words(settings):
    settings.INTEGRATIONS_APP_SETTINGS_MODEL = "auth.Group"
    keyring.forget()
    with pytest.raises(ConfigurationError, match="cypher_key"):
        encrypt_text("hush")


# --- reading what can't be read -------------------------------------------------------------


def test_a_failed_reveal_reads_the_keys_once_more_before_it_gives_up(settings, new_key):
    settings.INTEGRATIONS_APP_SETTINGS_MODEL = "host.HostSettings"
    settings.INTEGRATIONS_STAMP_SECONDS = 3600
    old, new = new_key(), new_key()
    row = HostSettings.objects.create(cypher_key=old)
    keyring.forget()
    encrypt_text("warm")
    # A host's own model knows no stamp: this process can't have noticed.
    row.cypher_key = f"{new},{old}"
    row.save()
    assert decrypt_text(Fernet(new).encrypt(b"hush").decode()) == "hush"


def test_giving_up_reads_the_keys_once_and_not_more(django_assert_num_queries):
    encrypt_text("warm")
    token = Fernet(Fernet.generate_key()).encrypt(b"hush").decode()
    with django_assert_num_queries(1), pytest.raises(DecryptionError):
        decrypt_text(token)


def test_the_error_names_model_field_and_row_and_nothing_of_the_secret(
    set_environment_key, new_key
):
    row = MpesaSettings.objects.create(passkey="hush-hush")
    token = row.passkey.token
    set_environment_key(new_key())
    row = MpesaSettings.objects.get()
    with pytest.raises(DecryptionError) as caught:
        row.passkey.reveal()
    told = str(caught.value)
    assert f"integrations.MpesaSettings.passkey (row {row.pk})" in told
    assert "hush" not in told and token not in told
    assert caught.value.code == "key_mismatch"
    row.save()
    row.refresh_from_db()
    assert row.passkey.token == token


def test_the_error_names_the_field_in_values_too(set_environment_key, new_key):
    MpesaSettings.objects.create(passkey="hush-hush")
    set_environment_key(new_key())
    secret = MpesaSettings.objects.values_list("passkey", flat=True).get()
    with pytest.raises(DecryptionError, match=r"integrations\.MpesaSettings\.passkey"):
        secret.reveal()


def test_a_secret_moved_to_another_row_is_named_by_that_row(set_environment_key, new_key):
    first = MpesaSettings.objects.create(passkey="hush-hush")
    assert first.passkey.reveal()
    second = MpesaSettings.objects.create(passkey=first.passkey, business="b")
    set_environment_key(new_key())
    with pytest.raises(DecryptionError, match=rf"\(row {second.pk}\)"):
        second.passkey.reveal()


def test_a_token_of_bytes_that_are_no_text_is_an_error_of_ours(set_environment_key, new_key):
    key = new_key()
    set_environment_key(key)
    with pytest.raises(DecryptionError):
        decrypt_text(Fernet(key).encrypt(b"\xff\xfe\x00").decode())


def test_a_new_stamp_alone_is_enough_to_reread_the_keys(settings, new_key):
    settings.INTEGRATIONS_APP_SETTINGS_MODEL = "host.HostSettings"
    row = HostSettings.objects.create(cypher_key=new_key())
    keyring.forget()
    encrypt_text("warm")
    row.cypher_key = new_key()
    row.save()
    ConfigStamp.objects.touch()
    assert Fernet(row.cypher_key).decrypt(encrypt_text("hush").encode())


@pytest.fixture
def watched(settings):
    """A host's model, watched as `apps.ready` does it."""
    settings.INTEGRATIONS_APP_SETTINGS_MODEL = "host.HostSettings"
    settings.INTEGRATIONS_STAMP_SECONDS = 3600
    key_source.watch_key_model("host.HostSettings")
    yield HostSettings
    for signal in (post_save, post_delete):
        signal.disconnect(sender=HostSettings, dispatch_uid="integrations.key.host.HostSettings")


def test_a_change_of_the_hosts_key_row_is_seen_at_once(watched, set_environment_key, new_key):
    outer = new_key()
    set_environment_key(outer)
    row = watched.objects.create(cypher_key=new_key())
    assert Fernet(row.cypher_key).decrypt(encrypt_text("hush").encode())
    row.cypher_key = new_key()
    row.save()
    assert Fernet(row.cypher_key).decrypt(encrypt_text("hush").encode())
    row.delete()
    assert Fernet(outer).decrypt(encrypt_text("hush").encode())


def test_a_change_of_the_hosts_key_row_that_is_rolled_back_changes_no_stamp(watched, new_key):
    row = watched.objects.create(cypher_key=new_key())
    kept, before = row.cypher_key, ConfigStamp.objects.read()
    with pytest.raises(RuntimeError), transaction.atomic():
        row.cypher_key = new_key()
        row.save()
        assert ConfigStamp.objects.read() != before
        assert Fernet(row.cypher_key).decrypt(encrypt_text("hush").encode())
        raise RuntimeError
    assert ConfigStamp.objects.read() == before
    assert Fernet(kept).decrypt(encrypt_text("hush").encode())


def test_a_change_that_no_signal_tells_of_is_seen_after_a_minute(watched, new_key, monkeypatch):
    first, second = new_key(), new_key()
    watched.objects.create(cypher_key=first)
    encrypt_text("warm")
    watched.objects.update(cypher_key=second)
    assert Fernet(first).decrypt(encrypt_text("hush").encode())
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + 61)
    assert Fernet(second).decrypt(encrypt_text("hush").encode())
