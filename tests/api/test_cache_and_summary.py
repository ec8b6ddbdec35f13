"""`cache/clear/` and `summary/`: shapes and rights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.crypto import get_random_string
from django.utils.dateparse import parse_datetime
from rest_framework.test import APIClient

from integrations.models import AuditEntry, BusinessGrant, ConfigStamp, Integrations, MpesaSettings
from tests.sandbox.driver import SandboxDriver

CLEAR = "/api/v1/integrations/cache/clear/"
SUMMARY = "/api/v1/integrations/summary/"

Caller = Callable[..., APIClient]


def post(client: APIClient) -> Any:
    """POST as a page would: with the text of the cookie as a header."""
    token = client.cookies["csrftoken"] = get_random_string(32)
    return client.post(CLEAR, headers={"X-CSRFToken": token})


def test_staff_clear_the_cache_everywhere(
    caller: Caller,
    mpesa: MpesaSettings,
    sandbox: SandboxDriver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Every connection test fetches a token of its own, so that tests can be counted.
    monkeypatch.setattr("integrations.outbound.tokens.RENEW_SECONDS", 0)
    client = caller(is_staff=True)
    health = "/api/v1/integrations/health/mpesa/"
    client.get(health)
    before = ConfigStamp.objects.read()
    answer = post(client)
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["success", "message", "cleared_at"]
    assert body["success"] is True
    assert parse_datetime(body["cleared_at"])
    # Other processes see the new stamp; this one asks the provider again.
    assert ConfigStamp.objects.read() != before
    client.get(health)
    assert sandbox.counters()["tokens_issued"] == 2
    assert AuditEntry.objects.get(action="cache.cleared").actor_name.startswith("caller-")


def test_others_do_not_clear_the_cache(caller: Caller) -> None:
    before = ConfigStamp.objects.read()
    anonymous = APIClient().post(CLEAR)
    assert anonymous.status_code == 401
    ordinary = post(caller())
    assert ordinary.status_code == 403
    assert ordinary.json()["error"]["type"] == "PermissionDenied"
    without_token = caller(is_staff=True).post(CLEAR)
    assert without_token.status_code == 403
    assert "CSRF" in without_token.json()["error"]["detail"]
    assert caller(is_staff=True).get(CLEAR).status_code == 405
    assert ConfigStamp.objects.read() == before


def test_the_summary_has_the_documented_shape(caller: Caller) -> None:
    link = Integrations.objects.create(name="MPESA", is_default=True)
    Integrations.objects.create(name="KRA", integration_type="TAX")
    complete = {"consumer_key": "k", "consumer_secret": "s", "passkey": "p", "short_code": "174379"}
    MpesaSettings.objects.create(**complete)
    MpesaSettings.objects.create(**complete, business="duka")
    MpesaSettings.objects.create(**{**complete, "passkey": ""}, business="half-done")
    client = caller()
    BusinessGrant.objects.create(user=User.objects.get(), business="*")
    body = client.get(SUMMARY).json()
    assert list(body) == ["success", "data", "generated_at"]
    created_at = body["data"]["payment_integrations"][0].pop("created_at")
    assert parse_datetime(created_at) == link.created_at
    assert body["data"] == {
        "payment_integrations": [
            {"id": link.pk, "name": "MPESA", "is_active": True, "is_default": True}
        ],
        "notification_integrations": [],
        "settings_configured": {
            "mpesa": 2, "kra": 0, "bank_api": 0, "govt_services": 0, "sms": 0, "email": 0,
        },
    }  # fmt: skip


def test_the_summary_is_for_those_who_are_logged_in(transactional_db: None) -> None:
    assert Client().get(SUMMARY).status_code == 401


def test_the_summary_counts_the_callers_businesses_only(caller: Caller) -> None:
    complete = {"consumer_key": "k", "consumer_secret": "s", "passkey": "p", "short_code": "174379"}
    for business in ("", "duka", "kiosk"):
        MpesaSettings.objects.create(**complete, business=business)
    client = caller()
    BusinessGrant.objects.create(user=User.objects.get(), business="duka")
    assert client.get(SUMMARY).json()["data"]["settings_configured"]["mpesa"] == 1
