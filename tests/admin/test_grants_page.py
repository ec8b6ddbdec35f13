"""Business grants in the admin: superusers give and take them, and nobody changes one."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from django.test import Client

from integrations.models import AuditEntry, BusinessGrant

LIST = "/admin/integrations/businessgrant/"
ADD = f"{LIST}add/"


def test_a_superuser_gives_and_takes_a_grant(db: None, admin_client: Client) -> None:
    user = User.objects.create_user("clerk")
    assert admin_client.post(ADD, {"user": user.username, "business": "duka"}).status_code == 302
    grant = BusinessGrant.objects.get()
    assert (grant.user, grant.business) == (user, "duka")
    assert AuditEntry.objects.get(action="grant.saved").actor_name == "admin"
    assert "duka" in admin_client.get(LIST).content.decode()
    assert admin_client.get(f"{LIST}{grant.pk}/change/").status_code == 200
    assert admin_client.post(f"{LIST}{grant.pk}/change/", {"business": "x"}).status_code == 403
    admin_client.post(f"{LIST}{grant.pk}/delete/", {"post": "yes"})
    assert not BusinessGrant.objects.exists()
    assert AuditEntry.objects.filter(action="grant.deleted").count() == 1


def test_grants_are_named_in_words(db: None, admin_client: Client) -> None:
    user = User.objects.create_user("clerk")
    for business in ("*", ""):
        BusinessGrant.objects.create(user=user, business=business)
    html = admin_client.get(LIST).content.decode()
    assert "Every business" in html
    assert "The installation" in html


def test_taking_many_away_is_in_the_trail_for_each(db: None, admin_client: Client) -> None:
    user = User.objects.create_user("clerk")
    grants = [BusinessGrant.objects.create(user=user, business=f"b{n}") for n in range(3)]
    chosen = {
        "action": "delete_selected", "post": "yes", "_selected_action": [row.pk for row in grants],
    }  # fmt: skip
    admin_client.post(LIST, chosen)
    assert not BusinessGrant.objects.exists()
    assert AuditEntry.objects.filter(action="grant.deleted").count() == 3


def test_the_same_grant_twice_is_an_error(db: None, admin_client: Client) -> None:
    user = User.objects.create_user("clerk")
    for status in (302, 200):
        values = {"user": user.username, "business": "duka"}
        assert admin_client.post(ADD, values).status_code == status
    assert BusinessGrant.objects.count() == 1
    assert admin_client.post(ADD, {"user": user.username, "business": "x" * 65}).status_code == 200
    assert admin_client.post(ADD, {"user": "nobody", "business": "a"}).status_code == 200
    assert BusinessGrant.objects.count() == 1


def test_superusers_alone(db: None, client_of: Callable[..., Client]) -> None:
    names = [f"{verb}_businessgrant" for verb in ("view", "add", "change", "delete")]
    staff = client_of(*names, businesses=("*",))
    grant = BusinessGrant.objects.get()
    for url in (LIST, ADD, f"{LIST}{grant.pk}/change/", f"{LIST}{grant.pk}/delete/"):
        assert staff.get(url).status_code == 403
        assert staff.post(url, {"post": "yes", "user": grant.user_id}).status_code == 403
        assert "/login/" in Client().get(url)["Location"]
    assert BusinessGrant.objects.count() == 1
