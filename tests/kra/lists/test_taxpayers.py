"""The look-up of a PIN by eTIMS, remembered for a day."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from integrations.kra.service import KRAService
from integrations.models import KRARecord, KRASettings
from tests.sandbox.driver import SandboxDriver

PIN = "P051234567X"


def asked(sandbox: SandboxDriver) -> int:
    return int(sandbox.kra_counters().get("find_customer", 0))


def test_a_taxpayer_is_asked_for_once(kra: KRASettings, sandbox: SandboxDriver) -> None:
    done, data = KRAService().find_taxpayer(f" {PIN.lower()} ")
    assert done, data
    assert (data["found"], data["name"]) == (True, "BIASHARA TRADERS LIMITED")
    assert not data["from_cache"]
    done, data = KRAService().find_taxpayer(PIN)
    assert data["from_cache"]
    assert asked(sandbox) == 1
    KRAService().find_taxpayer(PIN, refresh=True)
    assert asked(sandbox) == 2


def test_an_unknown_pin_is_an_answer(kra: KRASettings) -> None:
    done, data = KRAService().find_taxpayer("A000000000Z")
    assert done
    assert (data["found"], data["name"]) == (False, "")
    assert not KRARecord.objects.exists()


def test_what_is_no_pin_is_not_asked_for(kra: KRASettings, sandbox: SandboxDriver) -> None:
    done, message = KRAService().find_taxpayer("12345")
    assert not done
    assert (message.field, message.code) == ("pin", "invalid_pin")
    assert asked(sandbox) == 0


def test_an_older_answer_serves_while_kra_is_away(kra: KRASettings, sandbox: SandboxDriver) -> None:
    KRAService().find_taxpayer(PIN)
    KRARecord.objects.update(updated_at=timezone.now() - timedelta(days=3))
    sandbox.kra_fault("drop", operation="find_customer", times=None)
    done, data = KRAService().find_taxpayer(PIN)
    assert done, data
    assert data["from_cache"]
