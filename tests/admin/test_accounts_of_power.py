"""Accounts in the hands of staff who are no superusers, and what the trail says of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.utils import timezone

from integrations.models import AuditEntry, BusinessGrant
from tests.hunt.plants import planted

LIST = "/admin/auth/user/"
EVERYTHING = ("*",)
CLERK = ("view_user", "add_user", "change_user", "delete_user", "view_payment")
JOINED = datetime(2026, 1, 14, 9, tzinfo=UTC)
PASSWORDS = {"password1": planted("admin password"), "password2": planted("admin password")}


@pytest.fixture
def clerk(client_of: Callable[..., Client]) -> Client:
    """May change accounts and see payments, everywhere."""
    return client_of(*CLERK, businesses=EVERYTHING)


def account(name: str, *codenames: str, **values: Any) -> User:
    user = User.objects.create_user(name, date_joined=JOINED, **values)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def in_group() -> User:
    group = Group.objects.create(name="cashiers")
    group.permissions.set(Permission.objects.filter(codename="push_payment"))
    user = account("other")
    user.groups.add(group)
    return user


MIGHTIER: dict[str, Callable[[], User]] = {
    "a permission more": lambda: account("other", "view_payment", "push_payment"),
    "switched off": lambda: account("other", "push_payment", is_active=False),
    "by a group": in_group,
    "a superuser": lambda: User.objects.create_superuser("other"),
    "a superuser switched off": lambda: User.objects.create_superuser("other", is_active=False),
}


def typed(user: User, **changes: Any) -> dict[str, Any]:
    """What the form of the account would send."""
    joined = timezone.localtime(user.date_joined)
    when = {"date_joined_0": f"{joined:%Y-%m-%d}", "date_joined_1": f"{joined:%H:%M:%S}"}
    values = {
        "username": user.username, "first_name": "", "last_name": "", "email": "",
        **when, **{f"initial-{name}": value for name, value in when.items()},
    }  # fmt: skip
    return {**values, **({"is_active": "on"} if user.is_active else {}), **changes}


@pytest.mark.parametrize("kind", MIGHTIER)
def test_nobody_takes_over_an_account_that_may_do_more(clerk: Client, kind: str) -> None:
    other = MIGHTIER[kind]()
    before = User.objects.filter(pk=other.pk).values().get()
    assert clerk.get(f"{LIST}{other.pk}/change/").status_code == 200
    for address, values in {
        "password": PASSWORDS,
        "change": typed(other, is_active="on", email="mine@example.ke"),
        "delete": {"post": "yes"},
    }.items():
        assert clerk.post(f"{LIST}{other.pk}/{address}/", values).status_code == 403, address
    assert clerk.get(f"{LIST}{other.pk}/password/").status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [other.pk], "post": "yes"}
    clerk.post(LIST, chosen)
    assert User.objects.filter(pk=other.pk).values().get() == before
    assert not AuditEntry.objects.filter(action__startswith="user.").exists()


def test_an_account_that_may_do_less_is_changed_and_the_trail_tells(clerk: Client) -> None:
    other = account("other", "view_payment")
    assert clerk.post(f"{LIST}{other.pk}/change/", typed(other, email="o@x.ke")).status_code == 302
    assert clerk.post(f"{LIST}{other.pk}/password/", PASSWORDS).status_code == 302
    other.refresh_from_db()
    assert other.email == "o@x.ke" and other.check_password(planted("admin password"))
    assert clerk.post(f"{LIST}{other.pk}/delete/", {"post": "yes"}).status_code == 302
    assert told() == [
        ("user.changed", ["email"]), ("user.password_changed", ["password"]), ("user.deleted", []),
    ]  # fmt: skip


def told() -> list[tuple[str, list[str]]]:
    """The entries about accounts and groups, oldest first; all by name and about something."""
    entries = AuditEntry.objects.filter(object_type__startswith="auth.").order_by("pk")
    assert all(entry.actor_name != "system" and entry.object_name for entry in entries)
    return [(entry.action, entry.fields) for entry in entries]


def test_the_trail_names_what_gives_power(admin_client: Client) -> None:
    assert admin_client.post(f"{LIST}add/", {"username": "new", **PASSWORDS}).status_code == 302
    User.objects.filter(username="new").update(date_joined=JOINED)
    new = User.objects.get(username="new")
    power = Permission.objects.get(codename="push_payment")
    group = Group.objects.create(name="cashiers")
    granted = typed(
        new, is_staff="on", is_superuser="on", groups=[group.pk], user_permissions=[power.pk]
    )
    admin_client.post(f"{LIST}{new.pk}/change/", granted)
    new.refresh_from_db()
    assert new.is_superuser
    url = f"/admin/auth/group/{group.pk}"
    admin_client.post(f"{url}/change/", {"name": "cashiers", "permissions": [power.pk]})
    admin_client.post(f"{url}/delete/", {"post": "yes"})
    assert told() == [
        ("user.created", ["password", "username"]),
        ("user.changed", ["groups", "is_staff", "is_superuser", "user_permissions"]),
        ("group.changed", ["permissions"]),
        ("group.deleted", []),
    ]
    history = admin_client.get(f"{LIST}{new.pk}/history/").content.decode()
    assert "Superuser status" in history


def test_grants_that_go_with_their_user_are_told(admin_client: Client) -> None:
    many = [account(f"other-{number}") for number in range(2)]
    for user in many:
        for business in ("b1", "b2"):
            BusinessGrant.objects.create(user=user, business=business)
    chosen = {"action": "delete_selected", "_selected_action": [u.pk for u in many], "post": "yes"}
    admin_client.post(LIST, chosen)
    assert not BusinessGrant.objects.exists()
    gone = AuditEntry.objects.filter(action="grant.deleted", actor_name="admin")
    assert sorted(gone.values_list("object_name", flat=True)) == [
        "other-0: b1", "other-0: b2", "other-1: b1", "other-1: b2",
    ]  # fmt: skip
    assert AuditEntry.objects.filter(action="user.deleted", actor_name="admin").count() == 2


@pytest.mark.parametrize("businesses", [(), ("b1",)])
def test_people_of_one_business_see_their_own_account_alone(
    client_of: Callable[..., Client], businesses: tuple[str, ...]
) -> None:
    other = account("other")
    client = client_of(*CLERK, businesses=businesses)
    own = User.objects.get(pk=client.session["_auth_user_id"])
    assert [user.pk for user in client.get(LIST).context["cl"].result_list] == [own.pk]
    assert client.get(f"{LIST}{own.pk}/change/").status_code == 200
    # What is not in the list is not there.
    assert client.get(f"{LIST}{other.pk}/change/").status_code == 302
    assert client.get(f"{LIST}{other.pk}/history/").status_code == 302
    for user in (own, other):
        assert client.post(f"{LIST}{user.pk}/password/", PASSWORDS).status_code in (403, 404)
    assert client.get(f"{LIST}add/").status_code == 403
    assert "other" not in client.get(LIST).content.decode()


def test_a_superuser_reaches_all_accounts_whatever_the_host_says(
    admin_client: Client, settings: Any
) -> None:
    settings.INTEGRATIONS_BUSINESS_RESOLVER = f"{__name__}.nothing"
    other = account("other", "push_payment")
    assert admin_client.post(f"{LIST}{other.pk}/password/", PASSWORDS).status_code == 302
    assert other in admin_client.get(LIST).context["cl"].result_list


def nothing(_user: Any) -> list[str]:
    return []
