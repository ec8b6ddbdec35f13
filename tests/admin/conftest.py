"""Rows with unguessable secrets, and people with and without permissions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from integrations.models import BusinessGrant, MpesaSettings
from tests.admin.page import SettingsPage
from tests.conftest import mpesa_values
from tests.hunt.plants import planted
from tests.sandbox.driver import SandboxDriver

# No piece of these occurs in a page by chance.
SECRETS = {
    "consumer_key": planted("consumer key"),
    "consumer_secret": planted("consumer secret"),
    "passkey": planted("passkey"),
    "initiator_password": planted("initiator password"),
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
    return MpesaSettings.objects.create(**mpesa_values(allowed, security_credential="", **SECRETS))


@pytest.fixture
def page(row: MpesaSettings, admin_client: Client) -> SettingsPage:
    """The settings page of `row` in a superuser's hands."""
    return SettingsPage(admin_client, row.pk)


@pytest.fixture
def client_of(transactional_db: None) -> Callable[..., Client]:
    """Makes a logged-in client of a staff user with these permissions (or no staff user).

    `businesses` are granted; without any, the user sees the installation.
    """

    def make(*permissions: str, is_staff: bool = True, businesses: tuple[str, ...] = ()) -> Client:
        user = User.objects.create_user(f"user-{User.objects.count()}", is_staff=is_staff)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        assert user.user_permissions.count() == len(permissions)
        for business in businesses:
            BusinessGrant.objects.create(user=user, business=business)
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def quiet_templates(caplog: pytest.LogCaptureFixture) -> None:
    """Without the template engine's debug records: their texts evaluate query sets of the page."""
    caplog.set_level(logging.INFO, "django.template")


def tokens_of(row: MpesaSettings) -> list[str]:
    """The stored ciphertexts."""
    fresh = MpesaSettings.objects.get(pk=row.pk)
    return [getattr(fresh, name).token for name in SECRETS if getattr(fresh, name)]
