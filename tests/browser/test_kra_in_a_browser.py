"""KRA in a browser: a device is initialised, invoices are followed, credited, printed, released."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from integrations.models import (
    InvoiceKind,
    InvoiceState,
    KRABranch,
    KRAInvoice,
    KRAInvoiceEvent,
    KRASettings,
)
from tests.browser.test_money_pages import faults
from tests.hunt.plants import planted
from tests.kra.fixtures import SERIAL, kra_values
from tests.kra.outbox.conftest import Shop, drain, open_shop, shop  # noqa: F401 - fixtures
from tests.kra.receipts.rows import branch_row, invoice_row, line_of, settings_row
from tests.sandbox.driver import SandboxDriver

pytestmark = pytest.mark.browser
INVOICES = "/admin/integrations/krainvoice/"
BRANCHES = "/admin/integrations/krabranch/"
HOSTILE = "<script>window.taken = 1</script>"


def at(row: Any, part: str = "change") -> str:
    return f"/admin/integrations/{row._meta.model_name}/{row.pk}/{part}/"


@pytest.fixture
def documents(transactional_db: None) -> KRAInvoice:
    """Documents in every state at a held branch; the first is signed, and credited in part."""
    settings_row(environment="production")
    unit = branch_row(
        held_reason="KRA answered 901: it does not know this device. Call KRA, then release.",
        held_at=timezone.now(), alarmed_at=timezone.now(),
        last_contact_at=timezone.now() - timedelta(hours=3), last_invoice_number=41,
    )  # fmt: skip
    branch_row(bhf_id="01", branch_name="Kisumu")
    names = ["Maziwa ya mtindi, pakiti ya nusu lita " * 4, "X" * 120, HOSTILE, "Mkate", "Chai"]
    lines = [
        line_of(place, row, names[place - 1])
        for place, row in enumerate(
            [("2", "1160.00", "B", "50.00", "320.00", "2320.00")] * 5, start=1
        )
    ]
    first = invoice_row(unit, number=40, lines=lines, customer_name="Zoë Ångström wa Kamau")
    invoice_row(unit, number=41, kind=InvoiceKind.CREDIT_NOTE, original=first, reason="06",
                trader_number="CN-0001")  # fmt: skip
    for number, state in enumerate(InvoiceState.values, start=50):
        if state == InvoiceState.SENDING:
            continue  # A branch has one open number, and that of the document in doubt is.
        invoice_row(
            unit, number=number, trader_number=f"INV-{number}-{'long-' * 6}", state=state,
            message="KRA said: the item is not registered." if state == "rejected" else "",
            attention="Nobody but you can tell." if state == "in_doubt" else "",
        )  # fmt: skip
    for kind, text in (("submitted", "Handed in."), ("sending", HOSTILE), ("signed", "Signed.")):
        KRAInvoiceEvent.objects.create(
            invoice=first, kind=kind, text=text, to_state="signed", data={"answer": HOSTILE}
        )
    return first


def in_state(state: str) -> KRAInvoice:
    return KRAInvoice.objects.filter(state=state).earliest("pk")


def test_kra_is_configured_and_its_device_initialised_once(
    open_admin: Callable[..., Page],
    kra_hosts: SandboxDriver,
    shoot: Callable[[Page, str], None],
) -> None:
    kra_hosts.kra("approve", serial=SERIAL)
    values = kra_values(kra_hosts)
    page = open_admin()
    page.goto("/admin/integrations/krasettings/add/")
    for name in ("kra_pin", "branch_code", "device_serial", "sandbox_url",
                 "gavaconnect_sandbox_url"):  # fmt: skip
        page.locator(f"#id_{name}").fill(values[name])
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_role("link", name="Initialise device").first.click()
    page.get_by_text("It hands the communication key out once.").wait_for()
    shoot(page, "kra-device-asked")
    page.get_by_role("button", name="Initialise device").click()
    page.get_by_text("KRA initialised the control unit").wait_for()
    shoot(page, "kra-device-ready")
    row = KRASettings.objects.get()
    assert row.control_unit_id
    assert row.communication_key.reveal() not in page.content()
    assert page.get_by_role("link", name="Initialise device").count() == 0


def test_an_invoice_is_followed_printed_and_credited(
    open_admin: Callable[..., Page],
    shop: Shop,  # noqa: F811
    shoot: Callable[[Page, str], None],
) -> None:
    invoice = shop.submit(items=[shop.line(), shop.line(quantity="5", unit_price="99.99")])
    drain()
    page = open_admin()
    page.goto(INVOICES)
    page.get_by_role("link", name=invoice.trader_number).click()
    page.get_by_text("It can only be credited now.").wait_for()
    assert page.locator(".kra-qr").evaluate("image => image.naturalWidth > 100")
    shoot(page, "kra-signed")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download PDF").click()
    assert download.value.suggested_filename == f"receipt-{invoice.public_id}.pdf"
    invoice.refresh_from_db()
    assert invoice.times_printed == 1
    page.reload()
    page.get_by_text("The original was handed out").wait_for()
    page.get_by_role("link", name="Credit note").click()
    page.get_by_label("Reason").select_option("06")
    page.get_by_label("Sugar 1 kg, 1,160.00 each").fill("1")
    page.get_by_label("Sugar 1 kg, 99.99 each").fill("0")
    shoot(page, "kra-credit-form")
    page.get_by_role("button", name="Hand in the credit note").click()
    page.get_by_text("is handed in; KRA signs it next.").wait_for()
    drain()
    page.reload()
    page.get_by_text("It can only be credited now.").wait_for()
    shoot(page, "kra-credit-note")
    assert invoice.credit_notes.get().state == InvoiceState.SIGNED


def test_a_lost_answer_is_verified_by_the_button(
    open_admin: Callable[..., Page],
    shop: Shop,  # noqa: F811
) -> None:
    shop.sandbox.kra_fault("lose_answer", operation="save_sale", times=1)
    invoice = shop.submit()
    drain()
    page = open_admin()
    page.goto(at(invoice))
    page.get_by_text("KRA's answer was lost.").wait_for()
    page.get_by_role("button", name="Verify with KRA, and resend").click()
    page.get_by_text("1 looked at next").wait_for()
    drain()
    page.reload()
    page.get_by_text("It can only be credited now.").wait_for()
    assert len(shop.book()) == 1


def test_a_held_branch_is_released(
    open_admin: Callable[..., Page], documents: KRAInvoice, shoot: Callable[[Page, str], None]
) -> None:
    page = open_admin()
    page.goto("/admin/")
    page.get_by_role("link", name="1 branches held").click()
    page.locator("#result_list tbody tr a").first.click()
    page.get_by_text("it does not know this device").first.wait_for()
    page.get_by_role("link", name="Release").click()
    page.get_by_label("What was done").fill("KRA approved the serial again.")
    shoot(page, "kra-release")
    page.get_by_role("button", name="Let it go on").click()
    page.get_by_text("goes on.").first.wait_for()
    shoot(page, "kra-released")
    assert not KRABranch.objects.exclude(held_reason="").exists()


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)])
def test_the_pages_have_no_serious_fault(
    open_admin: Callable[..., Page], shoot: Callable[[Page, str], None], documents: KRAInvoice,
    phone: bool, dark: bool,
) -> None:  # fmt: skip
    page = open_admin(phone=phone, dark=dark)
    look = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
    doubted, refused = in_state("in_doubt"), in_state("rejected")
    found: list[str] = []
    for name, place in {
        "start": "/admin/",
        "invoices": INVOICES,
        "invoice": at(documents),
        "invoice-in-doubt": at(doubted),
        "invoice-rejected": at(refused),
        "credit": at(documents, "credit"),
        "settle": at(doubted, "settle"),
        "receipt": at(documents, "receipt"),
        "receipt-provisional": at(in_state("queued"), "receipt"),
        "branches": BRANCHES,
        "branch": at(documents.branch),
        "release": at(documents.branch, "release"),
        "settings": at(KRASettings.objects.get()),
    }.items():
        found += faults(page, place)
        assert page.evaluate("window.taken === undefined")
        shoot(page, f"kra-{name}-{look}")
    assert not found, "\n".join(found)
    assert planted("communication key") not in page.content()
