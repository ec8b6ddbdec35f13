"""Initialising a control unit against the sandbox: once, whatever happens on the way."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from integrations.crypto.secret import Secret
from integrations.exceptions import (
    ConfigurationError,
    IntegrationError,
    OutcomeUnknown,
    TransportError,
)
from integrations.kra import device
from integrations.kra.config import branch_of, tax_config
from integrations.kra.device import forget_lost_devices, initialise_device
from integrations.models import AuditEntry, DeviceState, KRABranch, KRASettings, ProviderCall
from integrations.outbound import recorder
from integrations.providers.kra.client import EtimsRefused
from integrations.services import KRAService
from tests.hunt.plants import planted
from tests.hunt.spool import spool
from tests.kra.conftest import PIN, SERIAL, kra_values
from tests.sandbox.driver import SandboxDriver

WAYS = pytest.mark.parametrize("way", ["oscu_direct", "oscu_gateway", "vscu"])


def key_of(row: KRASettings) -> str:
    key = KRASettings.objects.get(pk=row.pk).communication_key.reveal()
    if key:
        spool.learn("communication key", key)
    return key


def asked(sandbox: SandboxDriver) -> int:
    return int(sandbox.kra_counters().get("init", 0))


def branch() -> KRABranch:
    return KRABranch.objects.get()


@WAYS
def test_the_key_comes_and_is_kept_encrypted(kra_hosts: SandboxDriver, way: str) -> None:
    kra_hosts.kra("approve", serial=SERIAL, software="vscu" if way == "vscu" else "oscu")
    row = KRASettings.objects.create(**kra_values(kra_hosts, way))
    user = get_user_model().objects.create(username="amina")
    ready = initialise_device(tax_config(), user)
    assert ready.device_state == DeviceState.READY
    unit = kra_hosts.kra_unit()
    row.refresh_from_db()
    assert row.control_unit_id == ready.control_unit_id == unit["control_unit_id"]
    assert row.mrc_no == ready.mrc_no != ""
    assert ready.taxpayer_name == "BIASHARA TRADERS LIMITED"
    assert ready.last_contact_at is not None
    assert key_of(row)
    assert sorted(row.secret_hosts) == row.outbound_hosts()
    entry = AuditEntry.objects.get(action="kra.device_initialised")
    assert entry.actor_name == "amina"
    assert "communication_key" in entry.fields
    assert asked(kra_hosts) == 1


def test_a_ready_device_is_not_asked_for_again(kra: KRASettings, kra_hosts: SandboxDriver) -> None:
    before = asked(kra_hosts)
    with pytest.raises(ConfigurationError) as refused:
        initialise_device(tax_config(), again=True)
    assert refused.value.code == "device_ready"
    assert asked(kra_hosts) == before


def test_the_row_says_that_kra_is_asked_before_it_is(
    kra_row: KRASettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    class Looking(device.EtimsClient):
        def initialise(self, **options: Any) -> Any:
            assert not connection.in_atomic_block
            seen.append(branch().device_state)
            return super().initialise(**options)

    monkeypatch.setattr(device, "EtimsClient", Looking)
    initialise_device(tax_config())
    key_of(kra_row)
    assert seen == [DeviceState.SENDING]


def test_inside_a_transaction_nothing_is_asked(
    kra_row: KRASettings, kra_hosts: SandboxDriver
) -> None:
    with transaction.atomic(), pytest.raises(IntegrationError) as refused:
        initialise_device(tax_config())
    assert refused.value.code == "open_transaction"
    assert asked(kra_hosts) == 0


def test_two_at_once_ask_once(kra_row: KRASettings, kra_hosts: SandboxDriver) -> None:
    kra_hosts.kra_fault("delay", seconds=0.3)
    tax_config()
    branch_of(tax_config())
    start, outcomes = threading.Barrier(2), []

    def act() -> None:
        start.wait()
        try:
            outcomes.append(initialise_device(tax_config()).device_state)
        except ConfigurationError as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=act) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    key_of(kra_row)
    assert DeviceState.READY in outcomes
    assert set(outcomes) <= {DeviceState.READY, "device_busy", "device_ready"}
    assert len(outcomes) == 2
    assert asked(kra_hosts) == 1


def test_a_serial_that_kra_has_not_approved(kra_hosts: SandboxDriver) -> None:
    KRASettings.objects.create(**kra_values(kra_hosts))
    with pytest.raises(EtimsRefused) as refused:
        initialise_device(tax_config())
    assert refused.value.code == "905"
    assert branch().device_state == DeviceState.REFUSED
    assert "approved" in branch().device_message
    with pytest.raises(ConfigurationError) as second:
        initialise_device(tax_config())
    assert second.value.code == "device_asked"
    assert asked(kra_hosts) == 1
    kra_hosts.kra("approve", serial=SERIAL)
    ready = initialise_device(tax_config(), again=True)
    key_of(KRASettings.objects.get())
    assert ready.device_state == DeviceState.READY


def test_a_device_initialised_elsewhere_wants_its_key_pasted(kra_hosts: SandboxDriver) -> None:
    made = kra_hosts.kra_device(serial=SERIAL, key=planted("communication key"))
    KRASettings.objects.create(**kra_values(kra_hosts))
    ok, told = KRAService().initialise_device()
    assert not ok
    assert told.code == "902"
    assert "paste the communication key" in told
    assert branch().device_state == DeviceState.REFUSED
    ok, status = KRAService().set_device(
        made["communication_key"], control_unit_id=made["control_unit_id"], mrc_no=made["mrc_no"]
    )
    assert ok, status
    assert status["state"] == "ready"
    assert status["is_ready"] is True
    assert branch().device_state == DeviceState.READY
    entries = AuditEntry.objects.filter(action="settings.changed")
    assert any("communication_key" in entry.fields for entry in entries)


@pytest.mark.parametrize("kind", ["lose_answer", "error_after", "html", "empty"])
def test_a_lost_answer_is_unknown_and_never_asked_for_again(
    kra_row: KRASettings, kra_hosts: SandboxDriver, kind: str
) -> None:
    kra_hosts.kra_fault(kind)
    with pytest.raises(OutcomeUnknown) as lost:
        initialise_device(tax_config())
    assert "Ask KRA's support" in lost.value.message
    assert branch().device_state == DeviceState.UNKNOWN
    assert asked(kra_hosts) == 1
    ok, told = KRAService().initialise_device()
    assert (ok, told.code) == (False, "device_asked")
    assert asked(kra_hosts) == 1
    assert key_of(kra_row) == ""


def test_where_nothing_left_it_may_be_pressed_again(
    kra_row: KRASettings, kra_hosts: SandboxDriver, settings: Any
) -> None:
    hosts = settings.OUTBOUND_ALLOWED_HOSTS
    settings.OUTBOUND_ALLOWED_HOSTS = []
    with pytest.raises((TransportError, IntegrationError)):
        initialise_device(tax_config())
    assert branch().device_state == DeviceState.NONE
    settings.OUTBOUND_ALLOWED_HOSTS = hosts
    assert initialise_device(tax_config()).device_state == DeviceState.READY
    key_of(kra_row)


@pytest.mark.parametrize(
    ("change", "code"),
    [({"device_serial": ""}, "no_device_serial"), ({"branch_code": ""}, "no_branch")],
)
def test_what_is_missing_is_told_before_anything_is_asked(
    kra_hosts: SandboxDriver, change: dict[str, str], code: str
) -> None:
    KRASettings.objects.create(**{**kra_values(kra_hosts), **change})
    with pytest.raises(ConfigurationError) as refused:
        initialise_device(tax_config())
    assert refused.value.code == code
    assert asked(kra_hosts) == 0


def test_only_the_owner_of_the_settings_initialises(
    kra_row: KRASettings, kra_hosts: SandboxDriver
) -> None:
    kra_row.shared = True
    kra_row.save()
    with pytest.raises(ConfigurationError) as refused:
        initialise_device(tax_config("shop"))
    assert refused.value.code == "not_the_owner"
    ok, told = KRAService("shop").set_device(planted("communication key"), control_unit_id="X")
    assert (ok, told.code) == (False, "not_the_owner")


def test_variables_have_no_place_for_the_key(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setenv("KRA_KRA_PIN", PIN)
    monkeypatch.setenv("KRA_BRANCH_CODE", "00")
    with pytest.raises(ConfigurationError) as refused:
        initialise_device(tax_config())
    assert refused.value.code == "no_settings_row"


def test_a_process_that_died_is_found(kra_row: KRASettings) -> None:
    made = branch_of(tax_config())
    KRABranch.objects.filter(pk=made.pk).update(
        device_state=DeviceState.SENDING, device_asked_at=timezone.now()
    )
    assert forget_lost_devices() == 0
    with pytest.raises(ConfigurationError) as busy:
        initialise_device(tax_config(), again=True)
    assert busy.value.code == "device_busy"
    KRABranch.objects.update(device_asked_at=timezone.now() - timedelta(minutes=11))
    with pytest.raises(ConfigurationError) as asked_before:
        initialise_device(tax_config())
    assert asked_before.value.code == "device_asked"
    assert branch().device_state == DeviceState.UNKNOWN


def test_a_database_that_stumbles_does_not_lose_the_key(
    kra_row: KRASettings, kra_hosts: SandboxDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, failures = device._store, [1, 1]

    def stumble(*arguments: Any) -> None:
        if failures:
            failures.pop()
            raise DatabaseError("locked")
        store(*arguments)

    monkeypatch.setattr(device, "_store", stumble)
    monkeypatch.setattr(device, "STORE_AGAIN", (0.0, 0.0, 0.0))
    assert initialise_device(tax_config()).device_state == DeviceState.READY
    assert key_of(kra_row)
    assert asked(kra_hosts) == 1


@pytest.mark.parametrize("fails", [DatabaseError("x"), ValueError("x"), KeyError("x")])
def test_whatever_stands_in_the_way_of_the_record_the_key_is_kept(
    kra_row: KRASettings,
    kra_hosts: SandboxDriver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fails: Exception,
) -> None:
    """Such as a listener, or the audit: the key alone is stored all the same, and that is told."""

    def refuse(*_arguments: Any, **_more: Any) -> None:
        raise fails

    from integrations.models import settings_model

    monkeypatch.setattr(settings_model, "tell_settings_change", refuse)
    ready = initialise_device(tax_config())
    assert ready.device_state == DeviceState.READY
    assert "could not be" in ready.device_message
    key = key_of(kra_row)
    assert key
    assert key not in caplog.text
    kra_row.refresh_from_db()
    assert sorted(kra_row.secret_hosts) == kra_row.outbound_hosts()
    assert tax_config().text("communication_key") == key
    assert asked(kra_hosts) == 1


def test_a_key_that_can_be_stored_nowhere_is_told(
    kra_row: KRASettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: Any) -> None:
        raise RuntimeError("no room")

    for name in ("_store", "_store_key"):
        monkeypatch.setattr(device, name, refuse)
    monkeypatch.setattr(device, "STORE_AGAIN", (0.0,))
    with pytest.raises(OutcomeUnknown, match="could not be stored"):
        initialise_device(tax_config())
    assert branch().device_state == DeviceState.UNKNOWN
    assert "ask KRA's support" in branch().device_message


def test_without_a_cipher_key_kra_is_not_asked(
    kra_row: KRASettings, kra_hosts: SandboxDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tax_config()
    monkeypatch.setattr(Secret, "seal", missing_key)
    with pytest.raises(ConfigurationError):
        initialise_device(config)
    assert asked(kra_hosts) == 0
    assert not KRABranch.objects.filter(device_state=DeviceState.SENDING).exists()


def missing_key(*_arguments: Any) -> None:
    raise ConfigurationError("There is no key.", code="no_key")


def test_the_key_is_in_no_record(kra_row: KRASettings, caplog: pytest.LogCaptureFixture) -> None:
    ok, told = KRAService().initialise_device()
    assert ok, told
    key = key_of(kra_row)
    recorder.flush()
    said = [caplog.text, str(told), str(list(AuditEntry.objects.values())), repr(branch().details)]
    said.append(str(list(ProviderCall.objects.values())))
    assert all(key not in text for text in said)
    assert ProviderCall.objects.filter(operation="init", outcome="ok").count() == 1
