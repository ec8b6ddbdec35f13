"""Users and groups: staff can't give themselves, or anybody, more than their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from tests.admin.page import FormReader
from tests.hunt.plants import planted

USERS, GROUPS = "/admin/auth/user/", "/admin/auth/group/"
RIGHTS = ("view_user", "change_user", "add_user", "delete_user",
          "view_group", "change_group", "add_group", "delete_group")  # fmt: skip


@pytest.fixture
def chief(transactional_db: None) -> User:
    return User.objects.create_superuser("chief", password=planted("admin password"))


@pytest.fixture
def clerk(transactional_db: None) -> User:
    return User.objects.create_user("clerk")


@pytest.fixture
def staff(client_of: Callable[..., Client]) -> Client:
    """Somebody with every permission on accounts who sees every business."""
    return client_of(*RIGHTS, businesses=("*",))


def save(client: Client, user: User, **typed: str) -> int:
    url = f"{USERS}{user.pk}/change/"
    reader = FormReader()
    reader.feed(client.get(url).content.decode())
    return client.post(url, {**reader.values, **typed}).status_code


def test_staff_change_names_but_give_no_power(staff: Client, clerk: User) -> None:
    group = Group.objects.create(name="Finance")
    typed = {"is_superuser": "on", "is_staff": "on", "groups": str(group.pk)}
    assert save(staff, clerk, first_name="Achieng", **typed) == 302
    clerk.refresh_from_db()
    assert (clerk.first_name, clerk.is_superuser, clerk.is_staff) == ("Achieng", False, False)
    assert not clerk.groups.exists()


def test_staff_do_not_touch_a_superuser(staff: Client, chief: User) -> None:
    url = f"{USERS}{chief.pk}"
    password = {"password1": "another-Pass-1", "password2": "another-Pass-1"}
    assert staff.get(f"{url}/change/").status_code == 200
    assert staff.post(f"{url}/change/", {"username": "gone"}).status_code == 403
    assert staff.post(f"{url}/password/", password).status_code == 403
    assert staff.post(f"{url}/delete/", {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [chief.pk], "post": "yes"}
    staff.post(USERS, chosen)
    chief.refresh_from_db()
    assert chief.check_password(planted("admin password"))


def test_groups_are_for_superusers_to_change(staff: Client) -> None:
    group = Group.objects.create(name="Finance")
    assert staff.get(f"{GROUPS}{group.pk}/change/").status_code == 200
    assert staff.post(f"{GROUPS}{group.pk}/change/", {"name": "Gone"}).status_code == 403
    assert staff.post(f"{GROUPS}add/", {"name": "More"}).status_code == 403


def test_people_of_one_business_change_nobody(
    client_of: Callable[..., Client], clerk: User
) -> None:
    client = client_of(*RIGHTS, businesses=("b1",))
    url = f"{USERS}{clerk.pk}"
    assert client.get(USERS).status_code == 200
    assert client.post(f"{url}/change/", {"username": "gone"}).status_code == 403
    assert client.post(f"{url}/password/", {}).status_code == 403
    assert client.post(f"{USERS}add/", {"username": "new"}).status_code == 403


def test_a_superuser_does_all_of_it(chief: User, clerk: User) -> None:
    client = Client()
    client.force_login(chief)
    assert save(client, clerk, is_staff="on") == 302
    clerk.refresh_from_db()
    assert clerk.is_staff
    assert client.post(f"{GROUPS}add/", {"name": "More"}).status_code == 302
