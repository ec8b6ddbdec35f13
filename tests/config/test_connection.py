"""Connection tests and the status dict, in words, against the sandbox."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth import get_user_model
from django.utils import timezone

from integrations.crypto import keyring
from integrations.models import AuditEntry, Integrations, MpesaSettings, acting
from integrations.services import IntegrationConfigService as Service
from tests.conftest import CONSUMER_KEY, CONSUMER_SECRET

pytestmark = pytest.mark.django_db(transaction=True)


def answer() -> tuple[bool, str]:
    ok, message = Service.test_mpesa_connection()
    for secret in (CONSUMER_KEY, CONSUMER_SECRET, "gAAAAA"):
        assert secret not in message
    return ok, message


def test_nothing_configured_is_said():
    assert answer() == (False, "M-Pesa is not configured.")


def test_a_row_with_something_missing_is_said():
    MpesaSettings.objects.create(consumer_key="k")
    assert answer() == (False, "M-Pesa is not configured.")


def test_good_keys_are_confirmed_and_the_result_is_kept(mpesa):
    ok, message = answer()
    assert ok and "accepted" in message
    mpesa.refresh_from_db()
    assert (mpesa.last_test_ok, mpesa.last_test_message) == (True, message)
    assert timezone.now() - mpesa.last_test_at < timedelta(seconds=10)
    assert mpesa.last_test_ms is not None


def test_refused_keys_are_said(mpesa, sandbox):
    sandbox.app(CONSUMER_KEY, CONSUMER_SECRET, refused=True)
    ok, message = answer()
    assert not ok and "consumer key" in message and "sandbox" in message
    mpesa.refresh_from_db()
    assert (mpesa.last_test_ok, mpesa.last_test_message) == (False, message)


def test_a_host_that_refuses_connections_is_said(mpesa, settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    settings.OUTBOUND_ALLOWED_HOSTS = [place]
    mpesa.sandbox_url = f"http://{place}"
    for name in mpesa.secret_fields():
        setattr(mpesa, name, "typed again")
    mpesa.save()
    ok, message = answer()
    assert not ok and "connect" in message.lower()


def test_an_address_that_may_not_be_called_is_said(mpesa, settings):
    settings.OUTBOUND_ALLOWED_HOSTS = []
    ok, message = answer()
    assert not ok and message


def test_a_wrong_encryption_key_is_said_and_overwrites_nothing(mpesa, settings):
    token = mpesa.passkey.token
    settings.CYPHER_KEY = Fernet.generate_key().decode()
    keyring.forget()
    ok, message = answer()
    assert not ok and "key does not match" in message
    status = Service.get_all_integration_status()["mpesa"]
    assert (status["status"], status["configured"]) == ("unhealthy", True)
    assert MpesaSettings.objects.get().passkey.token == token


def test_a_missing_encryption_key_is_said(mpesa, settings):
    settings.CYPHER_KEY = ""
    keyring.forget()
    ok, message = answer()
    assert not ok and "CYPHER_KEY" in message


@pytest.mark.parametrize("kind", ["html", "empty", "error_before"])
def test_a_provider_that_answers_nonsense_is_said(mpesa, sandbox, kind):
    sandbox.fault(kind, times=None)
    ok, message = answer()
    assert not ok and message


def test_keys_can_be_tested_before_the_integration_is_switched_on(mpesa):
    mpesa.integration = Integrations.objects.create(is_active=False)
    mpesa.save()
    ok, message = answer()
    assert ok and message.startswith("Connected")


def test_a_test_is_audited_with_its_actor_and_polling_is_not(mpesa):
    user = get_user_model().objects.create_user("wanjiru")
    before = AuditEntry.objects.count()
    with acting(user):
        answer()
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.actor, entry.actor_name) == ("settings.tested", user, "wanjiru")
    Service.get_all_integration_status()
    assert AuditEntry.objects.count() == before + 1


def test_a_test_is_no_change_of_settings(mpesa, django_assert_num_queries):
    Service.get_mpesa_config()
    answer()
    with django_assert_num_queries(0):
        Service.get_mpesa_config()


def test_the_status_of_everything_has_the_documented_shape(mpesa):
    status = Service.get_all_integration_status()
    assert {"mpesa", "kra", "sms", "email", "card_payment"} <= set(status)
    for answer_of in status.values():
        assert set(answer_of) == {
            "configured", "active", "connection", "status", "connected", "message", "warnings",
        }  # fmt: skip
        ok, message = answer_of["connection"]
        assert isinstance(ok, bool) and isinstance(message, str) and message
        assert answer_of["connected"] is ok and answer_of["message"] == message
    good = status["mpesa"]
    assert (good["configured"], good["active"], good["connected"]) == (True, True, True)
    assert good["status"] == "healthy"
    for slug in ("kra", "sms", "email", "card_payment"):
        assert (status[slug]["configured"], status[slug]["status"]) == (False, "not_configured")


def test_the_status_of_a_business_is_its_own(mpesa):
    status = Service.get_all_integration_status(business="nobody")["mpesa"]
    assert (status["configured"], status["status"]) == (False, "not_configured")
    mpesa.shared = True
    mpesa.save()
    assert Service.get_all_integration_status(business="nobody")["mpesa"]["connected"]


def test_the_status_says_unhealthy_where_settings_can_not_be_read(database_down):
    from integrations.health import integration_status

    with database_down():
        status = integration_status("mpesa")
    assert (status["configured"], status["status"]) == (False, "unhealthy")
    assert "database" in status["message"]
