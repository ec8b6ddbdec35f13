"""The admin's buttons against the sandbox: credit, verify and resend, settle, compare, print."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client

from integrations.models import AuditEntry, InvoiceKind, InvoiceState, KRAInvoice
from tests.admin.page import FormReader
from tests.kra.outbox.conftest import Shop, drain

LIST = "/admin/integrations/krainvoice/"
pytestmark = pytest.mark.django_db(transaction=True)


def page(invoice: KRAInvoice, part: str = "change") -> str:
    return f"{LIST}{invoice.pk}/{part}/"


def form_of(client: Client, address: str) -> dict[str, str]:
    reader = FormReader()
    html = client.get(address).content.decode()
    reader.feed(html[html.index("data-send-once") :])
    assert reader.values.get("reason", "") == ""
    return {**reader.values, "reason": "06"}


def signed(shop: Shop) -> KRAInvoice:
    lines = [shop.line(), shop.line(quantity="5", unit_price="99.99")]
    invoice = shop.submit(items=lines)
    drain()
    invoice.refresh_from_db()
    assert invoice.state == InvoiceState.SIGNED, invoice.message
    return invoice


def test_part_of_an_invoice_goes_back_and_then_the_rest(shop: Shop, admin_client: Client) -> None:
    invoice = signed(shop)
    values = form_of(admin_client, page(invoice, "credit"))
    assert (values["line_0"], values["line_1"]) == ("2", "5")
    answer = admin_client.post(page(invoice, "credit"), {**values, "line_0": "1", "line_1": ""})
    part = invoice.credit_notes.get()
    assert answer.headers["Location"] == page(part)
    assert (part.kind, part.total) == (InvoiceKind.CREDIT_NOTE, Decimal("1160.00"))
    drain()
    values = form_of(admin_client, page(invoice, "credit"))
    assert (values["line_0"], values["line_1"]) == ("1", "5")
    assert values["trader_number"] == f"CN-{invoice.trader_number}-2"
    admin_client.post(page(invoice, "credit"), values)
    drain()
    rest = invoice.credit_notes.get(trader_number=values["trader_number"])
    assert rest.state == InvoiceState.SIGNED, rest.message
    assert part.total + rest.total == invoice.total
    html = admin_client.get(page(invoice)).content.decode()
    assert f"CN-{invoice.trader_number}-1" in html
    assert "KES -1,160.00" in html
    nothing = admin_client.post(page(invoice, "credit"), {"trader_number": "X", "reason": "06"})
    assert "Nothing is left" in nothing.content.decode()


def test_a_number_that_is_taken_is_said_at_its_field(shop: Shop, admin_client: Client) -> None:
    invoice = signed(shop)
    values = form_of(admin_client, page(invoice, "credit"))
    again = {**values, "trader_number": invoice.trader_number}
    answer = admin_client.post(page(invoice, "credit"), again)
    assert answer.status_code == 200
    assert "was handed in before" in answer.content.decode()
    assert not invoice.credit_notes.exists()


def test_a_document_in_doubt_is_verified_and_signed_once(shop: Shop, admin_client: Client) -> None:
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    invoice = shop.submit()
    drain()
    invoice.refresh_from_db()
    assert invoice.state == InvoiceState.IN_DOUBT
    bulk = {"action": "verify", "_selected_action": [invoice.pk]}
    answer = admin_client.post(LIST, bulk, follow=True)
    assert "1 looked at next" in answer.content.decode()
    drain()
    invoice.refresh_from_db()
    assert invoice.state == InvoiceState.SIGNED
    assert len(shop.book()) == 1
    again = admin_client.post(page(invoice, "resend"), follow=True)
    assert "1 left as they are" in again.content.decode()
    assert len(shop.book()) == 1


def test_a_person_types_what_the_portal_shows(shop: Shop, admin_client: Client) -> None:
    invoice = signed(shop)
    KRAInvoice.objects.filter(pk=invoice.pk).update(
        state=InvoiceState.REGISTERED, signature="", internal_data="", receipt_number=None
    )
    typed = {
        "outcome": "yes", "receipt_number": "12", "internal_data": "TE68-SLA2-345Q",
        "signature": "v249-J39C-FJ48-HE2W", "signed_at": "2026-11-23 10:15:05",
        "note": "By the portal.",
    }  # fmt: skip
    answer = admin_client.post(page(invoice, "settle"), typed)
    assert answer.status_code == 302
    invoice.refresh_from_db()
    assert (invoice.state, invoice.receipt_number) == (InvoiceState.SIGNED, 12)
    assert (invoice.signature, invoice.internal_data) == ("V249J39CFJ48HE2W", "TE68SLA2345Q")
    assert invoice.signed_at is not None
    assert invoice.signed_at.isoformat() == "2026-11-23T07:15:05+00:00"
    assert AuditEntry.objects.filter(action="kra.invoice_settled").exists()


def test_the_books_are_compared(shop: Shop, admin_client: Client) -> None:
    invoice = signed(shop)
    compare = f"/admin/integrations/krabranch/{shop.unit.pk}/compare/"
    assert "The books agree" in admin_client.post(compare).content.decode()
    assert admin_client.get(compare).status_code == 405
    KRAInvoice.objects.filter(pk=invoice.pk).update(trader_number="CHANGED-1")
    html = admin_client.post(compare, {"first": "1"}).content.decode()
    assert "1 difference" in html
    assert "CHANGED-1" in html


def test_what_the_sandbox_signed_is_printed(shop: Shop, admin_client: Client) -> None:
    invoice = signed(shop)
    html = admin_client.get(page(invoice, "receipt")).content.decode()
    assert f"{invoice.control_unit_id}/{invoice.receipt_number}" in html
    assert "SANDBOX" in html
    assert admin_client.post(page(invoice, "pdf"), {"size": "a4"}).content.startswith(b"%PDF")
