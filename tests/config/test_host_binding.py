"""Saved secrets go only to the hosts that they were typed for."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from django import forms
from django.core.exceptions import ValidationError

from integrations.config import get_snapshot
from integrations.models import MpesaSettings, host_of
from integrations.services import IntegrationConfigService as Service
from tests.config.conftest import VALUES
from tests.conftest import CONSUMER_KEY, CONSUMER_SECRET
from tests.hunt.plants import PASSKEY, planted

TYPED = {
    "consumer_key": CONSUMER_KEY,
    "consumer_secret": CONSUMER_SECRET,
    "passkey": PASSKEY,
    "initiator_password": planted("initiator password"),
    "security_credential": planted("security credential"),
}
SECRETS = tuple(TYPED)
EVIL = "https://evil.example"


@pytest.fixture
def saved(mpesa: MpesaSettings, settings: Any, sandbox: Any) -> MpesaSettings:
    """Settings that work with the sandbox; a second name of it plays the attacker's host."""
    settings.OUTBOUND_ALLOWED_HOSTS = [
        *settings.OUTBOUND_ALLOWED_HOSTS, other_host(sandbox).partition("//")[2].partition("/")[0],
    ]  # fmt: skip
    assert Service.test_mpesa_connection()[0]
    return MpesaSettings.objects.get()


def other_host(sandbox: Any) -> str:
    return str(sandbox.daraja_url.replace("127.0.0.1", "localhost"))


def retype(row: MpesaSettings, *names: str) -> None:
    for name in names:
        setattr(row, name, TYPED[name])


def is_refused(sandbox: Any) -> bool:
    before = sandbox.counters()
    ok, _ = Service.test_mpesa_connection()
    after = sandbox.counters()
    for count in (before, after):
        count.pop("connections")
    assert ok or before == after, "the secrets were sent"
    return not ok


def test_secrets_are_bound_to_the_host_they_were_typed_for(saved):
    assert saved.secret_hosts == [host_of(saved.sandbox_url)]
    assert get_snapshot("mpesa").hosts == frozenset(saved.secret_hosts)
    assert set(saved.secrets_saved) == set(SECRETS)


def test_cleaning_refuses_a_new_host_for_kept_secrets(saved, sandbox):
    saved.sandbox_url = other_host(sandbox)
    with pytest.raises(ValidationError) as caught:
        saved.full_clean()
    assert set(caught.value.message_dict) == set(SECRETS)
    assert "type this secret again" in str(caught.value)


def test_cleaning_accepts_what_does_not_move_the_secrets(saved):
    saved.sandbox_url += "/"
    saved.short_code = "600000"
    saved.base_url = EVIL
    saved.full_clean()
    saved.save()
    assert Service.get_mpesa_config()["configured"]


def test_a_new_host_by_save_is_refused_when_the_secrets_are_sent(saved, sandbox):
    saved.sandbox_url = other_host(sandbox)
    saved.save()
    assert is_refused(sandbox)


def test_a_new_host_by_update_is_refused_when_the_secrets_are_sent(saved, sandbox):
    MpesaSettings.objects.update(sandbox_url=other_host(sandbox))
    assert is_refused(sandbox)


def test_a_new_host_by_bulk_update_is_refused_when_the_secrets_are_sent(saved, sandbox):
    saved.sandbox_url = other_host(sandbox)
    MpesaSettings.objects.bulk_update([saved], ["sandbox_url"])
    assert is_refused(sandbox)


def test_a_later_save_does_not_confirm_the_new_host(saved, sandbox):
    MpesaSettings.objects.update(sandbox_url=other_host(sandbox))
    row = MpesaSettings.objects.get()
    row.short_code = "600000"
    with pytest.raises(ValidationError):
        row.full_clean()
    row.save()
    assert is_refused(sandbox)


@pytest.mark.parametrize("typed", [(), SECRETS[:1], SECRETS[:2], SECRETS[1:]])
def test_typing_only_some_secrets_again_does_not_confirm_the_new_host(saved, sandbox, typed):
    saved.sandbox_url = other_host(sandbox)
    retype(saved, *typed)
    with pytest.raises(ValidationError) as caught:
        saved.full_clean()
    assert set(caught.value.message_dict) == set(SECRETS) - set(typed)
    saved.save()
    assert is_refused(sandbox)


def test_typing_the_secrets_one_after_the_other_does_not_confirm_the_new_host(saved, sandbox):
    saved.sandbox_url = other_host(sandbox)
    for name in SECRETS:
        retype(saved, name)
        saved.save()
        saved = MpesaSettings.objects.get()
    assert is_refused(sandbox)


def test_typing_all_secrets_again_confirms_the_new_host(saved, sandbox):
    saved.sandbox_url = other_host(sandbox)
    retype(saved, *SECRETS)
    saved.full_clean()
    saved.save()
    assert MpesaSettings.objects.get().secret_hosts == [host_of(other_host(sandbox))]
    assert not is_refused(sandbox)


def test_going_live_needs_all_secrets_again(saved):
    saved.environment = "production"
    with pytest.raises(ValidationError):
        saved.full_clean()
    retype(saved, *SECRETS)
    saved.full_clean()
    saved.save()
    assert MpesaSettings.objects.get().secret_hosts == ["api.safaricom.co.ke:443"]


def test_going_live_behind_one_host_needs_all_secrets_again(saved):
    saved.base_url = saved.sandbox_url
    saved.save()
    saved.environment = "production"
    with pytest.raises(ValidationError, match="environment"):
        saved.full_clean()


def test_secrets_that_are_not_written_stay_bound(saved, sandbox):
    saved.sandbox_url = other_host(sandbox)
    retype(saved, *SECRETS)
    # Typed in memory, but the old ones stay in the database.
    saved.save(update_fields=["sandbox_url"])
    assert is_refused(sandbox)


def test_a_copy_of_a_row_keeps_its_secrets_bound(saved, sandbox):
    for make in (copy.copy, copy.deepcopy):
        row = make(MpesaSettings.objects.get(business=""))
        row.pk, row._state.adding = None, True
        row.business, row.sandbox_url = make.__name__, other_host(sandbox)
        with pytest.raises(ValidationError):
            row.full_clean()
        row.save()
        assert get_snapshot("mpesa", make.__name__).hosts == frozenset(saved.secret_hosts)


def test_a_copy_by_bulk_create_keeps_its_secrets_bound(saved, sandbox):
    row = MpesaSettings.objects.get()
    row.pk, row.business, row.sandbox_url = None, "b", other_host(sandbox)
    MpesaSettings.objects.bulk_create([row])
    assert get_snapshot("mpesa", "b").hosts == frozenset(saved.secret_hosts)


def test_a_secret_taken_from_another_row_goes_nowhere_new(saved, sandbox):
    MpesaSettings.objects.create(
        business="b", sandbox_url=other_host(sandbox), consumer_key=saved.consumer_key
    )
    assert get_snapshot("mpesa", "b").hosts == frozenset()


def test_clearing_every_secret_frees_the_host(saved, sandbox):
    for name in SECRETS:
        setattr(saved, name, "")
    saved.sandbox_url = other_host(sandbox)
    saved.full_clean()
    saved.save()
    assert MpesaSettings.objects.get().secrets_saved == {}


def test_bulk_created_rows_are_bound_to_their_hosts(db):
    MpesaSettings.objects.bulk_create([MpesaSettings(**VALUES)])
    row = MpesaSettings.objects.get()
    assert row.secret_hosts == ["sandbox.safaricom.co.ke:443"]
    assert set(row.secrets_saved) == set(VALUES) - {"short_code"}


def test_when_a_secret_was_typed_is_noted_for_each(db, time_machine):
    time_machine.move_to("2026-03-01T10:00:00+00:00", tick=False)
    row = MpesaSettings.objects.create(**VALUES)
    time_machine.move_to("2026-03-05T10:00:00+00:00", tick=False)
    row.passkey = "new"
    row.save()
    row.save(update_fields=["short_code"])
    row.refresh_from_db()
    assert row.secrets_saved["passkey"].startswith("2026-03-05")
    assert row.secrets_saved["consumer_key"].startswith("2026-03-01")
    row.passkey = ""
    row.save()
    assert "passkey" not in row.secrets_saved


class Form(forms.ModelForm):
    class Meta:
        model = MpesaSettings
        fields = [f.name for f in MpesaSettings._meta.fields if f.editable and f.name != "id"]


def test_a_form_asks_for_the_secrets_when_the_host_moves(saved, sandbox):
    posted = {**forms.model_to_dict(saved), **dict.fromkeys(SECRETS, "")}
    posted = {name: "" if value is None else value for name, value in posted.items()}
    assert Form(posted, instance=MpesaSettings.objects.get()).is_valid()
    posted["sandbox_url"] = other_host(sandbox)
    form = Form(posted, instance=MpesaSettings.objects.get())
    assert not form.is_valid()
    assert set(SECRETS) <= set(form.errors)
    form = Form({**posted, **dict.fromkeys(SECRETS, "typed")}, instance=MpesaSettings.objects.get())
    assert form.is_valid(), form.errors


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.COM", "example.com:443"),
        ("http://example.com/path", "example.com:80"),
        ("https://example.com.:8443", "example.com:8443"),
        ("https://good.example@evil.example/", "evil.example:443"),
        ("http://[::1]:8000/x", "[::1]:8000"),
        ("https://example.com:99999", ""),
        ("https://", ""),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_the_host_of_a_url(url, host):
    assert host_of(url) == host


def test_none_means_not_set_and_changes_nothing(saved):
    saved.callback_base_url = saved.callback_sources = None
    saved.full_clean()
    saved.save()
    saved.refresh_from_db()
    assert (saved.callback_base_url, saved.callback_sources) == ("", "")
