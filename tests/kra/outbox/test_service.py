"""`KRAService`'s invoices: documented 2-tuples, waiting, statuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction

from integrations.kra.answers import KRAMessage
from integrations.models import KRAInvoice
from integrations.services import KRAService
from tests.kra.outbox.conftest import Shop, drain, work_on

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_caller_waits_for_the_signature(shop: Shop) -> None:
    success, told = KRAService().submit_invoice(shop.invoice("INV-1"))
    assert success
    assert told["state"] == told["status"] == "signed"
    assert not told["is_provisional"]
    assert told["number"] == 1
    assert told["signature"]
    assert told["signature"] in told["qr"]
    assert told["total"] == "2320.00"


def test_a_caller_does_not_wait_for_ever(shop: Shop) -> None:
    shop.sandbox.kra_fault("delay", operation="save_sale", times=1, seconds=1.0)
    success, told = KRAService().submit_invoice(shop.invoice("INV-1"), wait_seconds=0.2)
    assert success
    assert told["status"] == "pending"
    assert told["is_provisional"]
    # The thread that sends goes on.
    from tests.conftest import wait_until

    assert wait_until(lambda: KRAInvoice.objects.get().state == "signed")


def test_inside_a_transaction_it_only_stores(shop: Shop) -> None:
    with transaction.atomic():
        success, told = KRAService().submit_invoice(shop.invoice("INV-1"))
    assert success
    assert told["status"] == "pending"
    assert shop.book() == []
    drain()
    success, told = KRAService().submit_invoice(shop.invoice("INV-1"))
    assert told["status"] == "signed"
    assert len(shop.book()) == 1


def test_enqueue_never_waits(shop: Shop) -> None:
    success, told = KRAService().enqueue_invoice(shop.invoice("INV-1"))
    assert success
    assert told["is_provisional"]
    assert "provisional" in told["message"]


def test_a_rejection_is_a_message_with_code_and_id(shop: Shop) -> None:
    shop.sandbox.kra_fault("result_code", code="913", message="[<itemList><pkgUnitCd>]", times=1)
    success, message = KRAService().submit_invoice(shop.invoice("INV-1"))
    assert not success
    assert isinstance(message, KRAMessage)
    assert "pkgUnitCd" in message
    assert message.code == "913"
    row = KRAInvoice.objects.get()
    assert message.data["invoice_id"] == str(row.public_id)
    assert message.data["status"] == "rejected"


def test_bad_input_names_line_and_field(shop: Shop) -> None:
    bad = shop.invoice("INV-1", items=[shop.line(quantity="-1")])
    success, message = KRAService().submit_invoice(bad)
    assert not success
    assert message.field == "items[0].quantity"
    assert not KRAInvoice.objects.exists()


def test_a_status_by_any_number(shop: Shop) -> None:
    service = KRAService()
    _, told = service.submit_invoice(shop.invoice("INV-1"))
    for reference in (told["invoice_id"], "INV-1", "1"):
        success, found = service.get_invoice_status(reference)
        assert success
        assert found["invoice_id"] == told["invoice_id"]
    KRAInvoice.objects.get().events.all()._raw_delete("default")
    KRAInvoice.objects.all()._raw_delete("default")
    success, found = service.get_invoice_status("1")
    assert success
    assert (found["status"], found["invoice_number"]) == ("signed", "INV-1")
    success, message = service.get_invoice_status("2")
    assert not success
    assert message.code == "unknown_invoice"
    success, message = service.get_invoice_status("")
    assert message.field == "reference"


def test_statuses_in_words(open_shop: Callable[..., Shop]) -> None:
    shop = open_shop("vscu")
    service = KRAService()
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    _, told = service.enqueue_invoice(shop.invoice("INV-1"))
    assert told["status"] == "pending"
    drain()
    assert service.get_invoice_status("INV-1")[1]["status"] == "in doubt"
    work_on()
    assert service.get_invoice_status("INV-1")[1]["status"] == "duplicate"
    success, told = service.settle_invoice(
        "INV-1", text="Read off the unit.", signature={"signature": "ABCDEFGHIJKLMNOP"}
    )
    assert success
    assert told["status"] == "signed"


def test_an_invoice_is_credited_in_part_and_in_full(shop: Shop) -> None:
    service = KRAService()
    service.submit_invoice(shop.invoice("INV-1"))
    success, part = service.credit_invoice(
        "INV-1", [{"quantity": "1", "original_line": 1}], number="CN-1"
    )
    assert success, part
    assert (part["kind"], part["status"], part["total"]) == ("credit_note", "signed", "1160.00")
    success, rest = service.credit_invoice("INV-1", number="CN-2")
    assert success, rest
    assert rest["total"] == "1160.00"
    success, message = service.credit_invoice("INV-1", number="CN-3")
    assert not success
    success, message = service.credit_invoice("NONE", number="CN-4")
    assert message.code == "unknown_invoice"
    assert [sale["number"] for sale in shop.book()] == [1, 2, 3]


def test_resend_and_compare(shop: Shop) -> None:
    service = KRAService()
    shop.sandbox.kra_fault("result_code", code="913", times=1)
    success, _message = service.submit_invoice(shop.invoice("INV-1"))
    assert not success
    success, told = service.resend_invoice("INV-1")
    assert told["status"] == "pending"
    drain()
    assert service.get_invoice_status("INV-1")[1]["status"] == "signed"
    success, found = service.compare_books()
    assert success
    assert found == {"compared": 2, "agreed": 2, "differences": [], "next_number": None}


def test_without_a_device_nothing_is_stored(shop: Shop) -> None:
    shop.row.refresh_from_db()
    shop.row.communication_key = ""
    shop.row.save()
    success, message = KRAService().submit_invoice(shop.invoice("INV-1"))
    assert not success
    assert message.code == "device_not_ready"
    assert not KRAInvoice.objects.exists()


def test_supply_amounts_are_sent_as_kra_wants_them(open_shop: Callable[..., Shop]) -> None:
    """Before the discount; after it where both sides are switched."""
    shop = open_shop(is_supply_discounted=True)
    sold = [shop.line(discount_rate="10")]
    success, told = KRAService().submit_invoice(shop.invoice("INV-1", items=sold))
    assert (success, "Invalid splyAmt" in str(told)) == (False, True)
    shop.sandbox.kra("settings", is_supply_discounted=True)
    success, told = KRAService().submit_invoice(shop.invoice("INV-2", items=sold))
    assert (success, told["state"], told["total"]) == (True, "signed", "2088.00")
