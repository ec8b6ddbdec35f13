"""KRA's lists are read from where the last page ended, and kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.config import get_snapshot
from integrations.kra.lists import FEEDS, read_feed, refresh_lists
from integrations.kra.service import KRAService
from integrations.models import (
    KRABranch,
    KRACode,
    KRACursor,
    KRAImport,
    KRAItem,
    KRAItemClass,
    KRAPurchase,
    KRARecord,
    KRASettings,
    PurchaseState,
)
from tests.hunt.plants import planted
from tests.kra.fixtures import make_kra
from tests.sandbox.driver import SandboxDriver

EVERYTHING = set(FEEDS)


def fill(sandbox: SandboxDriver) -> None:
    sandbox.kra("purchase", lines=[{"qty": 3, "itemCd": "KE2NTNO0000001"}])
    sandbox.kra("import")
    sandbox.kra("move")
    sandbox.kra("notice", title="System maintenance", text="On Sunday.")


@pytest.mark.parametrize("kra", ["oscu_direct", "oscu_gateway", "vscu"], indirect=True)
def test_every_list_is_read_and_kept(kra: KRASettings, sandbox: SandboxDriver) -> None:
    fill(sandbox)

    done, data = KRAService().sync_tax_data()

    assert done, data
    assert set(data["lists"]) == EVERYTHING
    assert all(told["done"] for told in data["lists"].values())
    rate = KRACode.objects.get(class_code="04", code="B")
    assert rate.extra[0] == "16"
    assert KRAItemClass.objects.filter(code="5059690800").exists()
    item = KRAItem.objects.get(item_code="KE2NTNO0000001")
    assert (item.is_registered, item.running_number, item.price) == (True, 1, 1160)
    purchase = KRAPurchase.objects.get()
    assert (purchase.supplier_number, purchase.total, purchase.tax) == (1, 3480, 480)
    imported = KRAImport.objects.get()
    assert (imported.status, imported.state) == ("2", PurchaseState.NEW)
    kinds = set(KRARecord.objects.values_list("kind", flat=True))
    assert kinds == {"branch", "notice", "stock_move"}
    done, branches = KRAService().branches()
    assert done
    assert {row["key"] for row in branches} == {"00", "01"}
    done, notices = KRAService().notices()
    assert notices[0]["name"] == "System maintenance"


def test_the_second_reading_asks_for_what_is_new(kra: KRASettings, sandbox: SandboxDriver) -> None:
    KRAService().sync_tax_data()
    sandbox.advance(2)
    KRAService().sync_tax_data()
    sandbox.advance(2)
    sandbox.kra("code", **{"class": "10", "code": "KWH", "name": "Kilowatt hour"})
    sandbox.advance(2)

    done, data = KRAService().sync_tax_data(lists=["codes", "item_classes"])

    assert done, data
    assert data["lists"]["codes"]["count"] == 1
    assert data["lists"]["item_classes"]["count"] == 0
    assert KRACode.objects.filter(class_code="10", code="KWH").exists()
    assert KRACode.objects.filter(class_code="04").count() == 5


def test_dates_are_checked_and_said_not_to_be_used(kra: KRASettings) -> None:
    done, data = KRAService().sync_tax_data("2026-11-01", "2026-11-30", lists=["notices"])
    assert done
    assert (data["start_date"], data["end_date"]) == ("2026-11-01", "2026-11-30")
    assert "no period" in data["note"]


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        ("yesterday", None, "start_date"),
        (None, "2026-13-01", "end_date"),
        (20261101, None, "start_date"),
        ("2026-11-30", "2026-11-01", "end_date"),
    ],
)
def test_a_bad_period_is_refused_before_anything_is_asked(
    kra: KRASettings, sandbox: SandboxDriver, start: Any, end: Any, field: str
) -> None:
    done, message = KRAService().sync_tax_data(start, end)
    assert not done
    assert message.field == field
    assert "code_list" not in sandbox.kra_counters()


def test_an_unknown_list_is_refused(kra: KRASettings) -> None:
    done, message = KRAService().sync_tax_data(lists=["prices"])
    assert not done
    assert message.field == "lists"


def test_a_list_that_fails_is_named_and_the_others_are_kept(
    kra: KRASettings, sandbox: SandboxDriver
) -> None:
    sandbox.kra_fault("result_code", operation="notices", code="910", times=None)

    done, message = KRAService().sync_tax_data()

    assert not done
    assert message.code == "sync_incomplete"
    assert "notices" in message
    lists = message.data["lists"]
    assert not lists["notices"]["done"]
    assert lists["codes"]["done"]
    cursor = KRACursor.objects.get(list_name="notices")
    assert (cursor.last_request, cursor.synced_at) == ("", None)
    assert cursor.message


def test_a_page_whose_rows_cannot_be_stored_moves_nothing(
    kra: KRASettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = get_snapshot("kra")
    KRAService().sync_tax_data(lists=["codes"])
    branch = KRABranch.objects.get()
    before = KRACursor.objects.get(list_name="codes").last_request
    KRACode.objects.all().delete()
    KRACursor.objects.update(last_request="20180101000000")

    def store(branch: KRABranch, data: object) -> tuple[int, int]:
        FEEDS["codes"].store(branch, data)
        raise RuntimeError("the disk is full")

    broken = type(FEEDS["codes"])("codes", "code_list", store, "code lists")
    with pytest.raises(RuntimeError):
        read_feed(config, branch, broken)
    assert KRACode.objects.count() == 0
    assert KRACursor.objects.get(list_name="codes").last_request == "20180101000000"
    assert read_feed(config, branch, FEEDS["codes"]).is_done
    assert KRACursor.objects.get(list_name="codes").last_request >= before


def test_a_time_that_kra_does_not_take_begins_anew(
    kra: KRASettings, sandbox: SandboxDriver
) -> None:
    KRAService().sync_tax_data(lists=["codes"])
    sandbox.kra_fault("result_code", operation="code_list", code="E31")
    done, _ = KRAService().sync_tax_data(lists=["codes"])
    assert not done
    assert KRACursor.objects.get(list_name="codes").last_request == ""
    done, data = KRAService().sync_tax_data(lists=["codes"])
    assert done
    assert data["lists"]["codes"]["count"] > 100


def test_rows_without_a_key_are_left_out_and_counted(
    kra: KRASettings, sandbox: SandboxDriver
) -> None:
    sandbox.kra("purchase", changes={"spplrTin": ""})
    sandbox.kra("purchase", number=7)
    done, data = KRAService().sync_tax_data(lists=["purchases"])
    assert done
    told = data["lists"]["purchases"]
    assert (told["count"], told["unreadable"]) == (1, 1)
    assert KRAPurchase.objects.get().supplier_number == 7


def test_an_item_keeps_what_kra_does_not_know(kra: KRASettings) -> None:
    KRAService().sync_tax_data(lists=["items"])
    KRAItem.objects.filter(item_code="KE2NTNO0000001").update(
        reference="SUGAR", is_excluded=True, stock=5
    )
    KRACursor.objects.update(last_request="")
    KRAService().sync_tax_data(lists=["items"])
    item = KRAItem.objects.get(item_code="KE2NTNO0000001")
    assert (item.reference, item.is_excluded, item.stock) == ("SUGAR", True, 5)


def test_an_item_with_an_amount_that_has_no_room_is_left_out(
    kra: KRASettings, sandbox: SandboxDriver
) -> None:
    odd = [
        {"itemCd": "KE2CTNO0000901", "dftPrc": "10"},
        {"itemCd": "KE2CTNO0000902", "dftPrc": "1e40"},
        {"itemCd": "KE2CTNO0000903", "sftyQty": 10**11},
    ]
    sandbox.kra("catalogue", items=odd, stock=None)
    done, data = KRAService().sync_tax_data(lists=["items"])
    assert done
    assert data["lists"]["items"]["unreadable"] == 2
    found = KRAItem.objects.filter(item_code__startswith="KE2CTNO00009")
    assert [item.item_code for item in found] == ["KE2CTNO0000901"]


def test_a_decided_purchase_is_not_reopened_by_the_feed(
    kra: KRASettings, sandbox: SandboxDriver
) -> None:
    fill(sandbox)
    KRAService().sync_tax_data()
    KRAPurchase.objects.update(state=PurchaseState.ACCEPTED)
    KRAImport.objects.update(state=PurchaseState.REJECTED)
    KRACursor.objects.update(last_request="")
    KRAService().sync_tax_data()
    assert KRAPurchase.objects.get().state == PurchaseState.ACCEPTED
    assert KRAImport.objects.get().state == PurchaseState.REJECTED


def test_without_a_device_nothing_is_asked(kra_row: KRASettings, sandbox: SandboxDriver) -> None:
    done, message = KRAService().sync_tax_data()
    assert not done
    assert message.code == "device_not_ready"
    assert "code_list" not in sandbox.kra_counters()


class TestRefresh:
    def test_reads_once_a_day(self, kra: KRASettings, sandbox: SandboxDriver) -> None:
        assert refresh_lists() == len(FEEDS)
        asked = sandbox.kra_counters()
        assert refresh_lists() == 0
        assert sandbox.kra_counters() == asked
        yesterday = timezone.now() - timedelta(hours=25)
        KRACursor.objects.update(synced_at=yesterday, tried_at=yesterday)
        assert refresh_lists() == len(FEEDS)

    def test_leaves_settings_without_a_device_alone(
        self, kra_row: KRASettings, sandbox: SandboxDriver
    ) -> None:
        assert refresh_lists() == 0
        assert "code_list" not in sandbox.kra_counters()

    def test_a_list_that_fails_keeps_none_of_the_others_back(
        self, kra: KRASettings, sandbox: SandboxDriver, caplog: pytest.LogCaptureFixture
    ) -> None:
        for operation in ("code_list", "notices"):
            sandbox.kra_fault("result_code", operation=operation, code="910", times=None)
        assert refresh_lists() == len(FEEDS)
        unread = KRACursor.objects.filter(synced_at=None)
        assert set(unread.values_list("list_name", flat=True)) == {"codes", "notices"}
        told = [record.message for record in caplog.records if "KRA list" in record.message]
        assert [text.split()[2] for text in told] == ["codes", "notices"]
        assert all(cursor.message for cursor in unread)
        # What failed waits two hours.
        assert refresh_lists() == 0

    def test_stops_when_its_time_is_over(self, kra: KRASettings) -> None:
        assert refresh_lists(budget_seconds=-1) == 0


def test_a_business_s_own_host_does_not_set_what_others_go_by(
    kra: KRASettings, sandbox: SandboxDriver, settings: Any
) -> None:
    done, told = KRAService().sync_tax_data(lists=["codes", "items"])
    assert done, told
    before = list(KRACode.objects.values()), list(KRAItem.objects.values())
    KRASettings.objects.create(
        business="b", kra_pin=kra.kra_pin, branch_code="07", communication_key=planted("client id"),
        sandbox_url="https://93.184.215.14/etims-api",
    )  # fmt: skip
    common = ["codes", "item_classes", "branches", "notices", "items"]
    success, error = KRAService("b").sync_tax_data(lists=common)
    assert not success
    codes = {name: one["code"] for name, one in error.data["lists"].items()}
    assert codes == dict.fromkeys(common, "untrusted_host")
    assert (list(KRACode.objects.values()), list(KRAItem.objects.values())) == before


def test_a_business_s_own_host_may_be_one_that_the_operator_allows(
    kra: KRASettings, sandbox: SandboxDriver
) -> None:
    made = make_kra(sandbox, business="b", branch_code="01")
    assert made.sandbox_url
    success, told = KRAService("b").sync_tax_data(lists=["codes", "items"])
    assert success, told


def test_who_reads_a_list_of_the_pin_takes_nothing_from_another_business(
    kra: KRASettings, sandbox: SandboxDriver
) -> None:
    make_kra(sandbox, business="b", branch_code="01")
    for business in ("", "b"):
        success, told = KRAService(business).sync_tax_data(lists=["branches"])
        assert success, told
    assert set(KRARecord.objects.values_list("business", flat=True)) == {""}
