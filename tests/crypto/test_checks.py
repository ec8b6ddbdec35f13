"""What `manage.py check` says about keys."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from integrations.crypto import keys
from integrations.crypto.devkey import generate_dev_key
from integrations.models import AppSettings
from tests.crypto.app.models import HostSettings

pytestmark = pytest.mark.django_db


def found(*, deploy: bool = False, databases: Iterable[str] | None = None) -> dict[str, Any]:
    messages = checks.run_checks(include_deployment_checks=deploy, databases=databases)
    return {m.id: m for m in messages if str(m.id).startswith("integrations.")}


def test_good_keys_leave_nothing_to_say(settings):
    settings.PUBLIC_BASE_URL = "https://erp.example.co.ke"
    assert found(deploy=True, databases=["default"]) == {}


def test_no_key_is_a_warning_with_a_way_out(set_environment_key):
    set_environment_key("")
    message = found(databases=["default"])["integrations.W010"]
    assert "CYPHER_KEY" in message.msg and "generate_key" in message.hint
    # Without a key `migrate` still runs: the table of the database's key has to be made.
    assert "integrations.E011" not in found(databases=["default"])


@pytest.mark.parametrize(
    "key", ["short", "x" * 44, generate_dev_key()], ids=["short", "no base64", "development"]
)
def test_a_key_that_must_not_be_used_is_an_error(set_environment_key, key):
    set_environment_key(key)
    message = found()["integrations.E010"]
    assert message.level == checks.ERROR and message.hint
    assert key not in message.msg
    with pytest.raises(SystemCheckError):
        call_command("check")


def test_the_published_key_is_an_error(set_environment_key, new_key, monkeypatch):
    published = new_key()
    monkeypatch.setattr(
        keys, "PUBLISHED_KEY_DIGEST", hashlib.sha256(published.encode()).hexdigest()
    )
    set_environment_key(published)
    assert "published" in found()["integrations.E010"].msg


def test_a_development_key_is_a_deployment_error_even_under_debug(set_environment_key, settings):
    settings.DEBUG = True
    set_environment_key(generate_dev_key())
    assert "integrations.E013" in found(deploy=True)
    assert "integrations.E013" not in found()


def test_a_key_row_that_does_not_unwrap_is_an_error(set_environment_key, new_key):
    AppSettings.objects.create(cypher_key=new_key())
    assert "integrations.E011" not in found(databases=["default"])
    set_environment_key(new_key())
    message = found(databases=["default"])["integrations.E011"]
    assert message.level == checks.ERROR and "CYPHER_KEY" in message.msg
    assert "integrations.E011" not in found()


def test_a_bare_key_is_a_deployment_error(set_environment_key, new_key):
    set_environment_key("")
    AppSettings.objects.create(cypher_key=new_key())
    assert found(deploy=True)["integrations.E012"].level == checks.ERROR
    assert "integrations.E012" not in found()


def test_a_wrapped_key_is_no_deployment_error(new_key):
    AppSettings.objects.create(cypher_key=new_key())
    assert "integrations.E012" not in found(deploy=True)


def test_a_bare_key_of_the_host_is_a_deployment_error_beside_an_environment_key(settings, new_key):
    settings.INTEGRATIONS_APP_SETTINGS_MODEL = "host.HostSettings"
    row = HostSettings.objects.create(cypher_key=new_key())
    assert "integrations.E012" in found(deploy=True)
    row.cypher_key = Fernet(settings.CYPHER_KEY).encrypt(new_key().encode()).decode()
    row.save()
    assert "integrations.E012" not in found(deploy=True)


def test_the_checks_run_without_any_database(django_db_blocker):
    with django_db_blocker.block():
        assert "integrations.E011" not in found()
