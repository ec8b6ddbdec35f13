"""The settings form: write-only secrets, clear errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db.models.signals import pre_save
from django.test import Client

from integrations.admin.settings_form import make_fieldsets
from integrations.crypto import MASK, fingerprint, keyring
from integrations.models import AuditEntry, Environment, Integrations, MpesaSettings
from tests.admin.conftest import SECRETS, tokens_of
from tests.admin.page import SettingsPage, assert_holds_no_part
from tests.hunt.plants import planted
from tests.sandbox.driver import SandboxDriver


def revealed(row: MpesaSettings) -> dict[str, str]:
    fresh = MpesaSettings.objects.get(pk=row.pk)
    return {name: getattr(fresh, name).reveal() for name in SECRETS}


def test_the_page_holds_no_part_of_a_secret_or_its_token(
    page: SettingsPage, row: MpesaSettings
) -> None:
    html = page.html()
    assert_holds_no_part(html, *SECRETS.values(), *tokens_of(row))
    assert MASK not in html


def test_a_refused_form_is_shown_again_without_any_secret(
    page: SettingsPage, row: MpesaSettings
) -> None:
    typed = planted("typed consumer key")
    response = page.save(consumer_key=typed, short_code="12")
    html = response.content.decode()
    assert response.status_code == 200
    assert "A short code has 5 to 7 digits." in html
    assert_holds_no_part(html, typed, *SECRETS.values(), *tokens_of(row))
    assert revealed(row) == SECRETS


def test_a_refused_form_still_offers_to_clear_what_is_stored(page: SettingsPage) -> None:
    html = page.save(short_code="12").content.decode()
    assert 'name="passkey-clear"' in html
    assert 'name="security_credential-clear"' not in html


def test_a_viewer_sees_no_part_of_a_secret_and_no_button(
    row: MpesaSettings, client_of: Callable[..., Client]
) -> None:
    html = SettingsPage(client_of("view_mpesasettings"), row.pk).html()
    assert_holds_no_part(html, *SECRETS.values(), *tokens_of(row))
    assert "Test connection" not in html
    assert "_save" not in html


def test_a_set_secret_is_described_by_fingerprint_and_age(page: SettingsPage) -> None:
    html = page.html().replace("\xa0", " ")
    told = f"Set, fingerprint {fingerprint(SECRETS['passkey'])}, saved just now."
    assert told in html
    assert html.count("Not set.") == 1  # security_credential


def test_blank_keeps_every_secret(page: SettingsPage, row: MpesaSettings) -> None:
    before = tokens_of(row)
    assert page.save(short_code="600000").status_code == 302
    assert tokens_of(row) == before
    assert MpesaSettings.objects.get(pk=row.pk).short_code == "600000"


def test_typing_replaces_one_secret_and_its_age(page: SettingsPage, row: MpesaSettings) -> None:
    MpesaSettings.objects.filter(pk=row.pk).update(
        secrets_saved=dict.fromkeys(SECRETS, "2026-01-01T00:00:00+00:00")
    )
    assert page.save(passkey="  a-new-passkey ").status_code == 302
    assert revealed(row) == {**SECRETS, "passkey": "a-new-passkey"}
    saved = MpesaSettings.objects.get(pk=row.pk).secrets_saved
    assert saved["passkey"] != saved["consumer_key"] == "2026-01-01T00:00:00+00:00"


def test_the_box_clears(page: SettingsPage, row: MpesaSettings) -> None:
    assert page.save(initiator_password__clear="on").status_code == 302
    assert revealed(row) == {**SECRETS, "initiator_password": ""}


def test_the_mask_is_refused(page: SettingsPage, row: MpesaSettings) -> None:
    response = page.save(consumer_secret=MASK)
    assert "This is the mask shown in place of a secret." in response.content.decode()
    assert revealed(row) == SECRETS


def test_a_new_host_under_kept_secrets_is_refused_on_each_of_them(
    page: SettingsPage, row: MpesaSettings
) -> None:
    response = page.save(sandbox_url="https://evil.example")
    html = response.content.decode()
    assert html.count("The host is now evil.example:443: type this secret again.") == len(SECRETS)
    assert MpesaSettings.objects.get(pk=row.pk).sandbox_url == row.sandbox_url


def test_a_new_host_is_accepted_with_secrets_typed_again(
    page: SettingsPage, row: MpesaSettings
) -> None:
    assert page.save(sandbox_url="https://daraja.example", **SECRETS).status_code == 302
    assert MpesaSettings.objects.get(pk=row.pk).secret_hosts == ["daraja.example:443"]


def test_going_live_is_a_change_of_host(page: SettingsPage) -> None:
    html = page.save(environment=Environment.PRODUCTION).content.decode()
    assert "The host is now api.safaricom.co.ke:443" in html
    # What is saved is still the sandbox, and the badge says so.
    assert '<span class="badge badge-calm">Sandbox</span>' in html


def test_a_second_row_for_a_business_is_refused_in_words(
    row: MpesaSettings, admin_client: Client
) -> None:
    response = SettingsPage(admin_client).save(short_code="600000")
    assert "This business already has M-Pesa settings." in response.content.decode()
    assert MpesaSettings.objects.count() == 1


def test_losing_a_race_for_a_business_is_told_in_words(
    admin_client: Client, allowed: SandboxDriver
) -> None:
    def overtake(instance: MpesaSettings, **_: Any) -> None:
        if instance.short_code == "600000":
            MpesaSettings.objects.bulk_create([MpesaSettings(short_code="600001")])

    pre_save.connect(overtake, sender=MpesaSettings)
    try:
        response = SettingsPage(admin_client).save(short_code="600000")
    finally:
        pre_save.disconnect(overtake, sender=MpesaSettings)
    page = admin_client.get(response["Location"]).content.decode()
    assert "somebody else saved settings for the same business" in page


def test_a_key_that_does_not_match_is_told_and_the_page_still_works(
    page: SettingsPage, row: MpesaSettings, settings: Any
) -> None:
    settings.CYPHER_KEY = Fernet.generate_key().decode()
    keyring.forget()
    before = tokens_of(row)
    html = page.html()
    assert html.count("the encryption key does not match") == len(SECRETS)
    assert_holds_no_part(html, *before)
    assert page.save(short_code="600000").status_code == 302
    assert tokens_of(row) == before


def test_without_a_key_a_typed_secret_is_an_error_of_its_field(
    page: SettingsPage, row: MpesaSettings, settings: Any
) -> None:
    settings.CYPHER_KEY = ""
    keyring.forget()
    response = page.save(passkey="another-passkey")
    html = response.content.decode()
    assert response.status_code == 200
    assert "No encryption key: set CYPHER_KEY" in html
    assert "another-passkey" not in html


def test_a_change_is_audited_by_name_only(page: SettingsPage) -> None:
    page.save(passkey="a-new-passkey", short_code="600000")
    entry = AuditEntry.objects.filter(action="settings.changed").get()
    assert (entry.actor_name, entry.fields) == ("admin", ["passkey", "short_code"])


@pytest.mark.parametrize(
    ("change", "badge"),
    [
        ({}, "Not tested"),
        ({"passkey": ""}, "Not configured"),
        ({"short_code": ""}, "Not configured"),
    ],
)
def test_the_list_says_in_a_word_how_a_row_stands(
    row: MpesaSettings, admin_client: Client, change: dict[str, str], badge: str
) -> None:
    MpesaSettings.objects.filter(pk=row.pk).update(**change)
    html = admin_client.get("/admin/integrations/mpesasettings/").content.decode()
    assert f'<span class="badge badge-warn">{badge}</span>' in html
    assert '<span class="badge badge-calm">Sandbox</span>' in html
    assert_holds_no_part(html, *SECRETS.values(), *tokens_of(row))


def test_production_is_loud_and_a_switched_off_integration_is_disabled(
    row: MpesaSettings, admin_client: Client
) -> None:
    link = Integrations.objects.create(name="MPESA", is_active=False)
    rows = [("duka", link), ("shop", None)]
    for business, each in rows:
        MpesaSettings.objects.create(
            business=business, integration=each, environment=Environment.PRODUCTION
        )
    html = admin_client.get("/admin/integrations/mpesasettings/").content.decode()
    rows = html[html.index('id="result_list"') :]
    assert rows.count('<span class="badge badge-live">PRODUCTION</span>') == 2
    assert html.count('<span class="badge badge-calm">Disabled</span>') == 1
    assert "duka" in html


def test_the_list_asks_the_database_the_same_for_many_rows(
    row: MpesaSettings, quiet_templates: None, admin_client: Client,
    django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    with django_assert_max_num_queries(9) as one_row:
        admin_client.get("/admin/integrations/mpesasettings/")
    for number in range(20):
        link = Integrations.objects.create(name="MPESA")
        MpesaSettings.objects.create(business=f"b{number}", integration=link)
    with django_assert_max_num_queries(len(one_row)):
        admin_client.get("/admin/integrations/mpesasettings/")


def test_the_page_shows_where_callbacks_will_come(page: SettingsPage, settings: Any) -> None:
    address = "https://erp.example.ke/api/v1/integrations/cb/stk/[secret of the payment]/"
    assert address in page.html()
    settings.PUBLIC_BASE_URL = ""
    assert "[secret of the payment]" not in page.html()
    assert "PUBLIC_BASE_URL" in page.html()


def test_a_new_callback_address_asks_for_the_secrets_again(
    page: SettingsPage, row: MpesaSettings
) -> None:
    address = "https://erp.example.ke"
    html = page.save(callback_base_url=address).content.decode()
    words = "The callback base url was changed: type this secret again."
    assert html.count(words) == len(SECRETS)
    assert page.save(callback_base_url=address, **SECRETS).status_code == 302
    assert MpesaSettings.objects.get(pk=row.pk).callback_base_url == address


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("callback_base_url", "https://mpesa.example.ke", "forbids the word"),
        ("callback_base_url", "https://me:pw@erp.example.ke", "plain address without login"),
        ("callback_sources", "196.201.214.200 nonsense", "is no address and no network"),
    ],
)
def test_callback_settings_that_cannot_work_are_refused_by_field(
    page: SettingsPage, row: MpesaSettings, field: str, value: str, words: str
) -> None:
    response = page.save(**{field: value, **SECRETS})
    assert response.status_code == 200
    assert words in str(response.context["errors"])
    assert getattr(MpesaSettings.objects.get(pk=row.pk), field) == getattr(row, field)


@pytest.mark.parametrize("query", ["environment__exact=%00", "q=%00", "business=a%00b"])
def test_a_query_that_no_database_has_a_text_for_is_only_odd(
    admin_client: Client, row: MpesaSettings, query: str
) -> None:
    assert admin_client.get(f"/admin/integrations/mpesasettings/?{query}").status_code in (200, 302)


def test_every_field_of_the_form_stands_in_one_section() -> None:
    sections = dict(make_fieldsets(MpesaSettings, []))
    placed = [name for options in sections.values() for name in options["fields"]]
    assert len(placed) == len(set(placed))
    assert set(MpesaSettings.config_fields()) <= set(placed)
    assert "approve_above" in sections["Money out"]["fields"]
    assert sections["Account"]["fields"][0] == "short_code"
