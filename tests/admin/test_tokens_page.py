"""API tokens in the admin: the text shown once, own tokens only, revoked for good."""

from __future__ import annotations

import html as html_module
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from integrations.models import ApiToken, AuditEntry

LIST = "/admin/integrations/apitoken/"
ADD = f"{LIST}add/"
HOSTILE = "<script>alert(1)</script>"


def typed(**changes: Any) -> dict[str, Any]:
    end = timezone.localtime(timezone.now() + timedelta(days=30))
    return {
        "name": "Shop", "scopes": ["payments:read"], "reach": "everything", "business": "",
        "expires_at_0": f"{end:%Y-%m-%d}", "expires_at_1": f"{end:%H:%M:%S}", **changes,
    }  # fmt: skip


def text_in(html: str) -> str:
    found = re.findall(r"bit_[\w-]{20,}", html_module.unescape(html))
    assert len(set(found)) == 1, found
    return str(found[0])


def make(user: User, **values: Any) -> ApiToken:
    token, _ = ApiToken.issue(
        user,
        **{"name": "Shop", "scopes": ["health:read"],
           "expires_at": timezone.now() + timedelta(days=1), **values},
    )  # fmt: skip
    return token


def test_a_superuser_issues_a_token_for_anyone(db: None, admin_client: Client) -> None:
    other = User.objects.create_user("shop")
    response = admin_client.post(ADD, typed(user=other.username, reach="one", business="duka"))
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    text = text_in(response.content.decode())
    token = ApiToken.objects.get()
    found = ApiToken.find(text)
    assert found == token
    assert (token.user, token.business, token.scopes) == (other, "duka", ["payments:read"])
    assert AuditEntry.objects.get(action="token.issued").actor_name == "admin"


def test_the_text_is_shown_once_and_kept_nowhere(db: None, admin_client: Client) -> None:
    text = text_in(admin_client.post(ADD, typed(user=User.objects.get().username)).content.decode())
    token = ApiToken.objects.get()
    for url in (LIST, ADD, f"{LIST}{token.pk}/change/", f"{LIST}{token.pk}/history/", "/admin/"):
        assert text[8:] not in admin_client.get(url).content.decode()
    stored = [
        *(json.dumps(Session.objects.get(pk=key).get_decoded())
          for key in Session.objects.values_list("pk", flat=True)),
        *(f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all()),
        *(str(values) for values in AuditEntry.objects.values()),
        *(str(values) for values in ApiToken.objects.values()),
    ]  # fmt: skip
    assert len(stored) >= 3
    assert not [each for each in stored if text[8:] in each]
    assert [str(message) for message in admin_client.get(LIST).context["messages"]] == []


def test_staff_issue_tokens_for_themselves_alone(
    db: None, client_of: Callable[..., Client]
) -> None:
    client = client_of("add_apitoken", "view_apitoken", businesses=("mine",))
    other = User.objects.create_user("other")
    assert 'name="user"' not in client.get(ADD).content.decode()
    text = text_in(client.post(ADD, typed(user=other.username)).content.decode())
    token = ApiToken.find(text)
    assert token is not None
    assert token.user.username == "user-0"
    assert token.business is None


@pytest.mark.parametrize("business", ["theirs", ""])
def test_staff_issue_nothing_beyond_their_own_businesses(
    db: None, client_of: Callable[..., Client], business: str
) -> None:
    client = client_of("add_apitoken", businesses=("mine",))
    html = client.post(ADD, typed(reach="one", business=business)).content.decode()
    assert "You don&#x27;t see this business." in html
    assert not ApiToken.objects.exists()
    text_in(client.post(ADD, typed(reach="one", business="mine")).content.decode())
    assert ApiToken.objects.get().business == "mine"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scopes": []}, "This field is required."),
        ({"scopes": ["everything"]}, "Select a valid choice."),
        ({"name": ""}, "This field is required."),
        ({"expires_at_0": "2020-01-01"}, "Must lie in the future."),
        ({"expires_at_0": "soon"}, "Enter a valid date"),
        ({"business": "duka"}, "Choose &quot;One business only&quot; for this."),
        ({"user": "nobody"}, "There is no user of this name."),
    ],
)
def test_bad_input_is_an_error_of_its_field(
    db: None, admin_client: Client, changes: dict[str, Any], words: str
) -> None:
    values = typed(**{"user": User.objects.get().username, **changes})
    html = admin_client.post(ADD, values).content.decode()
    assert words in html
    assert not ApiToken.objects.exists()


def test_a_hostile_name_is_shown_harmlessly(db: None, admin_client: Client) -> None:
    user = User.objects.get()
    issued = admin_client.post(ADD, typed(user=user.username, name=HOSTILE)).content.decode()
    token = ApiToken.objects.get()
    urls = (LIST, f"{LIST}{token.pk}/change/", f"{LIST}{token.pk}/revoke/")
    pages = [admin_client.get(url).content.decode() for url in urls]
    assert not [html for html in (issued, *pages) if HOSTILE in html]


def test_the_list_says_how_each_stands(db: None, admin_client: Client, admin_user: User) -> None:
    make(admin_user, name="Active one")
    gone = make(admin_user, name="Old one")
    ApiToken.objects.filter(pk=gone.pk).update(expires_at=timezone.now() - timedelta(days=1))
    make(admin_user, name="Revoked one").revoke()
    html = admin_client.get(LIST).content.decode()
    for word, tone in (("Active", "good"), ("Expired", "calm"), ("Revoked", "bad")):
        assert f'<span class="badge badge-{tone}">{word}</span>' in html


def test_a_token_is_revoked_after_a_confirmation(
    db: None, admin_client: Client, admin_user: User
) -> None:
    token = make(admin_user)
    url = f"{LIST}{token.pk}/revoke/"
    assert "Revoke this token" in admin_client.get(f"{LIST}{token.pk}/change/").content.decode()
    for response in (admin_client.get(url), admin_client.post(url)):
        assert "is refused from now on." in response.content.decode()
    token.refresh_from_db()
    assert token.revoked_at is None
    told = admin_client.post(url, {"confirmed": "yes"}, follow=True).content.decode()
    assert "was revoked." in told
    token.refresh_from_db()
    assert token.refusal() == "This API token was revoked."
    assert AuditEntry.objects.get(action="token.revoked").actor_name == "admin"


def test_nothing_of_a_token_can_be_edited_or_deleted(
    db: None, admin_client: Client, admin_user: User
) -> None:
    token = make(admin_user)
    values = typed(user=admin_user.username, scopes=["payments:write"])
    assert admin_client.post(f"{LIST}{token.pk}/change/", values).status_code == 403
    assert admin_client.post(f"{LIST}{token.pk}/delete/", {"post": "yes"}).status_code == 403
    token.refresh_from_db()
    assert token.scopes == ["health:read"]


def test_other_peoples_tokens_do_not_exist(
    db: None, client_of: Callable[..., Client], admin_user: User
) -> None:
    theirs = make(admin_user, name="MARK-theirs")
    client = client_of("view_apitoken", "add_apitoken", "change_apitoken", businesses=("*",))
    assert "MARK-theirs" not in client.get(LIST).content.decode()
    assert "MARK-theirs" not in client.get(f"{LIST}?q=MARK").content.decode()
    assert client.get(f"{LIST}{theirs.pk}/change/").status_code == 302
    url = f"{LIST}{theirs.pk}/revoke/"
    assert client.get(url).status_code == 404
    assert client.post(url, {"confirmed": "yes"}).status_code == 404
    theirs.refresh_from_db()
    assert theirs.revoked_at is None


def test_permissions(db: None, client_of: Callable[..., Client], admin_user: User) -> None:
    viewer = client_of("view_apitoken")
    own = make(User.objects.get(username="user-1"), name="Own")
    assert "Own" in viewer.get(LIST).content.decode()
    assert viewer.get(ADD).status_code == 403
    assert viewer.post(ADD, typed()).status_code == 403
    assert viewer.post(f"{LIST}{own.pk}/revoke/", {"confirmed": "yes"}).status_code == 403
    assert client_of().get(LIST).status_code == 403
    assert "/login/" in Client().post(ADD, typed())["Location"]
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(ADD, typed(user=admin_user.username)).status_code == 403
    assert ApiToken.objects.count() == 1
