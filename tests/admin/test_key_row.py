"""The row with the encryption key: superusers only, write-only, never a lost secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.test import Client

from integrations.crypto import keyring
from integrations.models import AppSettings, InboundCallback, MpesaSettings
from tests.admin.page import assert_holds_no_part, read_form
from tests.hunt.plants import planted

ADD = "/admin/integrations/appsettings/add/"


@pytest.fixture
def stored_key(transactional_db: None) -> str:
    """A database key in force, with a secret encrypted under it."""
    key = planted("database key")
    AppSettings.objects.create(cypher_key=key)
    MpesaSettings.objects.create(passkey="under the database key")
    return key


def change_url() -> str:
    return f"/admin/integrations/appsettings/{AppSettings.objects.get().pk}/change/"


def save(client: Client, url: str, **typed: str) -> Any:
    values = read_form(client.get(url).content.decode())
    return client.post(url, {**values, **typed})


def test_a_typed_key_encrypts_from_then_on_and_is_not_shown(
    transactional_db: None, admin_client: Client
) -> None:
    key = planted("database key")
    assert save(admin_client, ADD, name="Default", cypher_key=key).status_code == 302
    row = AppSettings.objects.get()
    assert row.cypher_key.reveal() == key
    assert_holds_no_part(admin_client.get(change_url()).content.decode(), key, row.cypher_key.token)
    token = MpesaSettings.objects.create(passkey="x").passkey.token
    assert Fernet(key).decrypt(token.encode()) == b"x"


def test_a_malformed_key_is_an_error_of_its_field(
    transactional_db: None, admin_client: Client
) -> None:
    html = save(admin_client, ADD, cypher_key="not-a-fernet-key").content.decode()
    assert "is not a Fernet key" in html
    assert "not-a-fernet-key" not in html
    assert not AppSettings.objects.exists()


def test_a_key_that_would_lose_stored_secrets_is_refused(
    stored_key: str, admin_client: Client
) -> None:
    new = planted("second database key")
    InboundCallback.objects.create(route="stk", body="also under it")
    html = save(admin_client, change_url(), cypher_key=new).content.decode()
    assert "2 stored secrets could not be read any more." in html
    cleared = save(admin_client, change_url(), **{"cypher_key-clear": "on"}).content.decode()
    assert "2 stored secrets could not be read any more." in cleared
    assert AppSettings.objects.get().cypher_key.reveal() == stored_key


def test_a_new_key_followed_by_the_old_one_is_accepted(
    stored_key: str, admin_client: Client
) -> None:
    both = f"{planted('second database key')},{stored_key}"
    assert save(admin_client, change_url(), cypher_key=both).status_code == 302
    assert MpesaSettings.objects.get().passkey.reveal() == "under the database key"


def test_a_blank_key_keeps_the_key(stored_key: str, admin_client: Client) -> None:
    assert save(admin_client, change_url(), name="Renamed").status_code == 302
    row = AppSettings.objects.get()
    assert (row.name, row.cypher_key.reveal()) == ("Renamed", stored_key)


def test_a_key_wrapped_under_another_environment_key_is_told(
    stored_key: str, admin_client: Client, settings: Any
) -> None:
    settings.CYPHER_KEY = Fernet.generate_key().decode()
    keyring.forget()
    html = admin_client.get(change_url()).content.decode()
    assert "the encryption key does not match" in html


def test_there_is_one_row_and_nobody_deletes_it(stored_key: str, admin_client: Client) -> None:
    assert admin_client.get(ADD).status_code == 403
    url = change_url().replace("change", "delete")
    assert admin_client.post(url, {"post": "yes"}).status_code == 403


def test_staff_with_every_permission_have_no_access(
    stored_key: str, client_of: Callable[..., Client]
) -> None:
    staff = client_of("view_appsettings", "change_appsettings", "add_appsettings")
    assert staff.get(change_url()).status_code == 403
    assert staff.get(ADD).status_code == 403
    assert "application settings" not in staff.get("/admin/").content.decode().lower()
