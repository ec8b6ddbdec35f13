"""Customers, insurances and users of a branch."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from integrations.kra.service import KRAService
from integrations.models import KRARecord, KRAWrite
from tests.hunt.plants import planted
from tests.kra.writes.deeds import refused, send_all, states, told
from tests.sandbox.driver import SandboxDriver

CUSTOMER = {"number": "C0001", "pin": "A123456789B", "name": "Jane Wanjiru"}
INSURANCE = {"code": "NHIF", "name": "Health fund", "rate": 80}
USER = {"user_id": "cashier1", "name": "Cashier one"}
EVERY_WAY = pytest.mark.parametrize("kra", ["oscu_direct", "oscu_gateway", "vscu"], indirect=True)


@EVERY_WAY
def test_customers_and_insurances_reach_kra(service: KRAService, sandbox: SandboxDriver) -> None:
    told(service.save_branch_customer(CUSTOMER))
    told(service.save_branch_customer(CUSTOMER))
    told(service.save_insurance(INSURANCE))
    send_all()
    assert states() == [("customer", "done", None), ("insurance", "done", None)]
    people = sandbox.kra_unit()["people"]
    assert (people["customer"], people["insurance"]) == (["C0001"], ["NHIF"])
    kept = set(KRARecord.objects.values_list("kind", "key"))
    assert kept == {("customer", "C0001"), ("insurance", "NHIF")}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"number": ""}, "number"),
        ({"number": "1234567890"}, "number"),
        ({"pin": "12"}, "pin"),
        ({"name": "x" * 61}, "name"),
        ({"fon": "1"}, "fon"),
    ],
)
def test_bad_customers(service: KRAService, changes: Any, field: str) -> None:
    assert refused(service.save_branch_customer({**CUSTOMER, **changes}))[0] == field


@pytest.mark.parametrize("rate", [101, -1, "12.5", None])
def test_bad_rates(service: KRAService, rate: Any) -> None:
    assert refused(service.save_insurance({**INSURANCE, "rate": rate}))[0] == "rate"


@EVERY_WAY
def test_a_user_is_saved_at_once_and_the_password_nowhere(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    data = told(service.save_branch_user(USER, planted("posted secret")))
    assert data["state"] == "saved"
    assert sandbox.kra_unit()["people"]["user"] == ["cashier1"]
    record = KRARecord.objects.get(kind="user")
    assert record.data["state"] == "saved"
    assert "pwd" not in record.data
    assert not KRAWrite.objects.exists()


def test_a_user_is_refused_inside_a_transaction(service: KRAService) -> None:
    with transaction.atomic():
        answer = service.save_branch_user(USER, planted("posted secret"))
    assert refused(answer)[1] == "open_transaction"
    assert not KRARecord.objects.filter(kind="user").exists()


@pytest.mark.parametrize("kind", ["lose_answer", "html"])
def test_a_user_whose_answer_was_lost(
    service: KRAService, sandbox: SandboxDriver, kind: str
) -> None:
    sandbox.kra_fault(kind, operation="save_user")
    answer = service.save_branch_user(USER, planted("posted secret"))
    assert refused(answer)[1] == "outcome_unknown"
    assert KRARecord.objects.get(kind="user").data["state"] == "unknown"
    told(service.save_branch_user(USER, planted("posted secret")))
    assert KRARecord.objects.get(kind="user").data["state"] == "saved"


def test_a_refused_user(service: KRAService, sandbox: SandboxDriver) -> None:
    sandbox.kra_fault("result_code", operation="save_user", code="910")
    assert not service.save_branch_user(USER, planted("posted secret"))[0]
    assert KRARecord.objects.get(kind="user").data["state"] == "refused"


@pytest.mark.parametrize("password", ["", None, "x" * 256, 5])
def test_bad_passwords(service: KRAService, password: Any) -> None:
    assert refused(service.save_branch_user(USER, password))[0] == "password"
