"""The settings pages of a business with several short codes."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from integrations.models import MpesaSettings

LIST = "/admin/integrations/mpesasettings/"
KEYS = {"consumer_key": "k", "consumer_secret": "s", "passkey": "p"}


@pytest.fixture
def rows(db: None) -> tuple[MpesaSettings, MpesaSettings]:
    main = MpesaSettings.objects.create(short_code="600000", **KEYS)
    return main, MpesaSettings.objects.create(short_code="600997", is_main=False, **KEYS)


def act(client: Client, name: str, *rows: MpesaSettings) -> str:
    data = {"action": name, "_selected_action": [row.pk for row in rows]}
    return client.post(LIST, data, follow=True).content.decode()


def test_the_list_shows_which_is_main_and_finds_a_short_code(
    rows: tuple[MpesaSettings, MpesaSettings], admin_client: Client
) -> None:
    html = admin_client.get(LIST).content.decode()
    assert html.count(">Main</span>") == html.count(">Further</span>") == 1
    found = admin_client.get(LIST, {"q": "600997"}).content.decode()
    assert (">Main</span>" in found, ">Further</span>" in found) == (False, True)
    narrowed = admin_client.get(LIST, {"is_main__exact": "1"}).content.decode()
    assert (">Main</span>" in narrowed, ">Further</span>" in narrowed) == (True, False)


def test_the_form_says_what_the_main_account_is(
    rows: tuple[MpesaSettings, MpesaSettings], admin_client: Client
) -> None:
    page = reverse("admin:integrations_mpesasettings_change", args=[rows[1].pk])
    html = admin_client.get(page).content.decode()
    assert "Used where no account is named." in html
    assert "M-Pesa (installation, Sandbox) 600997" in html


def test_the_action_makes_another_row_the_main_one(
    rows: tuple[MpesaSettings, MpesaSettings], admin_client: Client
) -> None:
    main, further = rows
    assert "Choose one row" in act(admin_client, "make_main", main, further)
    assert "is now used where no account is named" in act(admin_client, "make_main", further)
    main.refresh_from_db()
    further.refresh_from_db()
    assert (main.is_main, further.is_main) == (False, True)


def test_the_start_page_tells_the_accounts_apart(
    rows: tuple[MpesaSettings, MpesaSettings], admin_client: Client
) -> None:
    assert "Installation, 600997" in admin_client.get("/admin/").content.decode()
