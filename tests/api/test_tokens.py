"""API tokens: who they are, what they open, what they never do."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import get_resolver
from django.utils import timezone
from rest_framework.test import APIClient

from integrations.api.hub_view import HubView
from integrations.api.throttles import UserThrottle
from integrations.models import ApiToken, AuditEntry, ConfigStamp, TokenScope
from tests.api.conftest import bearing, plant_token, user_with, with_token

API = "/api/v1/integrations/"
EVERY_SCOPE = TokenScope.values


@pytest.fixture
def user(transactional_db: None) -> User:
    return user_with("view_payment", "view_mpesasettings")


def test_a_token_opens_what_its_scope_says_and_nothing_else(user: User) -> None:
    client = with_token(user, "health:read")
    assert client.get(f"{API}summary/").status_code == 200
    answer = client.get(f"{API}payments/")
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert error["detail"] == "This API token lacks the scope payments:read."
    assert error["code"] == "permission_denied"


def test_a_token_never_may_what_its_user_may_not(user: User) -> None:
    user.user_permissions.clear()
    answer = with_token(user, *EVERY_SCOPE).get(f"{API}payments/")
    assert answer.status_code == 403
    told = answer.json()["error"]["detail"]
    assert told == "The user lacks the permission integrations.view_payment."


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"revoked_at": timezone.now()}, "This API token was revoked."),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "This API token has expired."),
        ({"digest": "0" * 64}, "There is no such API token."),
    ],
)
def test_a_token_that_opens_nothing_is_told_why(
    user: User, changes: dict[str, Any], reason: str
) -> None:
    text = plant_token(user, *EVERY_SCOPE, **changes)
    answer = bearing(text).get(f"{API}summary/")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["error"]["detail"] == reason
    assert ApiToken.objects.get().last_used_at is None


def test_the_token_of_a_user_who_is_switched_off_opens_nothing(user: User) -> None:
    client = with_token(user, *EVERY_SCOPE)
    User.objects.update(is_active=False)
    answer = client.get(f"{API}summary/")
    assert (answer.status_code, answer.json()["error"]["detail"]) == (
        401, "The user of this API token is switched off.",
    )  # fmt: skip


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Bearer bit_ x", "bearer gAAAA"])
def test_what_is_no_token_is_refused_even_with_a_session(user: User, header: str) -> None:
    client = APIClient()
    client.force_login(user)
    answer = client.get(f"{API}summary/", headers={"Authorization": header})
    assert answer.status_code == 401
    assert "Bearer, a space, and an API token" in answer.json()["error"]["detail"]


def test_use_is_noted_and_the_audit_trail_names_the_token(user: User) -> None:
    user.is_staff = True
    user.save()
    client = with_token(user, "settings:write")
    assert client.post(f"{API}cache/clear/").status_code == 200  # no CSRF token: no cookie
    token = ApiToken.objects.get()
    assert token.last_used_at is not None
    entry = AuditEntry.objects.get(action="cache.cleared")
    assert entry.actor == user
    assert entry.actor_name == f"{user} (API token {token})"


def test_the_cache_is_not_cleared_without_the_scope(user: User) -> None:
    before = ConfigStamp.objects.read()
    assert with_token(user, "settings:read").post(f"{API}cache/clear/").status_code == 403
    assert ConfigStamp.objects.read() == before


def test_each_token_has_a_count_of_its_own(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HubView, "throttle_classes", [UserThrottle])
    monkeypatch.setattr(UserThrottle, "rate", "2/min", raising=False)
    one, two = (with_token(user, "health:read") for _ in range(2))
    assert [one.get(f"{API}summary/").status_code for _ in range(3)] == [200, 200, 429]
    assert two.get(f"{API}summary/").status_code == 200


def test_a_token_of_no_business_of_its_user_opens_nothing(user: User) -> None:
    client = with_token(user, *EVERY_SCOPE, business="somebody-elses")
    answer = client.get(f"{API}summary/")
    assert answer.status_code == 403
    assert "may see no business" in answer.json()["error"]["detail"]


def test_a_token_reaches_neither_log_nor_error_report(
    user: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    text = plant_token(user, *EVERY_SCOPE)

    def broken(*_: Any) -> None:
        raise RuntimeError(f"the header was Bearer {text}")

    monkeypatch.setattr("integrations.api.views.summarize", broken)
    with caplog.at_level(logging.DEBUG):
        answer = bearing(text).get(f"{API}summary/")
    assert answer.status_code == 500
    assert text not in answer.content.decode()
    # The hunt at the end of the run searches what the handlers wrote; this one wrote something.
    assert any("unexpected RuntimeError" in record.getMessage() for record in caplog.records)


def test_every_view_declares_a_right_for_each_of_its_methods() -> None:
    views = [
        pattern.callback.view_class
        for pattern in get_resolver("integrations.urls").url_patterns
        if hasattr(pattern.callback, "view_class")
    ]
    assert len(views) >= 12
    for view in views:
        assert issubclass(view, HubView)
        handled = {m.upper() for m in view.http_method_names if hasattr(view, m)} - {"HEAD"}
        assert handled == set(view.rights), view


def test_a_method_without_a_right_is_closed(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.api.views.SummaryView.rights", {})
    assert with_token(user, *EVERY_SCOPE).get(f"{API}summary/").status_code == 403
