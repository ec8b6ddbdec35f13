"""Rows with unguessable secrets, and people with and without permissions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from integrations.models import MpesaSettings
from tests.admin.page import SettingsPage
from tests.conftest import mpesa_values
from tests.sandbox.driver import SandboxDriver

# No piece of these occurs in a page by chance.
SECRETS = {
    "consumer_key": "Zq7vKx3mWp9tRb2nLc8d",
    "consumer_secret": "Yh4jUf6sGe1aXo5iVk0z",
    "passkey": "Qw8rTy2uPs4dFg6hJk9l",
    "initiator_password": "Mn3bVc7xZa5sDf1gHj8k",
}


@pytest.fixture
def allowed(sandbox: SandboxDriver, settings: Any) -> SandboxDriver:
    """The sandbox, under both of its names on the operator's list."""
    place = sandbox.base_url.removeprefix("http://")
    settings.OUTBOUND_ALLOWED_HOSTS = [place, place.replace("127.0.0.1", "localhost")]
    settings.PUBLIC_BASE_URL = "https://erp.example.ke"
    return sandbox


@pytest.fixture
def row(transactional_db: None, allowed: SandboxDriver) -> MpesaSettings:
    """The installation's M-Pesa settings, ready to work with the sandbox."""
    return MpesaSettings.objects.create(**mpesa_values(allowed, **SECRETS))


@pytest.fixture
def page(row: MpesaSettings, admin_client: Client) -> SettingsPage:
    """The settings page of `row` in a superuser's hands."""
    return SettingsPage(admin_client, row.pk)


@pytest.fixture
def client_of(transactional_db: None) -> Callable[..., Client]:
    """Makes a logged-in client of a staff user with these permissions (or no staff user)."""

    def make(*permissions: str, is_staff: bool = True) -> Client:
        user = User.objects.create_user(f"user-{User.objects.count()}", is_staff=is_staff)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        assert user.user_permissions.count() == len(permissions)
        client = Client()
        client.force_login(user)
        return client

    return make


def tokens_of(row: MpesaSettings) -> list[str]:
    """The stored ciphertexts."""
    fresh = MpesaSettings.objects.get(pk=row.pk)
    return [getattr(fresh, name).token for name in SECRETS if getattr(fresh, name)]
