"""The documented surface of configuration and secrets (compatibility, 0, 1.1, 2.1, 2.2)."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from enum import Enum

import pytest
from django.db import models
from django.test import override_settings
from django.urls import include, path, reverse

import integrations.services
import integrations.services.config_service
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.models import Environment, MpesaSettings
from integrations.services import IntegrationConfigService as Service

pytestmark = pytest.mark.django_db
MPESA_KEYS = {
    "consumer_key": "",
    "consumer_secret": "",
    "passkey": "",
    "security_credential": "",
    "short_code": "174379",
    "base_url": "https://sandbox.safaricom.co.ke",
    "callback_base_url": "",
    "initiator_name": "",
    "initiator_password": "",
}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("integrations.services", "IntegrationConfigService"),
        ("integrations.services.config_service", "IntegrationConfigService"),
        ("integrations.utils", "Crypto"),
        ("integrations.models", "MpesaSettings"),
        ("integrations.models", "Integrations"),
        ("integrations.models", "AppSettings"),
        ("integrations.payments.mpesa_payment", "MpesaPaymentService"),
    ],
)
def test_documented_import_paths_work(module, name):
    assert inspect.isclass(getattr(importlib.import_module(module), name))


def test_both_paths_of_the_service_are_one_class():
    assert integrations.services.config_service.IntegrationConfigService is Service


def test_services_is_a_package_that_no_module_hides():
    assert integrations.services.__file__.endswith("services/__init__.py")
    with pytest.raises(AttributeError):
        integrations.services.NothingOfTheKind  # noqa: B018
    with pytest.raises(ImportError):
        from integrations.services import NothingOfTheKind  # type: ignore[attr-defined]  # noqa: F401


def test_another_app_can_provide_a_documented_name(monkeypatch):
    monkeypatch.setattr(integrations.services, "_offers", {})
    integrations.services.offer("get_sms_service", lambda: "the service")
    from integrations.services import get_sms_service  # type: ignore[attr-defined]

    assert get_sms_service == "the service"


# --- IntegrationConfigService ---------------------------------------------------------------


def test_the_getter_has_the_documented_signature():
    parameters = inspect.signature(Service.get_mpesa_config).parameters
    assert next(iter(parameters)) == "decrypt_secrets"
    assert parameters["decrypt_secrets"].default is True
    assert parameters["business"].default == ""
    assert Service.get_mpesa_config(False) == Service.get_mpesa_config(decrypt_secrets=False)


@pytest.mark.parametrize("decrypt", [True, False])
def test_the_default_dict_has_the_documented_keys_and_values(decrypt):
    config = Service.get_mpesa_config(decrypt_secrets=decrypt)
    assert type(config) is dict
    assert {name: config[name] for name in MPESA_KEYS} == MPESA_KEYS
    assert {"source", "configured", "environment", "business"} <= set(config)
    for name, value in config.items():
        assert not isinstance(value, models.Model), name


def test_the_default_constant_has_the_documented_keys_and_values():
    defaults = Service.DEFAULT_MPESA_CONFIG
    assert type(defaults) is dict
    assert {name: defaults[name] for name in MPESA_KEYS} == MPESA_KEYS


def test_the_other_methods_have_the_documented_shapes():
    answer = Service.test_mpesa_connection()
    assert type(answer) is tuple and [type(part) for part in answer] == [bool, str]
    assert type(Service.get_all_integration_status()) is dict
    assert Service.clear_config_cache() is True
    for asked in (
        Service.is_mpesa_configured(),
        Service.is_mpesa_active(),
        Service.is_integration_configured("MPESA"),
        Service.is_integration_active("MPESA"),
    ):
        assert asked is False


def test_the_methods_are_found_on_the_class_on_an_instance_and_by_dir():
    for name in (
        "get_mpesa_config",
        "test_mpesa_connection",
        "get_all_integration_status",
        "is_integration_configured",
        "is_integration_active",
        "is_mpesa_configured",
        "clear_config_cache",
        "DEFAULT_MPESA_CONFIG",
    ):
        assert name in dir(Service)
        assert getattr(Service(), name) is not None
    assert Service().get_mpesa_config()["short_code"] == "174379"


def test_names_that_are_not_declared_are_missing_and_not_empty():
    for name in ("get_config", "get__config", "DEFAULT_NOTHING_CONFIG", "is_x_configured"):
        assert not hasattr(Service, name)


# --- models ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("consumer_key", ""),
        ("consumer_secret", ""),
        ("passkey", ""),
        ("security_credential", ""),
        ("short_code", ""),
        ("base_url", "https://api.safaricom.co.ke"),
        ("initiator_name", ""),
        ("initiator_password", ""),
        ("callback_base_url", ""),
    ],
)
def test_mpesa_settings_keep_the_documented_fields(name, default):
    from integrations.models import MpesaSettings

    assert MpesaSettings._meta.db_table == "integrations_mpesasettings"
    assert MpesaSettings._meta.get_field(name).get_default() == default


def test_the_link_to_integrations_keeps_its_names():
    from integrations.models import Integrations, MpesaSettings

    row = Integrations.objects.create()
    assert (row.name, row.integration_type) == ("MPESA", "PAYMENT")
    assert (row.is_active, row.is_default) == (True, False)
    settings_row = MpesaSettings.objects.create(integration=row)
    assert list(row.mpesa_settings.all()) == [settings_row]
    row.delete()
    assert not MpesaSettings.objects.exists()


def test_app_settings_keep_their_names_and_publish_no_key():
    from integrations.models import AppSettings

    row = AppSettings.objects.create()
    assert (row.name, bool(row.app_key), bool(row.cypher_key)) == ("Default", False, False)


def test_a_new_default_takes_the_place_of_the_old_one():
    from integrations.models import Integrations

    first = Integrations.objects.create(is_default=True)
    second = Integrations.objects.create(name="CARD", is_default=True)
    other = Integrations.objects.create(name="X", integration_type="TAX", is_default=True)
    first.refresh_from_db()
    assert (first.is_default, second.is_default, other.is_default) == (False, True, True)


# --- errors and URLs ------------------------------------------------------------------------


def test_every_error_has_a_stable_code_and_a_text():
    from integrations import exceptions

    for name, kind in inspect.getmembers(exceptions, inspect.isclass):
        if issubclass(kind, IntegrationError):
            assert kind.default_code.replace("_", "").isalpha(), name


urlpatterns = [path("erp/hub/", include("integrations.urls"))]


@override_settings(ROOT_URLCONF=__name__)
def test_a_host_project_includes_the_urls_wherever_it_likes(client):
    address = reverse("integrations:callback", args=["nothing", "x" * 32])
    assert address.startswith("/erp/hub/")
    assert client.get(address).status_code == 404


def test_importing_the_models_reads_no_row_and_opens_no_file():
    script = (
        "import django; django.setup();"
        "from django.db import connections;"
        "import integrations.services, integrations.models, integrations.urls;"
        "assert not connections.all(initialized_only=True) or "
        "all(c.connection is None for c in connections.all(initialized_only=True));"
        "print('quiet')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "quiet", done.stderr[-2000:]


@pytest.mark.parametrize("source", ["default", "environment", "row"])
def test_config_dicts_hold_plain_text(monkeypatch, source):
    if source == "environment":
        for name in ("CONSUMER_KEY", "CONSUMER_SECRET", "PASSKEY"):
            monkeypatch.setenv(f"MPESA_{name}", "x")
    if source == "row":
        MpesaSettings.objects.create(consumer_key="k", environment=Environment.SANDBOX)
    config = Service.get_mpesa_config()
    assert config["source"] == source
    for values in (config, Service.get_mpesa_config(False), Service.DEFAULT_MPESA_CONFIG):
        assert [name for name, value in values.items() if isinstance(value, Enum)] == []
    assert type(config["environment"]) is type(config["transaction_type"]) is str


@pytest.mark.parametrize("slug", ["sms", "email", "card_payment"])
def test_documented_integrations_that_are_not_built_are_never_configured(slug):
    assert getattr(Service, f"is_{slug}_configured")() is False
    assert getattr(Service, f"is_{slug}_active")() is False


@pytest.mark.parametrize("business", [None, 0, 7, False, b"x", "x" * 65, "a\x00"])
def test_a_business_that_is_no_key_is_refused_and_never_gets_defaults(business):
    with pytest.raises(InvalidInput) as caught:
        Service.get_mpesa_config(business=business)
    assert caught.value.field == "business"


def test_none_for_a_text_field_is_stored_as_empty():
    row = MpesaSettings.objects.create(short_code=None, initiator_name=None)
    row.refresh_from_db()
    assert (row.short_code, row.initiator_name) == ("", "")
