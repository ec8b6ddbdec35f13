"""The documented surface of KRA (compatibility, 1.1, 2.3 and 2.4)."""

from __future__ import annotations

import importlib
import inspect

import pytest
from django.db import models

from integrations.crypto.fields import EncryptedTextField
from integrations.models import KRACertificateRequest, KRAComplianceCheck, KRASettings
from integrations.services import IntegrationConfigService as Service
from integrations.services import KRAService

pytestmark = pytest.mark.django_db
DICT_KEYS = {
    "mode", "base_url", "kra_pin", "branch_code", "client_id", "client_secret", "username",
    "password", "token_path", "invoice_path", "invoice_status_path", "certificate_path",
    "compliance_path", "sync_path",
}  # fmt: skip
SETTINGS = {
    "integration": models.ForeignKey, "base_url": models.URLField, "kra_pin": models.CharField,
    "branch_code": models.CharField, "client_id": EncryptedTextField,
    "client_secret": EncryptedTextField, "username": models.CharField,
    "password": EncryptedTextField, "device_serial": models.CharField,
    "pos_serial": models.CharField, "token_path": models.CharField,
    "invoice_path": models.CharField, "invoice_status_path": models.CharField,
    "certificate_path": models.CharField, "compliance_path": models.CharField,
    "sync_path": models.CharField, "created_at": models.DateTimeField,
    "updated_at": models.DateTimeField,
}  # fmt: skip


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("integrations.services", "KRAService"),
        ("integrations.kra.service", "KRAService"),
        ("integrations.models", "KRASettings"),
        ("integrations.models", "KRACertificateRequest"),
        ("integrations.models", "KRAComplianceCheck"),
    ],
)
def test_documented_import_paths_work(module: str, name: str) -> None:
    assert inspect.isclass(getattr(importlib.import_module(module), name))


def test_the_settings_have_the_documented_fields() -> None:
    for name, kind in SETTINGS.items():
        assert isinstance(KRASettings._meta.get_field(name), kind), name
    assert KRASettings._meta.verbose_name == "KRA Settings"
    assert KRASettings(mode="production").environment == "production"
    assert KRASettings().mode == "sandbox"
    related = KRASettings._meta.get_field("integration").remote_field
    assert related.related_name == "kra_settings"


def test_a_row_is_made_with_the_documented_names() -> None:
    row = KRASettings.objects.create(
        mode="production", kra_pin="P051234567X", branch_code=None, username=None, pos_serial=None
    )
    row.refresh_from_db()
    assert (row.mode, row.branch_code, row.username) == ("production", "", "")


@pytest.mark.parametrize(
    ("model", "names", "title"),
    [
        (
            KRACertificateRequest,
            "requested_by cert_type period status response_payload created_at updated_at",
            "KRA Certificate Requests",
        ),
        (
            KRAComplianceCheck,
            "kra_pin is_compliant response_payload checked_by created_at updated_at",
            "KRA Compliance Checks",
        ),
    ],
)
def test_the_other_models_have_the_documented_fields(
    model: type[models.Model], names: str, title: str
) -> None:
    held = {field.name for field in model._meta.get_fields()}
    assert set(names.split()) <= held
    assert model._meta.verbose_name_plural == title


def test_the_config_has_the_documented_keys() -> None:
    for found in (Service.DEFAULT_KRA_CONFIG, Service.get_kra_config()):
        assert found.keys() >= DICT_KEYS
        assert found["mode"] == "sandbox"
        assert all(type(found[name]) is str for name in DICT_KEYS)
    assert Service.is_kra_configured() is False
    KRASettings.objects.create(kra_pin="P051234567X", client_id="key", client_secret="s")
    assert Service.is_kra_configured() is True
    assert Service.is_integration_active("KRA") is True
    assert Service.get_kra_config()["client_id"] == "key"
    assert Service.get_kra_config(False)["client_id"] != "key"


def test_the_config_getter_has_the_documented_signature() -> None:
    parameters = inspect.signature(Service.get_kra_config).parameters
    assert next(iter(parameters)) == "decrypt_secrets"
    assert parameters["decrypt_secrets"].default is True


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("get_access_token", []),
        ("submit_invoice", ["invoice_payload"]),
        ("get_invoice_status", ["reference"]),
        ("validate_pin", ["kra_pin"]),
        ("get_tax_certificate", ["tax_type", "period"]),
        ("check_compliance", ["kra_pin"]),
        ("sync_tax_data", ["start_date", "end_date"]),
    ],
)
def test_the_service_has_the_documented_methods(method: str, arguments: list[str]) -> None:
    taken = list(inspect.signature(getattr(KRAService(), method)).parameters)
    assert taken[: len(arguments)] == arguments
    answer = getattr(KRAService(), method)(*["2026-01-01" for _ in arguments])
    assert type(answer) is tuple
    ok, told = answer
    assert ok is False
    assert isinstance(told, str)
    assert told
