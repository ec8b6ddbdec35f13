"""`health/` and `health/<slug>/`: documented shapes, true statuses, no flood."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from rest_framework.test import APIClient
from rest_framework.views import APIView

from integrations.api.recent import FRESH_SECONDS, RecentStatus, recent
from integrations.api.throttles import AnonThrottle, UserThrottle
from integrations.crypto import keyring
from integrations.models import AuditEntry, BusinessGrant, Integrations, MpesaSettings
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import CONSUMER_KEY, mpesa_values
from tests.sandbox.driver import SandboxDriver

HEALTH = "/api/v1/integrations/health/"
STATUS_KEYS = [
    "configured", "active", "connection", "status", "connected", "message", "warnings",
]  # fmt: skip
ONE_KEYS = [
    "success", "message", "configured", "active", "status", "connected", "warnings", "tested_at",
]  # fmt: skip

Caller = Callable[..., APIClient]


def test_the_documented_name_finds_the_documented_path(transactional_db: None) -> None:
    assert reverse("integrations:integration-health") == HEALTH


def test_health_has_the_documented_shape_before_anything_is_set(caller: Caller) -> None:
    answer = caller().get(HEALTH)
    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == ["success", "integrations", "generated_at"]
    assert body["success"] is True
    assert parse_datetime(body["generated_at"])
    assert list(body["integrations"]) == ["mpesa", "kra", "sms", "email", "card_payment"]
    for status in body["integrations"].values():
        assert list(status) == STATUS_KEYS
        assert status["configured"] is status["active"] is status["connected"] is False
        assert status["connection"] == [False, status["message"]]
        assert status["status"] == "not_configured"


def test_a_connected_integration_is_healthy(
    caller: Caller, mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    status = caller().get(HEALTH).json()["integrations"]["mpesa"]
    assert status == {
        "configured": True,
        "active": True,
        "connection": [True, status["message"]],
        "status": "healthy",
        "connected": True,
        "message": f"Connected to {sandbox.daraja_url}: the consumer key and secret are accepted.",
        "warnings": [],
    }


def test_one_integration_answers_200_when_connected(caller: Caller, mpesa: MpesaSettings) -> None:
    answer = caller().get(f"{HEALTH}mpesa/")
    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == ONE_KEYS
    assert (body["success"], body["connected"], body["status"]) == (True, True, "healthy")
    assert parse_datetime(body["tested_at"])


def test_one_integration_answers_503_with_the_reason_when_refused(
    caller: Caller, mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.app(CONSUMER_KEY, "another secret")
    answer = caller().get(f"{HEALTH}mpesa/")
    body = answer.json()
    assert answer.status_code == 503
    assert list(body) == ONE_KEYS
    assert (body["success"], body["configured"], body["status"]) == (False, True, "unhealthy")
    assert "M-Pesa refused the consumer key and secret" in body["message"]


@pytest.mark.parametrize("slug", ["mpesa", "kra", "sms", "email", "card_payment"])
def test_what_is_not_configured_answers_503(caller: Caller, slug: str) -> None:
    answer = caller().get(f"{HEALTH}{slug}/")
    assert answer.status_code == 503
    assert list(answer.json()) == ONE_KEYS
    assert answer.json()["status"] == "not_configured"
    assert answer.json()["message"]


def test_a_switched_off_integration_is_not_active(caller: Caller, mpesa: MpesaSettings) -> None:
    mpesa.integration = Integrations.objects.create(name="MPESA", is_active=False)
    mpesa.save()
    body = caller().get(f"{HEALTH}mpesa/").json()
    assert (body["configured"], body["active"], body["connected"]) == (True, False, False)
    assert body["message"] == "M-Pesa is switched off."


def test_an_unknown_integration_is_not_found(caller: Caller) -> None:
    answer = caller().get(f"{HEALTH}nothing/")
    assert answer.status_code == 404
    assert answer.json() == {
        "success": False,
        "error": {
            "type": "Http404",
            "detail": "There is no integration 'nothing'.",
            "code": "not_found",
            "help": "docs/reference/troubleshooting.md#not_found",
        },
    }


@pytest.mark.parametrize("path", ["", "mpesa/"])
def test_health_is_for_those_who_are_logged_in(transactional_db: None, path: str) -> None:
    answer = APIClient().get(HEALTH + path)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"]
    assert answer.json()["error"]["type"] == "NotAuthenticated"


def test_a_key_that_does_not_match_is_told(
    caller: Caller, mpesa: MpesaSettings, settings: Any
) -> None:
    settings.CYPHER_KEY = Fernet.generate_key().decode()
    keyring.forget()
    answer = caller().get(f"{HEALTH}mpesa/")
    assert answer.status_code == 503
    assert "the encryption key does not match it" in answer.json()["message"]


def test_polling_costs_one_provider_call(
    caller: Caller, mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    client = caller()
    answers = [client.get(f"{HEALTH}mpesa/").json() for _ in range(10)]
    assert client.get(HEALTH).json()["integrations"]["mpesa"]["connected"] is True
    assert sandbox.counters()["tokens_issued"] == 1
    assert len({answer["tested_at"] for answer in answers}) == 1
    # Polling is not something that somebody did.
    assert not AuditEntry.objects.filter(action="settings.tested").exists()
    mpesa.refresh_from_db()
    assert mpesa.last_test_ok is True


def test_changed_settings_are_tested_at_once(
    caller: Caller, mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    client = caller()
    assert client.get(f"{HEALTH}mpesa/").status_code == 200
    sandbox.app("a-wrong-key", "x", refused=True)
    mpesa.consumer_key = "a-wrong-key"
    mpesa.save()
    assert client.get(f"{HEALTH}mpesa/").status_code == 503


def test_a_result_serves_for_some_seconds_only(transactional_db: None) -> None:
    now, asked = [100.0], []

    def check(slug: str, business: str) -> dict[str, Any]:
        asked.append((slug, business))
        return {"connected": len(asked) > 1}

    recent = RecentStatus(check, clock=lambda: now[0])
    assert recent.status("mpesa") == {"connected": False}
    now[0] += FRESH_SECONDS - 0.1
    assert recent.status("mpesa") == {"connected": False}
    assert recent.status("kra") == {"connected": True}
    now[0] += 0.2
    assert recent.status("mpesa") == {"connected": True}
    assert asked == [("mpesa", ""), ("kra", ""), ("mpesa", "")]


def test_callers_at_the_same_time_share_one_test(transactional_db: None) -> None:
    begun, go_on, asked = threading.Event(), threading.Event(), []

    def check(slug: str, business: str) -> dict[str, Any]:
        asked.append(slug)
        begun.set()
        assert go_on.wait(60)
        return {"connected": True}

    recent = RecentStatus(check)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(recent.status, "mpesa")
        assert begun.wait(60)
        others = [pool.submit(recent.status, "mpesa") for _ in range(7)]
        go_on.set()
        assert all(each.result(5)["connected"] for each in [first, *others])
    assert asked == ["mpesa"]


def test_pushes_beside_polled_health_succeed_where_only_the_newest_token_is_good(
    caller: Caller, mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.tokens(newest_only=True)
    client = caller()
    for number in range(4):
        recent.forget()
        assert client.get(HEALTH).json()["integrations"]["mpesa"]["connected"]
        success, message, _ = MpesaPaymentService.initiate_stk_push(f"071234567{number}", 10, "R")
        assert success, message
    assert sandbox.counters()["tokens_issued"] == 1
    assert sandbox.counters()["stk_push"] == 4


def test_a_cache_that_is_away_lets_requests_in(
    caller: Caller, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    monkeypatch.setattr(APIView, "throttle_classes", [AnonThrottle, UserThrottle])
    client = caller()
    settings.CACHES = {**settings.CACHES, "default": away}
    assert client.get(HEALTH).status_code == 200
    assert APIClient().get(HEALTH).status_code in (401, 403)


def test_a_cache_that_works_counts_requests(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(APIView, "throttle_classes", [UserThrottle])
    monkeypatch.setattr(UserThrottle, "rate", "2/min", raising=False)
    client = caller()
    assert [client.get(HEALTH).status_code for _ in range(3)] == [200, 200, 429]


def test_a_test_that_hangs_is_reported_as_late_and_serves_later(transactional_db: None) -> None:
    go_on = threading.Event()

    def check(slug: str, business: str) -> dict[str, Any]:
        assert slug == "kra" or go_on.wait(10)
        return {"connected": True, "message": f"{slug} answered"}

    recent = RecentStatus(check)
    begin = time.monotonic()
    found = recent.get_all(["mpesa", "kra"], seconds=0.2)
    assert time.monotonic() - begin < 2
    assert found["kra"].status["connected"] is True
    late = found["mpesa"].status
    assert list(late) == STATUS_KEYS
    assert (late["status"], late["connected"]) == ("unhealthy", False)
    assert late["message"] == "The test did not answer within 0.2 seconds."
    go_on.set()
    # Not tested again: the one that was late goes on.
    assert recent.get("mpesa").status["message"] == "mpesa answered"


def test_four_slow_tests_run_side_by_side(transactional_db: None) -> None:
    def check(slug: str, business: str) -> dict[str, Any]:
        time.sleep(0.3)
        return {"connected": True}

    recent = RecentStatus(check)
    begin = time.monotonic()
    recent.get_all(["one", "two", "three", "four"])
    assert time.monotonic() - begin < 0.9
    begin = time.monotonic()
    recent.get_all(["one", "two", "three", "four"])
    assert time.monotonic() - begin < 0.1


def test_health_of_a_business_is_for_its_own_callers(
    caller: Caller, mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    MpesaSettings.objects.create(**mpesa_values(sandbox, business="duka"))
    client = caller()
    assert client.get(f"{HEALTH}mpesa/?business=duka").status_code == 403
    BusinessGrant.objects.create(user=User.objects.get(), business="duka")
    # Its only business, so it need not be named; the installation is not its.
    assert client.get(f"{HEALTH}mpesa/").status_code == 200
    assert client.get(f"{HEALTH}mpesa/?business=").status_code == 403
    assert client.get(f"{HEALTH}?busness=duka").json()["error"]["field"] == "busness"
