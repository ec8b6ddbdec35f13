"""Items are checked, get the next code, and are reported once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from integrations import work
from integrations.kra.outbox.states import QUEUE as INVOICES
from integrations.kra.outbox.submit import submit
from integrations.kra.service import KRAService
from integrations.kra.writes import resend
from integrations.models import KRAItem, KRASettings, KRAWrite, WriteState
from tests.kra.writes.deeds import SOAP, SUGAR, refused, send_all, send_later, states, told
from tests.sandbox.driver import SandboxDriver


def known_to_kra(sandbox: SandboxDriver) -> list[str]:
    items: list[str] = sandbox.kra_book()["items"]["P051234567X"]
    return items


@pytest.mark.parametrize("kra", ["oscu_direct", "oscu_gateway", "vscu"], indirect=True)
def test_a_new_item_gets_the_next_code_and_reaches_kra(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    data = told(service.save_item(SOAP))
    assert data["item"]["item_code"] == "KE2CTNO0000007"
    assert data["report"]["state"] == "queued"
    assert not data["item"]["is_registered"]

    send_all()

    assert "KE2CTNO0000007" in known_to_kra(sandbox)
    assert KRAItem.objects.get(reference="SOAP").is_registered
    write = KRAWrite.objects.get()
    assert (write.state, write.times_sent) == ("done", 1)
    assert None not in [write.body[name] for name in ("regrId", "regrNm", "modrId", "modrNm")]


def test_the_same_again_is_no_second_report(service: KRAService, sandbox: SandboxDriver) -> None:
    first = told(service.save_item(SOAP))
    again = told(service.save_item(SOAP))
    assert again["report"]["id"] == first["report"]["id"]
    assert again["item"]["item_code"] == first["item"]["item_code"]
    send_all()
    assert sandbox.kra_counters()["save_item"] == 1


def test_a_change_is_reported_and_a_change_back_too(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    told(service.save_item(SOAP))
    send_all()
    told(service.save_item({"reference": "SOAP", "price": "120.50"}))
    told(service.save_item({"reference": "SOAP", "price": "116"}))
    send_all()
    assert [state for _, state, _ in states()] == ["done"] * 3
    assert sandbox.kra_counters()["save_item"] == 3


def test_what_is_in_the_code_does_not_change(service: KRAService) -> None:
    told(service.save_item(SOAP))
    answer = service.save_item({"reference": "SOAP", "packaging_unit": "NT"})
    assert refused(answer)[0] == "packaging_unit"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 201),
        ("class_code", "1234567890"),
        ("class_code", None),
        ("packaging_unit", "U"),
        ("quantity_unit", "ZZ"),
        ("tax_type", "F"),
        ("type_code", "4"),
        ("origin", "XX"),
        ("price", "-1"),
        ("price", "1.005"),
        ("price", 1.5),
        ("is_used", "yes"),
        ("barcode", "1" * 21),
        ("standard_name", "x" * 201),
        ("batch", "x" * 11),
        ("additional_info", "x" * 8),
        ("safety_quantity", "-1"),
        ("safety_quantity", "0.001"),
        ("group_prices", "100"),
        ("group_prices", ["1"] * 6),
    ],
)
def test_bad_input_names_the_field_and_stores_nothing(
    service: KRAService, field: str, value: Any
) -> None:
    before = KRAItem.objects.count()
    assert refused(service.save_item({**SOAP, field: value}))[0] == field
    assert KRAItem.objects.count() == before
    assert not KRAWrite.objects.exists()


def test_a_price_of_a_level_is_named(service: KRAService) -> None:
    answer = service.save_item({**SOAP, "group_prices": ["1", None, "-1"]})
    assert refused(answer)[0] == "group_prices[2]"


MORE: dict[str, Any] = {
    "standard_name": "Soap, bar",
    "batch": "B-17",
    "safety_quantity": "12.50",
    "group_prices": ["110.00", None, "100.00"],
    "additional_info": "Scented",
}


@pytest.mark.parametrize("kra", ["oscu_direct", "oscu_gateway", "vscu"], indirect=True)
def test_what_else_kra_takes_of_an_item(service: KRAService, sandbox: SandboxDriver) -> None:
    told(service.save_item({**SOAP, **MORE}))
    send_all()
    body = KRAWrite.objects.get().body
    names = ("itemStdNm", "btchNo", "sftyQty", "addInfo")
    assert [body[name] for name in names] == ["Soap, bar", "B-17", 12.5, "Scented"]
    prices = [body[f"grpPrcL{level}"] for level in range(1, 6)]
    assert prices == [110, None, 100, None, None]
    # KRA's list tells the same.
    KRAItem.objects.update(
        standard_name="", batch="", safety_quantity=None, group_prices=[], additional_info=""
    )
    told(service.sync_tax_data(lists=["items"]))
    (item,) = told(service.items("Soap"))
    assert {name: item[name] for name in MORE} == MORE


def test_what_is_not_said_of_an_item_is_null(service: KRAService) -> None:
    told(service.save_item(SOAP))
    send_all()
    body = KRAWrite.objects.get().body
    names = ("itemStdNm", "btchNo", "sftyQty", "addInfo", "grpPrcL1", "grpPrcL5")
    assert [body[name] for name in names] == [None] * 6


def test_what_was_said_of_an_item_is_kept_and_can_be_taken_back(service: KRAService) -> None:
    told(service.save_item({**SOAP, **MORE}))
    kept = told(service.save_item({"reference": "SOAP", "price": "120"}))["item"]
    assert {name: kept[name] for name in MORE} == MORE
    gone = {"safety_quantity": None, "group_prices": [], "batch": ""}
    kept = told(service.save_item({"reference": "SOAP", **gone}))["item"]
    assert {name: kept[name] for name in MORE} == {**MORE, **gone}


def test_a_misspelt_name_is_refused(service: KRAService) -> None:
    assert refused(service.save_item({**SOAP, "prise": "10"}))[0] == "prise"


def test_lists_that_were_never_read_are_asked_for(kra: Any) -> None:
    assert refused(KRAService().save_item(SOAP)) == ("origin", "lists_not_read")


@pytest.mark.parametrize("kra", ["oscu_gateway"], indirect=True)
def test_the_gateway_wants_units_of_two_letters(service: KRAService) -> None:
    assert refused(service.save_item({**SOAP, "quantity_unit": "GRM"}))[0] == "quantity_unit"
    data = told(service.save_item({**SOAP, "quantity_unit": "U"}))
    assert data["item"]["item_code"] == "KE2CTXU0000007"
    send_all()
    assert KRAItem.objects.get(reference="SOAP").is_registered


@pytest.mark.parametrize("kra", ["oscu_gateway"], indirect=True)
def test_the_running_number_that_kra_expects_is_taken(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    # Somebody registers an item of this PIN from elsewhere.
    sandbox.kra("catalogue", items=[{"itemCd": "KE2CTNO0000007"}])
    told(service.save_item(SOAP))
    told(service.stock_in([{"item": "SOAP", "quantity": 4}]))
    send_all()
    item = KRAItem.objects.get(reference="SOAP")
    assert (item.item_code, item.running_number) == ("KE2CTNO0000008", 8)
    assert item.is_registered
    assert [state for _, state, _ in states()] == ["done", "done", "done"]
    assert item.stock == 4


@pytest.mark.parametrize("kra", ["oscu_gateway"], indirect=True)
def test_an_invoice_that_waits_follows_the_new_code(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    sandbox.kra("catalogue", items=[{"itemCd": "KE2CTNO0000007"}])
    told(service.save_item(SOAP))
    told(service.stock_in([{"item": "SOAP", "quantity": 4}]))
    line = {
        "description": "Soap",
        "item_code": "KE2CTNO0000007",
        "quantity": "1",
        "unit_price": "116.00",
    }
    data = {"invoice_number": "INV-1", "issue_date": "2026-11-23", "items": [line]}
    data["prices_include_tax"] = True
    row = submit(data)
    credit = submit(
        {
            "invoice_number": "CN-1", "issue_date": "2026-11-23", "reason": "06",
            "original_invoice_number": "INV-1",
            "items": [{"item_code": "KE2CTNO0000007", "quantity": "0.5"}],
        }
    )  # fmt: skip
    send_all()
    work.drain(INVOICES, 20)
    for each in (row, credit):
        each.refresh_from_db()
        assert each.state == "signed", each.message
        assert each.body["itemList"][0]["itemCd"] == "KE2CTNO0000008"
    assert submit(data).pk == row.pk
    # By its new code or its former one.
    for number, code in (("CN-2", "KE2CTNO0000008"), ("CN-3", "KE2CTNO0000007")):
        items = [{"item_code": code, "quantity": "0.25"}]
        submit(
            {
                "invoice_number": number, "issue_date": "2026-11-23", "reason": "06",
                "original_invoice_number": "INV-1", "items": items,
            }
        )  # fmt: skip


def test_a_rejected_item_says_why_and_goes_again(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    sandbox.kra_fault("result_code", operation="save_item", code="910", message="itemNm is bad")
    told(service.save_item(SOAP))
    send_all()
    write = KRAWrite.objects.get()
    assert write.state == WriteState.REJECTED
    assert "itemNm is bad" in write.message
    assert not KRAItem.objects.get(reference="SOAP").is_registered
    assert resend(KRAWrite.objects.all()) == 1
    send_all()
    assert KRAWrite.objects.get().state == WriteState.DONE


@pytest.mark.parametrize("kind", ["lose_answer", "drop", "html"])
def test_a_lost_answer_is_settled_by_the_same_again(
    service: KRAService, sandbox: SandboxDriver, kind: str
) -> None:
    sandbox.kra_fault(kind, operation="save_item")
    told(service.save_item(SOAP))
    send_all()
    write = KRAWrite.objects.get()
    assert write.state == WriteState.IN_DOUBT
    body = write.body
    send_later()
    write.refresh_from_db()
    assert (write.state, write.times_sent, write.body) == ("done", 2, body)


@pytest.mark.parametrize("kra", ["oscu_gateway"], indirect=True)
def test_the_gateway_s_sequence_error_settles_a_lost_answer(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    sandbox.kra_fault("lose_answer", operation="save_item")
    told(service.save_item(SOAP))
    send_all()
    send_later()
    assert KRAWrite.objects.get().state == WriteState.DONE
    assert KRAItem.objects.get(reference="SOAP").item_code == "KE2CTNO0000007"


def test_what_is_rolled_back_was_never_said(service: KRAService) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        told(service.save_item(SOAP))
        raise RuntimeError
    assert not KRAWrite.objects.exists()
    assert not KRAItem.objects.filter(reference="SOAP").exists()


def test_an_excluded_item_is_not_reported(service: KRAService) -> None:
    told(service.save_item(SOAP))
    assert told(service.exclude_item("SOAP"))["is_excluded"]
    assert refused(service.save_item({"reference": "SOAP", "price": "5"}))[0] == "item"
    assert not told(service.exclude_item("SOAP", False))["is_excluded"]


def test_items_and_classes_are_found(service: KRAService) -> None:
    assert [row["item_code"] for row in told(service.items("sugar"))] == [SUGAR]
    assert told(service.item_classes("50596"))[0]["code"] == "5059690800"
    assert [row["code"] for row in told(service.codes("04"))] == ["A", "B", "C", "D", "E"]


def test_compositions(service: KRAService, sandbox: SandboxDriver) -> None:
    told(service.save_item(SOAP))
    told(service.save_composition("SOAP", SUGAR, "0.125"))
    assert refused(service.save_composition("SOAP", "SOAP", 1))[0] == "component"
    assert refused(service.save_composition("SOAP", SUGAR, "0.0001"))[0] == "quantity"
    assert refused(service.save_composition("SOAP", "NONE", 1)) == ("component", "unknown_item")
    send_all()
    assert [state for _, state, _ in states()] == ["done", "done"]


def test_an_item_is_changed_by_its_own_business_alone(
    service: KRAService, kra: KRASettings
) -> None:
    kra.shared = True
    kra.save()
    first, second = KRAService("a"), KRAService("b")
    item = told(first.save_item(SOAP))["item"]
    for named in ({"reference": "SOAP"}, {"item_code": item["item_code"]}):
        assert refused(second.save_item({**named, "price": "1"})) == (*named, "not_yours")
        assert refused(service.save_item({**named, "price": "1"})) == (*named, "not_yours")
    assert refused(second.exclude_item("SOAP")) == ("item", "not_yours")
    # Nor is what KRA told the installation of.
    assert refused(second.exclude_item("KE2NTNO0000002")) == ("item", "not_yours")
    kept = KRAItem.objects.get(reference="SOAP")
    assert (str(kept.price), kept.is_excluded) == ("116.00", False)
    assert told(first.exclude_item("SOAP"))["is_excluded"]


def test_a_key_of_a_movement_is_the_business_s_own(service: KRAService, kra: KRASettings) -> None:
    kra.shared = True
    kra.save()
    lines = [{"item": SUGAR, "quantity": "2"}]
    told(KRAService("a").stock_in(lines, key="K-1"))
    again = KRAService("b").stock_in(lines, key="K-1")
    assert refused(again) == ("key", "idempotency_mismatch")
    assert KRAWrite.objects.filter(business="b").count() == 0
