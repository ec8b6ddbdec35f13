"""Callers with and without rights; nothing remembered from another test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from django.utils.crypto import get_random_string
from rest_framework.test import APIClient

from integrations.api.recent import recent
from integrations.models import ApiToken, BusinessGrant
from integrations.models.access import TOKEN_MARK, digest_token
from tests.hunt.plants import planted
from tests.kra.outbox.conftest import open_shop, shop  # noqa: F401


@pytest.fixture(autouse=True)
def _nothing_recent() -> Iterator[None]:
    recent.forget()
    yield
    recent.forget()


@pytest.fixture
def caller(transactional_db: None) -> Callable[..., APIClient]:
    """Makes an API client with a real session of an ordinary or a staff user."""

    def make(*, is_staff: bool = False) -> APIClient:
        user = User.objects.create_user(f"caller-{User.objects.count()}", is_staff=is_staff)
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(user)
        return client

    return make


def user_with(*permissions: str, is_staff: bool = False, businesses: tuple[str, ...] = ()) -> User:
    """A user with these codenames of the hub and these businesses (none: the installation)."""
    user = User.objects.create_user(f"caller-{User.objects.count()}", is_staff=is_staff)
    found = Permission.objects.filter(
        content_type__app_label="integrations", codename__in=permissions
    )
    assert found.count() == len(permissions)
    user.user_permissions.set(found)
    for business in businesses:
        BusinessGrant.objects.create(user=user, business=business)
    return user


def logged_in(user: User) -> APIClient:
    """A client with a session and the page's CSRF token."""
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)
    token = client.cookies["csrftoken"] = get_random_string(32)
    client.credentials(HTTP_X_CSRFTOKEN=token)
    client.default_format = "json"  # type: ignore[attr-defined]
    return client


def with_token(user: User, *scopes: str, business: str | None = None) -> APIClient:
    """A client that sends an API token of the user, and no cookie."""
    expires_at = timezone.now() + timedelta(hours=1)
    _, text = ApiToken.issue(
        user, name="ERP", scopes=list(scopes), expires_at=expires_at, business=business
    )
    return bearing(text)


def bearing(text: str) -> APIClient:
    """A client that sends this text as its token."""
    client = APIClient(enforce_csrf_checks=True)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    client.default_format = "json"  # type: ignore[attr-defined]
    return client


def plant_token(user: User, *scopes: str, **changes: Any) -> str:
    """The text of a stored token that the leak hunt knows."""
    text = TOKEN_MARK + planted("API token")
    values = {
        "name": "ERP",
        "expires_at": timezone.now() + timedelta(hours=1),
        "digest": digest_token(text),
        "prefix": text[:8],
        **changes,
    }
    ApiToken.objects.create(user=user, scopes=list(scopes), **values)
    return text
