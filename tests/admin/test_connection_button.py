"""The "Test connection" button and list action, against the sandbox over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.test import Client

from integrations.crypto import keyring
from integrations.models import AuditEntry, MpesaSettings, ProviderCall
from tests.admin.conftest import SECRETS, tokens_of
from tests.admin.page import SettingsPage, assert_holds_no_part, read_form
from tests.hunt.plants import planted
from tests.sandbox.driver import SandboxDriver

LIST = "/admin/integrations/mpesasettings/"
ACCEPTED = "the consumer key and secret are accepted."


def asked(sandbox: SandboxDriver) -> int:
    """How many tokens the sandbox has given; it gives one to any key it was not told about."""
    return int(sandbox.counters()["tokens_issued"])


def test_saved_settings_are_tested_and_the_result_is_kept(
    page: SettingsPage, row: MpesaSettings, allowed: SandboxDriver
) -> None:
    answer = page.test(script=True).json()
    assert asked(allowed) == 1
    assert answer["ok"] is True
    assert answer["saved"] is True
    assert ACCEPTED in answer["message"]
    assert answer["badge"] == {"word": "Connected", "tone": "good"}
    row.refresh_from_db()
    assert (row.last_test_ok, row.last_test_message) == (True, answer["message"])
    assert 'badge-good" data-settings-badge>Connected<' in page.html()


def test_a_result_says_nothing_about_settings_changed_since(page: SettingsPage) -> None:
    page.test(script=True)
    page.save(short_code="600123")
    html = page.html()
    assert "data-settings-badge>Not tested<" in html
    assert "Connected to" in html  # as the last test, with its age


def test_without_scripts_the_result_comes_with_the_page(page: SettingsPage) -> None:
    response = page.test()
    assert response.status_code == 302
    html = page.client.get(response["Location"]).content.decode()
    assert ACCEPTED in html
    assert " ms)" in html


def test_a_refusal_is_told_in_words(
    page: SettingsPage, row: MpesaSettings, allowed: SandboxDriver
) -> None:
    allowed.app(SECRETS["consumer_key"], "another secret")
    html = page.client.get(page.test()["Location"]).content.decode()
    assert "M-Pesa refused the consumer key and secret: check both" in html
    assert ">Failing<" in html
    assert_holds_no_part(html, *SECRETS.values(), *tokens_of(row))


def test_a_test_is_audited_with_its_actor_and_once(page: SettingsPage) -> None:
    page.test(script=True)
    entry = AuditEntry.objects.filter(action="settings.tested").get()
    assert entry.actor_name == "admin"
    assert ACCEPTED in entry.detail


def test_typed_secrets_are_tested_and_not_saved(
    page: SettingsPage, row: MpesaSettings, allowed: SandboxDriver
) -> None:
    typed = {
        "consumer_key": planted("typed consumer key"),
        "consumer_secret": planted("typed consumer secret"),
    }
    allowed.app(SECRETS["consumer_key"], "another secret")  # what is saved would be refused
    before = tokens_of(row)
    answer = page.test(script=True, **typed).json()
    assert (answer["ok"], answer["saved"], answer["errors"]) == (True, False, [])
    row.refresh_from_db()
    assert row.last_test_at is None
    assert tokens_of(row) == before
    entry = AuditEntry.objects.filter(action="settings.tested_unsaved").get()
    assert entry.fields == ["consumer_key", "consumer_secret"]
    assert_holds_no_part(f"{entry.detail} {entry.fields}", *typed.values())


def test_without_scripts_a_typed_test_keeps_what_is_no_secret(
    page: SettingsPage, row: MpesaSettings
) -> None:
    typed = "Pl0oKm9iJn8uHb7yGv6t"
    response = page.test(consumer_key=typed, short_code="600123")
    html = response.content.decode()
    assert response.status_code == 200
    assert ACCEPTED in html
    assert "This was not saved." in html
    assert read_form(html)["short_code"] == "600123"
    assert f'action="{page.url}"' in html
    assert_holds_no_part(html, typed, *SECRETS.values(), *tokens_of(row))
    assert MpesaSettings.objects.get(pk=row.pk).short_code == "174379"


def test_stored_secrets_are_never_sent_to_a_host_they_were_not_saved_for(
    page: SettingsPage, row: MpesaSettings, allowed: SandboxDriver
) -> None:
    elsewhere = row.sandbox_url.replace("127.0.0.1", "localhost")
    before = asked(allowed)
    answer = page.test(script=True, sandbox_url=elsewhere).json()
    assert answer["ok"] is False
    assert "Not tested" in answer["message"]
    assert any("type this secret again" in error for error in answer["errors"])
    # One kept secret is enough to refuse.
    one_kept = {name: text for name, text in SECRETS.items() if name != "passkey"}
    answer = page.test(script=True, sandbox_url=elsewhere, **one_kept).json()
    assert [error.split(":")[0] for error in answer["errors"]] == ["Passkey"]
    assert asked(allowed) == before
    assert not ProviderCall.objects.exists()


def test_an_unsaved_host_is_tested_with_the_secrets_typed_with_it(
    page: SettingsPage, row: MpesaSettings
) -> None:
    elsewhere = row.sandbox_url.replace("127.0.0.1", "localhost")
    answer = page.test(script=True, sandbox_url=elsewhere, **SECRETS).json()
    assert answer["ok"] is True, answer
    assert elsewhere in answer["message"]
    assert MpesaSettings.objects.get(pk=row.pk).sandbox_url == row.sandbox_url


def test_a_host_that_the_operator_did_not_allow_is_not_called(page: SettingsPage) -> None:
    answer = page.test(script=True, sandbox_url="http://127.0.0.2:9", **SECRETS).json()
    assert answer["ok"] is False
    assert answer["message"]


def test_a_form_with_errors_is_not_tested(page: SettingsPage, allowed: SandboxDriver) -> None:
    before = asked(allowed)
    response = page.test(short_code="12")
    assert "A short code has 5 to 7 digits." in response.content.decode()
    assert asked(allowed) == before


def test_new_settings_can_be_tested_before_they_are_saved(
    transactional_db: None, admin_client: Client, allowed: SandboxDriver
) -> None:
    page = SettingsPage(admin_client)
    answer = page.test(script=True, sandbox_url=allowed.daraja_url, short_code="174379", **SECRETS)
    assert answer.json()["ok"] is True, answer.json()
    assert not MpesaSettings.objects.exists()
    html = page.test(sandbox_url=allowed.daraja_url, **SECRETS).content.decode()
    assert "M-Pesa is not configured: enter the short code." in html
    assert f'action="{page.url}"' in html


def test_what_is_missing_is_named(page: SettingsPage, row: MpesaSettings) -> None:
    MpesaSettings.objects.filter(pk=row.pk).update(passkey="")
    answer = page.test(script=True).json()
    assert answer["message"] == "M-Pesa is not configured: enter the passkey."


def test_a_key_that_does_not_match_is_told(page: SettingsPage, settings: Any) -> None:
    settings.CYPHER_KEY = Fernet.generate_key().decode()
    keyring.forget()
    answer = page.test(script=True).json()
    assert answer["ok"] is False
    assert "the encryption key does not match it" in answer["message"]


def test_the_button_needs_a_csrf_token_and_a_post(row: MpesaSettings, admin_user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    page = SettingsPage(client, row.pk)
    values = read_form(page.html())
    without = {name: text for name, text in values.items() if name != "csrfmiddlewaretoken"}
    assert client.post(page.test_url, without).status_code == 403
    assert client.get(page.test_url).status_code == 405
    row.refresh_from_db()
    assert row.last_test_at is None
    assert client.post(page.test_url, values).status_code == 302


def test_only_whoever_may_change_settings_may_test_them(
    row: MpesaSettings, client_of: Callable[..., Client], allowed: SandboxDriver
) -> None:
    url, new = f"{LIST}{row.pk}/change/test/", f"{LIST}add/test/"
    before = asked(allowed)
    for client in (Client(), client_of(is_staff=False)):
        response = client.post(url)
        assert response.status_code == 302
        assert "/login/" in response["Location"]
    viewer = client_of("view_mpesasettings")
    for client in (client_of(), viewer):
        assert client.post(url).status_code == 403
        assert client.post(new).status_code == 403
    assert client_of("change_mpesasettings").post(new).status_code == 403
    assert asked(allowed) == before


def test_a_row_that_is_gone_is_not_found(row: MpesaSettings, admin_client: Client) -> None:
    assert admin_client.post(f"{LIST}{row.pk + 1}/change/test/").status_code == 404


def act(client: Client, *rows: MpesaSettings) -> str:
    """Press the list action and read the page that follows."""
    chosen = {"action": "test_connections", "_selected_action": [row.pk for row in rows]}
    return client.post(LIST, chosen, follow=True).content.decode()


def test_the_list_action_tests_each_chosen_row(
    row: MpesaSettings, admin_client: Client, allowed: SandboxDriver
) -> None:
    allowed.app("refused-key", "x", refused=True)
    other = MpesaSettings.objects.create(
        business="duka", short_code="600000", sandbox_url=row.sandbox_url,
        **{**SECRETS, "consumer_key": "refused-key"},
    )  # fmt: skip
    html = act(admin_client, row, other)
    assert "M-Pesa (installation, Sandbox): Connected to" in html
    assert "M-Pesa (duka, Sandbox): M-Pesa refused the consumer key and secret" in html
    assert AuditEntry.objects.filter(action="settings.tested", actor_name="admin").count() == 2


def test_the_list_action_is_for_those_who_may_change(
    row: MpesaSettings, client_of: Callable[..., Client]
) -> None:
    viewer = client_of("view_mpesasettings")
    assert "test_connections" not in viewer.get(LIST).content.decode()
    act(viewer, row)
    row.refresh_from_db()
    assert row.last_test_at is None


@pytest.mark.parametrize("count", [21])
def test_the_list_action_refuses_a_flood(
    row: MpesaSettings, admin_client: Client, count: int
) -> None:
    rows = [MpesaSettings.objects.create(business=f"b{number}") for number in range(count)]
    assert "Choose at most 20 rows for one test." in act(admin_client, *rows)
    assert not AuditEntry.objects.filter(action="settings.tested").exists()
