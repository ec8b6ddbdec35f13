"""Settings pages of people who may work on some businesses only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrations.models import AuditEntry, BusinessGrant, Integrations, MpesaSettings
from tests.admin.conftest import SECRETS
from tests.admin.page import SettingsPage, read_form
from tests.conftest import mpesa_values
from tests.sandbox.driver import SandboxDriver

LIST = "/admin/integrations/mpesasettings/"
EVERYTHING = ("view_mpesasettings", "change_mpesasettings", "add_mpesasettings",
              "delete_mpesasettings")  # fmt: skip


def settings_of(business: str, sandbox: SandboxDriver, **changes: Any) -> MpesaSettings:
    values = mpesa_values(sandbox, security_credential="", **SECRETS)
    return MpesaSettings.objects.create(**{**values, "business": business, **changes})


@pytest.fixture
def ours(transactional_db: None, allowed: SandboxDriver) -> MpesaSettings:
    return settings_of("b1", allowed, short_code="600001")


@pytest.fixture
def theirs(transactional_db: None, allowed: SandboxDriver) -> MpesaSettings:
    return settings_of("b2", allowed, short_code="600002")


@pytest.fixture
def member(client_of: Callable[..., Client]) -> Client:
    """Somebody with every permission on settings, granted the business b1 alone."""
    return client_of(*EVERYTHING, businesses=("b1",))


def test_the_list_and_the_search_show_the_own_row_only(
    ours: MpesaSettings, theirs: MpesaSettings, member: Client
) -> None:
    for query in ("", "?q=b", "?environment__exact=sandbox", f"?id={theirs.pk}"):
        html = member.get(f"{LIST}{query}").content.decode()
        assert "600002" not in html
    assert "600001" in member.get(LIST).content.decode()


def test_the_own_row_is_saved_and_tested(
    ours: MpesaSettings, theirs: MpesaSettings, member: Client
) -> None:
    page = SettingsPage(member, ours.pk)
    assert page.test(script=True).json()["ok"] is True
    assert page.save(short_code="600009").status_code == 302
    ours.refresh_from_db()
    assert (ours.short_code, ours.business, ours.last_test_ok) == ("600009", "b1", True)


def test_no_page_of_a_strange_row_opens(
    ours: MpesaSettings, theirs: MpesaSettings, member: Client
) -> None:
    own = read_form(SettingsPage(member, ours.pk).html())
    for page in ("change", "history", "delete"):
        answer = member.get(f"{LIST}{theirs.pk}/{page}/")
        assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    member.post(f"{LIST}{theirs.pk}/change/", {**own, "short_code": "600009"})
    member.post(f"{LIST}{theirs.pk}/delete/", {"post": "yes"})
    assert member.post(f"{LIST}{theirs.pk}/change/test/", own).status_code == 404
    theirs.refresh_from_db()
    assert (theirs.short_code, theirs.last_test_at) == ("600002", None)


@pytest.mark.parametrize("action", ["test_connections", "delete_selected"])
def test_no_action_reaches_a_strange_row(
    ours: MpesaSettings, theirs: MpesaSettings, member: Client, action: str
) -> None:
    chosen = {"action": action, "_selected_action": [theirs.pk], "post": "yes"}
    member.post(LIST, chosen, follow=True)
    theirs.refresh_from_db()
    assert theirs.last_test_at is None
    tested = AuditEntry.objects.filter(action="settings.tested", object_id=str(theirs.pk))
    assert not tested.exists()


@pytest.mark.parametrize("business", ["b2", "b3", "", "*"])
def test_a_row_can_not_be_made_for_or_moved_to_another_business(
    ours: MpesaSettings, theirs: MpesaSettings, member: Client, business: str
) -> None:
    for page in (SettingsPage(member), SettingsPage(member, ours.pk)):
        answer = page.save(business=business, short_code="600009")
        assert answer.status_code == 200
        (error,) = answer.context["adminform"].form.errors["business"]
        assert error.startswith("You can't keep settings for ")
        assert error.endswith("You work on: b1.")
        # Whether the other business has settings is not told.
        assert "already has" not in answer.content.decode()
        assert page.test(script=True, business=business).json()["ok"] is False
    assert sorted(MpesaSettings.objects.values_list("business", "short_code")) == [
        ("b1", "600001"), ("b2", "600002"),
    ]  # fmt: skip


def test_the_add_page_starts_with_the_only_business(member: Client) -> None:
    assert read_form(SettingsPage(member).html())["business"] == "b1"


def test_without_a_grant_people_work_on_the_installation(
    theirs: MpesaSettings, allowed: SandboxDriver, client_of: Callable[..., Client]
) -> None:
    row = settings_of("", allowed)
    client = client_of(*EVERYTHING)
    assert SettingsPage(client, row.pk).save(short_code="600009").status_code == 302
    assert client.get(f"{LIST}{theirs.pk}/change/").status_code == 302
    error = SettingsPage(client, row.pk).save(business="b9").context["errors"]
    assert "You work on: the whole installation." in str(error)


def test_the_switch_of_an_integration_is_for_people_of_every_business(
    db: None, client_of: Callable[..., Client]
) -> None:
    link = Integrations.objects.create(name="MPESA")
    url = f"/admin/integrations/integrations/{link.pk}/"
    client = client_of("view_integrations", "change_integrations", "add_integrations",
                       "delete_integrations")  # fmt: skip
    values = {"name": "MPESA", "integration_type": "PAYMENT"}
    assert client.get(f"{url}change/").status_code == 200
    assert client.post(f"{url}change/", values).status_code == 403
    assert client.post(f"{url}delete/", {"post": "yes"}).status_code == 403
    assert client.post("/admin/integrations/integrations/add/", values).status_code == 403
    BusinessGrant.objects.create(user=User.objects.get(), business="*")
    assert client.post(f"{url}change/", values).status_code == 302
    link.refresh_from_db()
    assert link.is_active is False
