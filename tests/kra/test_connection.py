"""The connection test, tokens, health and the check of a configuration, against the sandbox."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from integrations.config.rows import describe_row, row_snapshot
from integrations.health import preflight
from integrations.health.preflight import Level
from integrations.health.warnings import warnings_for
from integrations.kra.config import branch_of, tax_config
from integrations.models import DeviceState, KRABranch, KRASettings
from integrations.services import IntegrationConfigService, KRAService
from tests.api.conftest import logged_in, user_with
from tests.hunt.plants import planted
from tests.kra.conftest import PIN, make_kra
from tests.sandbox.driver import SandboxDriver

BY_WAY = pytest.mark.parametrize("kra", ["oscu_direct", "oscu_gateway", "vscu"], indirect=True)


def connect(**named: str) -> tuple[bool, str]:
    return IntegrationConfigService.test_kra_connection(**named)


def inits(sandbox: SandboxDriver) -> int:
    return int(sandbox.kra_counters().get("init", 0))


@BY_WAY
def test_a_connection_that_works_is_told_so(kra: KRASettings, kra_hosts: SandboxDriver) -> None:
    ok, told = connect()
    assert ok, told
    assert f"KRA knows {PIN} branch 00" in told
    assert "GavaConnect at" in told
    kra.refresh_from_db()
    assert kra.last_test_ok is True
    assert inits(kra_hosts) == 0


def test_a_row_for_gavaconnect_alone_is_connected(kra_hosts: SandboxDriver) -> None:
    row = make_kra(kra_hosts)
    row.device_serial = row.control_unit_id = row.communication_key = ""
    row.save()
    ok, told = connect()
    assert ok, told
    assert told.startswith("GavaConnect at")


def test_a_row_with_nothing_to_test_says_what_to_enter(db: None) -> None:
    KRASettings.objects.create(kra_pin=PIN)
    ok, told = connect()
    assert not ok
    assert "enter the device serial" in told


def test_a_device_that_is_not_initialised_is_not_initialised_by_a_test(
    kra_row: KRASettings, kra_hosts: SandboxDriver
) -> None:
    ok, told = connect()
    assert not ok
    assert "no communication key yet" in told
    assert "GavaConnect at" in told
    assert inits(kra_hosts) == 0
    assert not KRABranch.objects.exclude(device_state=DeviceState.NONE).exists()


@BY_WAY
def test_a_wrong_key_of_the_device_is_named(kra: KRASettings, kra_hosts: SandboxDriver) -> None:
    if kra.transport == "vscu":
        kra_hosts.kra("approve", serial="ANOTHER", software="vscu")
    kra.communication_key = planted("posted secret")
    kra.save()
    ok, told = connect()
    assert not ok
    assert planted("posted secret") not in told


def test_wrong_keys_of_gavaconnect_are_named_with_their_product(
    kra: KRASettings, kra_hosts: SandboxDriver
) -> None:
    kra.tcc_check_client_id = planted("client id") + "x"
    kra.tcc_check_client_secret = planted("client secret")
    kra.save()
    ok, told = connect()
    assert not ok
    assert "TCC check: KRA refused the client id and secret" in told
    assert f"KRA knows {PIN}" in told


def test_a_host_that_is_away(kra: KRASettings, kra_hosts: SandboxDriver) -> None:
    kra_hosts.kra_fault("drop", times=None)
    ok, told = connect()
    assert not ok
    assert told


def test_each_branch_is_tested_by_its_code(kra: KRASettings, kra_hosts: SandboxDriver) -> None:
    make_kra(kra_hosts, branch_code="01", is_main=False, device_serial="KRASERIAL0002")
    ok, told = connect(branch_code="01")
    assert ok, told
    assert "branch 01" in told
    assert connect(branch_code="09")[0] is False


def test_tokens_are_had_where_calls_carry_one(kra: KRASettings, kra_hosts: SandboxDriver) -> None:
    assert KRAService().get_access_token() == (True, "not needed")
    ok, token = KRAService().get_access_token("pin_by_pin")
    assert ok
    assert len(token) >= 20
    assert KRAService().get_access_token("pin_by_pin") == (True, token)


@pytest.mark.parametrize("kra", ["oscu_gateway"], indirect=True)
def test_the_gateway_has_a_token_or_says_why_not(
    kra: KRASettings, kra_hosts: SandboxDriver
) -> None:
    ok, token = KRAService().get_access_token()
    assert ok
    assert token != "not needed"
    kra.client_secret = planted("posted secret")
    kra.save()
    ok, told = KRAService().get_access_token()
    assert (ok, told.code) == (False, "bad_credentials")


def test_without_settings_every_answer_is_a_sentence(db: None) -> None:
    ok, told = KRAService().get_access_token()
    assert (ok, told.code) == (False, "not_configured")
    assert told.help.endswith("#not_configured")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" p051234567x", (True, {"valid": True, "pin": "P051234567X"})),
        ("A000000000D", (True, {"valid": True, "pin": "A000000000D"})),
        ("P05123456X", (False, "Invalid PIN format")),
        ("", (False, "Invalid PIN format")),
        (None, (False, "Invalid PIN format")),
        (123456789, (False, "Invalid PIN format")),
    ],
)
def test_the_documented_answers_about_a_pin(text: Any, answer: Any) -> None:
    assert KRAService().validate_pin(text) == answer


def test_a_pin_with_another_first_letter_is_told_of() -> None:
    ok, told = KRAService().validate_pin("Z000000000D")
    assert ok
    assert "A and those of organisations with P" in told["warning"]


def test_health_of_kra(kra: KRASettings, kra_hosts: SandboxDriver) -> None:
    client = logged_in(user_with("view_krasettings", is_staff=True))
    answer = client.get("/api/v1/integrations/health/kra/")
    body = answer.json()
    assert answer.status_code == 200, body
    assert (body["success"], body["status"], body["connected"]) == (True, "healthy", True)
    KRABranch.objects.update_or_create(
        key=f"sandbox:{PIN}:00",
        defaults={
            "environment": "sandbox", "tin": PIN, "bhf_id": "00", "held_reason": "A gap of KRA.",
        },
    )  # fmt: skip
    assert warnings_for("kra", "") == ["Branch 00: It is held: A gap of KRA."]


def test_warnings_of_a_device(kra_row: KRASettings) -> None:
    assert warnings_for("kra", "") == ["Branch 00: The control unit is not initialised yet."]
    branch_of(tax_config())
    KRABranch.objects.update(device_state="unknown", device_message="Lost.")
    (told,) = warnings_for("kra", "")
    assert "not known whether the control unit is initialised: Lost." in told


@pytest.mark.parametrize(
    ("hours", "told"), [(1, ""), (21, "signs until"), (25, "signs nothing any more")]
)
def test_a_vscu_that_does_not_reach_kra(db: None, hours: int, told: str) -> None:
    KRASettings.objects.create(
        kra_pin=PIN, branch_code="00", transport="vscu", control_unit_id="KRACU0100000001"
    )
    branch_of(tax_config())
    KRABranch.objects.update(last_contact_at=timezone.now() - timedelta(hours=hours))
    assert told in " ".join(warnings_for("kra", ""))
    assert bool(warnings_for("kra", "")) == bool(told)


def findings(row: KRASettings, *, online: bool = False) -> dict[tuple[str, Level], str]:
    config = row_snapshot("kra", row.business, describe_row(row), source="row")
    found = preflight.examine(config, row, is_online=online)
    told: dict[tuple[str, Level], str] = {}
    for each in found:
        told[each.field, each.level] = f"{told.get((each.field, each.level), '')} {each.reason}"
    return told


@BY_WAY
def test_a_configuration_that_is_right(kra: KRASettings) -> None:
    found = findings(kra, online=True)
    errors = {field for field, level in found if level is Level.ERROR}
    assert errors <= {"worker"}
    assert "KRA knows" in found["communication_key", Level.OK]


@pytest.mark.parametrize(
    ("change", "field", "told"),
    [
        ({"kra_pin": ""}, "kra_pin", "is empty"),
        ({"branch_code": ""}, "branch_code", "is empty"),
        ({"branch_code": "x"}, "branch_code", "two digits"),
        ({"communication_key": ""}, "communication_key", "not initialised yet"),
        ({"communication_key": "a b"}, "communication_key", "a space or a quote"),
        ({"client_secret": ""}, "client_secret", "belong together"),
        (
            {"environment": "production", "base_url": "https://etims-api-sbx.kra.go.ke/x"},
            "base_url",
            "KRA's sandbox host",
        ),
        (
            {"sandbox_url": "https://etims-api.kra.go.ke/etims-api"},
            "sandbox_url",
            "KRA's production host",
        ),
    ],
)
def test_each_mistake_is_named_by_its_field(
    kra_hosts: SandboxDriver, change: dict[str, str], field: str, told: str
) -> None:
    row = make_kra(kra_hosts)
    KRASettings.objects.filter(pk=row.pk).delete()
    values = {name: getattr(row, name) for name in KRASettings.config_fields()}
    for name in KRASettings.secret_fields():
        values[name] = values[name].reveal()
    made = KRASettings.objects.create(**{**values, **change})
    assert told in findings(made)[field, Level.ERROR]


def test_the_command_prints_what_is_found(kra: KRASettings) -> None:
    out = StringIO()
    with pytest.raises(SystemExit):  # no worker runs
        call_command("check_integrations", "kra", "--branch", "00", stdout=out)
    assert "KRA 00 (installation, sandbox)" in out.getvalue()
    assert "OK       communication_key: Connected to" in out.getvalue()
    with pytest.raises(CommandError, match="'07'"):
        call_command("check_integrations", "kra", "--branch", "07")


def test_the_command_initialises_a_device(kra_row: KRASettings, kra_hosts: SandboxDriver) -> None:
    out = StringIO()
    call_command("kra", "initialise", "--yes", stdout=out)
    assert "control unit KRACU" in out.getvalue()
    with pytest.raises(CommandError, match="already"):
        call_command("kra", "initialise", "--yes")
    assert inits(kra_hosts) == 1


def test_the_health_endpoint_needs_no_more_than_a_login(client: Client, db: None) -> None:
    assert client.get("/api/v1/integrations/health/kra/").status_code in (401, 403)
