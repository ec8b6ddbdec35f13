"""Where a setting is read: the project's settings, else the environment, else its default."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integrations.conf import HubSettings, declared, hub_settings
from integrations.exceptions import ConfigurationError
from tests.processes import ROOT

# What each setting means as text, other than its default.
TEXTS = {
    "INTEGRATIONS_APP_SETTINGS_MODEL": "core.AppSettings",
    "INTEGRATIONS_BUSINESS_RESOLVER": "erp.access.businesses_of",
    "INTEGRATIONS_STAMP_SECONDS": "2.5",
    "INTEGRATIONS_LEASE_SECONDS": "90",
    "INTEGRATIONS_DEADLINE_SECONDS": "30",
    "INTEGRATIONS_KRA_LEASE_SECONDS": "200",
    "INTEGRATIONS_KRA_DEADLINE_SECONDS": "150",
    "INTEGRATIONS_ENQUEUED_SECONDS": "600",
    "INTEGRATIONS_PAYOUT_WAIT_SECONDS": "7200",
    "INTEGRATIONS_NOT_FOUND_SECONDS": "120",
    "INTEGRATIONS_POLL_SECONDS": "0.5",
    "INTEGRATIONS_PULL_SECONDS": "300",
    "INTEGRATIONS_APPROVAL_HOURS": "24",
    "INTEGRATIONS_TOKENS_MAY_APPROVE": "yes",
    "INTEGRATIONS_CALLBACK_MAX_BYTES": "1024",
    "INTEGRATIONS_EVENT_MAX_BYTES": "1024",
    "INTEGRATIONS_WEBHOOK_HANDLES": "64",
    "INTEGRATIONS_WEBHOOK_LEASE_SECONDS": "90",
    "INTEGRATIONS_WEBHOOK_SCHEDULE": "1,2,4.5",
    "INTEGRATIONS_WEBHOOK_WARN_HOURS": "2.0",
    "INTEGRATIONS_WEBHOOK_DISABLE_HOURS": "48.0",
    "INTEGRATIONS_WEBHOOK_MIN_FAILURES": "10",
    "INTEGRATIONS_WEBHOOK_COOL_DOWN_HOURS": "12.0",
    "INTEGRATIONS_RETENTION_DAYS": "7",
    "INTEGRATIONS_WEBHOOK_BODY_DAYS": "3",
    "INTEGRATIONS_WEBHOOK_ATTEMPT_DAYS": "4",
    "INTEGRATIONS_WEBHOOK_DELIVERY_DAYS": "5",
    "INTEGRATIONS_WEBHOOK_REPLAYS_PER_HOUR": "6",
    "INTEGRATIONS_RATE_LIMITS": '{"mpesa": [5, 10]}',
    "INTEGRATIONS_MPESA_SHORTEN_DESCRIPTION": "yes",
    "INTEGRATIONS_PAYMENT_MATCHER": "erp.money.match",
    "INTEGRATIONS_C2B_VALIDATOR": "erp.money.may_pay",
    "INTEGRATIONS_C2B_VALIDATOR_SECONDS": "2.0",
    "REDIS_URL": "redis://127.0.0.1:1/1",
    "INTEGRATIONS_REDIS_PREFIX": "branch",
    "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
    "PUBLIC_BASE_URL": "https://erp.example.co.ke/",
    "OUTBOUND_ALLOWED_HOSTS": "127.0.0.1:8000,[::1]:8000",
    "OUTBOUND_PROXY": "http://proxy.example:3128",
    "INTEGRATIONS_WEBHOOK_CA_BUNDLE": "/etc/ssl/own.pem",
    "INTEGRATIONS_OUTBOUND_CORRELATION": "off",
    "METRICS_TOKEN": "a-token",
    "METRICS_ALLOWED_NETWORKS": "10.0.0.0/8,::1",
    "METRICS_PORT": "9101",
    "METRICS_ADDRESS": "0.0.0.0",
    "TRUSTED_PROXIES": "10.0.0.1,10.1.0.0/16",
    "CYPHER_KEY": "one,two",
    "INTEGRATIONS_DOCS_URL": "https://docs.example.ke/hub/",
}
COMPARE = """
import bengoerp.settings as product
from django.conf import settings
settings.configure()
from integrations.conf import declared
for item in declared():
    mine, products = item.read(), getattr(product, item.name)
    if item.name == "INTEGRATIONS_RATE_LIMITS":
        products = {slug: tuple(rate) for slug, rate in products.items()}
    assert (mine, type(mine)) == (products, type(products)), (item.name, mine, products)
    print(item.name, mine == item.default)
"""


@pytest.fixture
def undefined(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A project that defines none of the names, in an empty environment."""
    for item in declared():
        delattr(settings, item.name)
        monkeypatch.delenv(item.name, raising=False)
        monkeypatch.delenv(f"{item.name}_FILE", raising=False)
    return settings


def test_every_setting_has_its_example_here() -> None:
    assert sorted(TEXTS) == sorted(item.name for item in declared())


@pytest.mark.parametrize("is_set", [False, True], ids=["defaults", "variables"])
def test_the_product_and_a_host_understand_the_environment_alike(is_set: bool) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", COMPARE],
        env={**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        | {"DJANGO_SECRET_KEY": "x" * 50, **(TEXTS if is_set else {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = dict(line.split() for line in done.stdout.splitlines())
    assert sorted(told) == sorted(TEXTS)
    if is_set:
        assert set(told.values()) == {"False"}


def test_a_name_that_the_project_does_not_define_is_a_variable(
    undefined: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert hub_settings.retention_days == 90
    monkeypatch.setenv("INTEGRATIONS_RETENTION_DAYS", "7")
    assert hub_settings.retention_days == 7
    (tmp_path / "days").write_text("8\n")
    monkeypatch.setenv("INTEGRATIONS_RETENTION_DAYS_FILE", str(tmp_path / "days"))
    assert hub_settings.retention_days == 8
    undefined.INTEGRATIONS_RETENTION_DAYS = 9
    assert hub_settings.retention_days == 9


def test_an_empty_variable_is_as_good_as_none(
    undefined: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTEGRATIONS_LEASE_SECONDS", "")
    assert hub_settings.lease_seconds == 60.0


@pytest.mark.parametrize(
    ("name", "value", "attribute", "meant"),
    [
        ("INTEGRATIONS_LEASE_SECONDS", 90, "lease_seconds", 90.0),
        ("TRUSTED_PROXIES", ("10.0.0.1",), "trusted_proxies", ["10.0.0.1"]),
        ("TRUSTED_PROXIES", "10.0.0.1, 10.0.0.2", "trusted_proxies", ["10.0.0.1", "10.0.0.2"]),
        ("OUTBOUND_PROXY", None, "outbound_proxy", ""),
        ("INTEGRATIONS_RATE_LIMITS", None, "rate_limits", {}),
        ("INTEGRATIONS_RATE_LIMITS", {"mpesa": [1, 2]}, "rate_limits", {"mpesa": (1.0, 2.0)}),
        ("INTEGRATIONS_MPESA_SHORTEN_DESCRIPTION", "off", "mpesa_shorten_description", False),
    ],
)
def test_a_python_value_is_taken_in_its_usual_forms(
    settings: Any, name: str, value: object, attribute: str, meant: object
) -> None:
    setattr(settings, name, value)
    assert getattr(hub_settings, attribute) == meant


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("retention_days", "hush"),
        ("lease_seconds", None),
        ("rate_limits", "[hush]"),
        ("rate_limits", [1, 2]),
        ("rate_limits", {"mpesa": 5}),
        ("mpesa_shorten_description", "hush"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name_and_not_quoted(
    settings: Any, attribute: str, value: object
) -> None:
    name = getattr(HubSettings, attribute).name
    setattr(settings, name, value)
    with pytest.raises(ConfigurationError, match=name) as caught:
        getattr(hub_settings, attribute)
    assert "hush" not in str(caught.value)


def test_a_file_that_can_not_be_read_is_named_by_its_variable(
    undefined: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYPHER_KEY_FILE", "/nowhere/key")
    with pytest.raises(ConfigurationError, match="CYPHER_KEY_FILE"):
        _ = hub_settings.cypher_key


def test_the_development_key_lies_below_the_folder_of_the_project(
    settings: Any, tmp_path: Path
) -> None:
    del settings.CYPHER_DEV_KEY_FILE
    settings.BASE_DIR = str(tmp_path)
    assert hub_settings.cypher_dev_key_file == tmp_path / ".dev" / "cypher_key"
    del settings.BASE_DIR
    assert hub_settings.cypher_dev_key_file is None
    settings.CYPHER_DEV_KEY_FILE = str(tmp_path / "elsewhere")
    assert hub_settings.cypher_dev_key_file == tmp_path / "elsewhere"
