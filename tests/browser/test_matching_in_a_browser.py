"""Hostile references and matching by hand, in a browser."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from playwright.sync_api import Page

from integrations.models import (
    Allotment,
    C2BRegistration,
    ExpectedPayment,
    MpesaSettings,
    Payment,
)
from integrations.payments import ledger
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.browser.test_money_pages import faults

pytestmark = pytest.mark.browser
BASE = "/admin/integrations"
TYPED = (
    '<img src=x onerror="window.taken=1">',
    "<script>window.taken=1</script>",
    "\u202e123VNI",
    '=HYPERLINK("http://x.example")',
    "javascript:alert(1)",
    "x" * 64,
)


@pytest.fixture
def receipts(transactional_db: None) -> list[Payment]:
    """Payments whose payers typed what they liked, and one expectation."""
    MpesaSettings.objects.create(short_code="174379")
    MpesaPaymentService.expect_payment("INV-001", 1000)
    return [
        ledger.receive(
            {
                "provider": "mpesa", "product": "c2b", "environment": "sandbox",
                "amount": Decimal(1000), "account_reference": typed[:64], "party_name": typed[:60],
                "receipt": f"UAE4X7K{number:03}", "party": "2547 ***** 678",
            },
            kind="c2b_confirmation", text="Paid.", data={},
        )
        for number, typed in enumerate(TYPED)
    ]  # fmt: skip


def test_what_payers_typed_runs_nowhere(
    open_admin: Callable[..., Page], receipts: list[Payment]
) -> None:
    page = open_admin()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: asked.append(f"dialog {dialog.message}"))
    places = [f"{BASE}/allotment/", f"{BASE}/payment/"]
    places += [f"{BASE}/allotment/{row.pk}/change/" for row in Allotment.objects.all()]
    places += [f"{BASE}/payment/{payment.pk}/change/" for payment in receipts]
    for place in places:
        page.goto(place)
        page.wait_for_load_state("load")
        assert page.evaluate("window.taken === undefined")
        assert page.locator("img[src='x']").count() == 0
    assert not [url for url in asked if url.endswith("/x") or "dialog" in url or "x.example" in url]


def test_a_receipt_is_matched_with_three_clicks(
    open_admin: Callable[..., Page], receipts: list[Payment]
) -> None:
    page = open_admin()
    row = Allotment.objects.get(payment=receipts[0])
    page.goto(f"{BASE}/allotment/{row.pk}/change/")
    page.get_by_label("INV-001: KES 1000.00").check()
    page.get_by_role("button", name="Match to the chosen one").click()
    page.get_by_text("Matched to INV-001.").wait_for()
    assert ExpectedPayment.objects.get().state == "paid"


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)])
def test_the_pages_of_matching_have_no_serious_fault(
    open_admin: Callable[..., Page], shoot: Callable[[Page, str], None],
    receipts: list[Payment], phone: bool, dark: bool,
) -> None:  # fmt: skip
    page = open_admin(phone=phone, dark=dark)
    registration = C2BRegistration.objects.create(
        environment="sandbox", short_code="174379", version="v2", response_type="Completed",
        confirmation_digest="1" * 64, validation_digest="2" * 64, state="registered",
    )  # fmt: skip
    settings_row, expected = MpesaSettings.objects.get(), ExpectedPayment.objects.get()
    found: list[str] = []
    for name, place in {
        "receipts": "allotment/",
        "receipt": f"allotment/{Allotment.objects.latest('pk').pk}/change/",
        "expectations": "expectedpayment/",
        "expectation": f"expectedpayment/{expected.pk}/change/",
        "cancel": f"expectedpayment/{expected.pk}/cancel/",
        "registrations": "c2bregistration/",
        "registration": f"c2bregistration/{registration.pk}/change/",
        "register": f"c2bregistration/register/{settings_row.pk}/",
    }.items():
        found += faults(page, f"{BASE}/{place}")
        shoot(page, f"{name}-{'phone' if phone else 'desktop'}")
    assert not found, "\n".join(found)
