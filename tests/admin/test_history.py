"""The history page of an object: its part of the audit trail."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.admin.models import LogEntry
from django.test import Client

from integrations.models import AuditEntry, Integrations, MpesaSettings
from tests.admin.conftest import SECRETS, tokens_of
from tests.admin.page import SettingsPage, assert_holds_no_part
from tests.hunt.plants import planted

LIST = "/admin/integrations/mpesasettings/"


def history_url(row: MpesaSettings) -> str:
    return f"{LIST}{row.pk}/history/"


def told(client: Client, row: MpesaSettings) -> list[tuple[str, str, list[str]]]:
    """Action, actor and fields of each line."""
    response = client.get(history_url(row))
    assert response.status_code == 200
    return [(m.action, m.entry.actor_name, m.fields) for m in response.context["moments"]]


def test_the_history_says_who_changed_which_field(page: SettingsPage, row: MpesaSettings) -> None:
    typed = planted("typed consumer key")
    page.save(passkey=typed, short_code="600000")
    page.test(script=True)
    newest = told(page.client, row)[:2]
    assert newest == [
        ("Connection tested", "admin", []),
        ("Changed", "admin", ["Passkey (secret)", "Short code"]),
    ]
    html = page.client.get(history_url(row)).content.decode()
    assert_holds_no_part(html, typed, *SECRETS.values(), *tokens_of(row))


def test_what_was_changed_elsewhere_is_there_too(row: MpesaSettings, admin_client: Client) -> None:
    row.short_code = "600000"
    row.save()
    assert told(admin_client, row)[0] == ("Changed", "system", ["Short code"])


def test_the_trail_is_the_only_record(page: SettingsPage, row: MpesaSettings) -> None:
    page.save(short_code="600000")
    link = Integrations.objects.get()
    values = {"name": "MPESA", "integration_type": "PAYMENT"}
    url = f"/admin/integrations/integrations/{link.pk}"
    page.client.post(f"{url}/change/", values)
    assert "Is active" in page.client.get(f"{url}/history/").content.decode()
    assert not LogEntry.objects.exists()


def test_rows_deleted_together_leave_an_entry_each(
    row: MpesaSettings, admin_client: Client
) -> None:
    other = MpesaSettings.objects.create(business="b1")
    chosen = {"action": "delete_selected", "_selected_action": [row.pk, other.pk], "post": "yes"}
    admin_client.post(LIST, chosen)
    gone = AuditEntry.objects.filter(action="settings.deleted", actor_name="admin")
    assert set(gone.values_list("object_id", flat=True)) == {str(row.pk), str(other.pk)}
    assert not MpesaSettings.objects.exists()


def test_hostile_text_is_shown_harmlessly(row: MpesaSettings, admin_client: Client) -> None:
    AuditEntry.objects.record("settings.tested", target=row, detail="<script>alert(1)</script>")
    html = admin_client.get(history_url(row)).content.decode()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_long_histories_have_pages(row: MpesaSettings, admin_client: Client) -> None:
    for _ in range(60):
        AuditEntry.objects.record("settings.tested", target=row)
    assert len(told(admin_client, row)) == 50
    for query, count in (("?p=2", 11), ("?p=99", 11), ("?p=x", 50)):
        response = admin_client.get(f"{history_url(row)}{query}")
        assert len(response.context["moments"]) == count


def test_a_moved_row_shows_each_business_its_own_part(
    row: MpesaSettings, client_of: Callable[..., Client]
) -> None:
    client = client_of("view_mpesasettings", businesses=("b1",))
    assert client.get(history_url(row)).status_code == 302
    row.business = "b1"
    row.save()
    assert told(client, row) == [("Changed", "system", ["Business"])]


def test_a_stranger_sees_no_history(row: MpesaSettings, client_of: Callable[..., Client]) -> None:
    assert client_of("view_payment").get(history_url(row)).status_code == 403
    assert "/login/" in Client().get(history_url(row))["Location"]
