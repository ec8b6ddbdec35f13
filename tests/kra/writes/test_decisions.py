"""Purchases and imports: decided, reported, and open again where KRA refuses."""

from __future__ import annotations

import pytest

from integrations.kra.service import KRAService
from integrations.models import AuditEntry, KRABranch, KRAImport, KRAPurchase, KRAWrite
from tests.kra.writes.deeds import (
    SUGAR,
    refused,
    send_all,
    send_later,
    states,
    stock_of,
    told,
)
from tests.sandbox.driver import SandboxDriver

EVERY_WAY = pytest.mark.parametrize("kra", ["oscu_direct", "oscu_gateway", "vscu"], indirect=True)


@pytest.fixture
def purchase(service: KRAService, sandbox: SandboxDriver) -> int:
    sandbox.kra("purchase", lines=[{"qty": 3, "prc": 116}, {"qty": 1, "itemCd": SUGAR}])
    told(service.sync_tax_data(lists=["purchases"]))
    found: int = told(service.purchases())[0]["id"]
    return found


@pytest.fixture
def imported(service: KRAService, sandbox: SandboxDriver) -> int:
    sandbox.kra("import")
    told(service.sync_tax_data(lists=["imports"]))
    found: int = told(service.imports("new"))[0]["id"]
    return found


@EVERY_WAY
def test_an_accepted_purchase_is_reported_and_its_goods_come_in(
    service: KRAService, sandbox: SandboxDriver, purchase: int
) -> None:
    before = KRAPurchase.objects.get()
    assert before.state == "new"
    data = told(service.accept_purchase(purchase, items={1: SUGAR}, receive=True))
    assert (data["state"], data["report"]["state"]) == ("accepted", "queued")
    send_all()
    assert states() == [("purchase", "done", 1), ("stock_io", "done", 1),
                        ("stock_master", "done", None)]  # fmt: skip
    assert stock_of(sandbox, SUGAR) == "4"
    told_to_kra = sandbox.kra_unit()["purchases"][0]["body"]
    assert (told_to_kra["pchsSttsCd"], told_to_kra["rcptTyCd"]) == ("02", "P")
    assert told_to_kra["itemList"][0]["itemCd"] == SUGAR
    assert told_to_kra["itemList"][0]["spplrItemCd"] == "KE2CTNO0000009"
    assert AuditEntry.objects.filter(action="kra_purchase_accepted").exists()


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_rejected_purchase_is_reported_under_the_suppliers_codes(
    service: KRAService, sandbox: SandboxDriver, is_ours: bool
) -> None:
    """KRA wants items of the buyer's: it takes a code that is one, and refuses any other."""
    code = SUGAR if is_ours else "KE2CTNO0000009"
    sandbox.kra("purchase", lines=[{"qty": 1, "itemCd": code}])
    told(service.sync_tax_data(lists=["purchases"]))
    told(service.reject_purchase(told(service.purchases())[0]["id"], remark="Never delivered"))
    send_all()
    write = KRAWrite.objects.get()
    assert write.document["status"] == "04"
    told_to_kra = sandbox.kra_unit()["purchases"]
    if is_ours:
        assert (write.state, KRAPurchase.objects.get().state) == ("done", "rejected")
        assert [each["body"]["pchsSttsCd"] for each in told_to_kra] == ["04"]
    else:
        assert (write.state, write.result_code) == ("rejected", "910")
        assert write.message
        assert KRAPurchase.objects.get().state == "new"
        assert told_to_kra == []


def test_a_second_decision_is_refused(service: KRAService, purchase: int) -> None:
    told(service.accept_purchase(purchase, items={"1": SUGAR}))
    assert refused(service.accept_purchase(purchase, items={"1": SUGAR}))[1] == "already_decided"
    assert refused(service.reject_purchase(purchase))[1] == "already_decided"
    assert KRAWrite.objects.count() == 1


def test_a_line_without_an_item_of_ours_is_named(service: KRAService, purchase: int) -> None:
    assert refused(service.accept_purchase(purchase)) == ("items.1", "unknown_item")
    assert refused(service.accept_purchase(purchase, items={"3": SUGAR}))[0] == "items.3"
    assert KRAPurchase.objects.get().state == "new"
    assert not KRAWrite.objects.exists()


def test_what_is_not_there_is_not_found(service: KRAService) -> None:
    for key in (99, "99", "x", None, True):
        assert refused(service.accept_purchase(key)) == ("purchase", "not_found")  # type: ignore[arg-type]


def test_what_kra_refuses_is_open_again(
    service: KRAService, sandbox: SandboxDriver, purchase: int
) -> None:
    sandbox.kra_fault("result_code", operation="save_purchase", code="910", message="cfmDt")
    told(service.accept_purchase(purchase, items={"1": SUGAR}, receive=True))
    send_all()
    row = told(service.purchases())[0]
    assert (row["state"], row["report"]["state"], row["decided_by"]) == ("new", "rejected", "")
    assert "cfmDt" in row["report"]["message"]
    assert {state for _, state, _ in states()} == {"rejected"}
    told(service.accept_purchase(purchase, items={"1": SUGAR}, receive=True))
    send_all()
    # Sent again in its place, or as a new report where its moment is another by now.
    assert [state for _, state, _ in states()][-3:] == ["done"] * 3
    assert KRABranch.objects.get().last_purchase_number == 1


def test_a_lost_answer_about_a_purchase(
    service: KRAService, sandbox: SandboxDriver, purchase: int
) -> None:
    sandbox.kra_fault("lose_answer", operation="save_purchase")
    told(service.accept_purchase(purchase, items={"1": SUGAR}))
    send_all()
    assert states() == [("purchase", "in_doubt", 1)]
    send_later()
    assert states() == [("purchase", "done", 1)]
    assert len(sandbox.kra_unit()["purchases"]) == 1


@EVERY_WAY
def test_an_accepted_import_is_matched_and_comes_in(
    service: KRAService, sandbox: SandboxDriver, imported: int
) -> None:
    data = told(service.accept_import(imported, SUGAR, price="50", receive=True))
    assert (data["state"], data["item_code"]) == ("accepted", SUGAR)
    send_all()
    assert [state for _, state, _ in states()] == ["done"] * 3
    assert stock_of(sandbox, SUGAR) == "19"
    assert KRAImport.objects.get().status == "3"


def test_a_rejected_import(service: KRAService, imported: int) -> None:
    told(service.reject_import(imported, remark="Not ours"))
    send_all()
    assert states() == [("import", "done", None)]
    assert KRAImport.objects.get().status == "4"
    assert refused(service.reject_import(imported))[1] == "already_decided"


def test_purchases_are_narrowed(service: KRAService, purchase: int) -> None:
    assert len(told(service.purchases("new"))) == 1
    assert told(service.purchases("accepted")) == []
    assert refused(service.purchases("maybe"))[0] == "state"
