"""The pages of finance staff and operators in a browser: readable on a phone, no serious fault."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Error, Page

from integrations.config import rotation as rotations
from integrations.models import (
    ApiToken,
    DomainEvent,
    MpesaSettings,
    Payment,
    PaymentEvent,
    RotationStage,
)
from integrations.work import WorkState
from tests.browser.pages import press_until
from tests.config.rotation.stock import finish

pytestmark = pytest.mark.browser

BASE = "/admin/integrations"


@pytest.fixture
def payment(transactional_db: None) -> Payment:
    """A payment that needs a person, among others."""
    for number in range(60):
        Payment.objects.create(
            provider="mpesa", product="stk_push", environment="sandbox", amount=100 + number,
            state="succeeded", phone="254712345678", account_reference=f"INV-{number:04}",
            receipt=f"TJI{number:04}ABC",
        )  # fmt: skip
    made = Payment.objects.create(
        provider="mpesa", product="stk_push", environment="production", amount=1000,
        state="unknown", phone="254712345678", account_reference="INV-2026-0107",
        attention="M-Pesa gave no certain answer for two days: compare with the statement.",
    )  # fmt: skip
    for kind, text in (("created", "KES 1,000."), ("no_answer", "The answer was lost.")):
        PaymentEvent.objects.create(
            payment=made, kind=kind, text=text, to_state="unknown", data={"code": "timeout"}
        )
    return made


def faults(page: Page, url: str) -> list[str]:
    """What axe finds serious on the page; and whether it is wider than the window."""
    try:
        page.goto(url)
    except Error as aborted:
        # A live page had just begun to follow its rows, which ended our navigation.
        if "ERR_ABORTED" not in str(aborted):
            raise
        page.goto(url)
    page.wait_for_load_state("load")
    found: Any = Axe().run(page).response["violations"]
    serious = [
        f"{url}: {each['id']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:3]
    ]
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"
    return [*serious, *([f"{url} is wider than the window"] if page.evaluate(wide) else [])]


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)])
def test_the_pages_have_no_serious_fault(
    open_admin: Callable[..., Page], shoot: Callable[[Page, str], None], payment: Payment,
    phone: bool, dark: bool,
) -> None:  # fmt: skip
    DomainEvent.objects.create(
        event_type="payment.failed", payload={}, work_state=WorkState.DEAD, next_attempt_at=None
    )
    MpesaSettings.objects.create(passkey="x")
    page = open_admin(phone=phone, dark=dark)
    token, _ = ApiToken.issue(
        User.objects.get(), name="Shop", scopes=["payments:read"],
        expires_at=timezone.now() + timedelta(days=30),
    )  # fmt: skip
    rotations.start_rotation(into_database=True)
    look = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
    found: list[str] = []
    for name, url in {
        "ledger": f"{BASE}/payment/",
        "payment": f"{BASE}/payment/{payment.pk}/change/",
        "request": f"{BASE}/payment/request/",
        "queues": f"{BASE}/workqueue/",
        "retry": f"{BASE}/workqueue/events/retry/",
        "rotation": f"{BASE}/keyrotation/",
        "tokens": f"{BASE}/apitoken/",
        "token": f"{BASE}/apitoken/{token.pk}/change/",
        "token-add": f"{BASE}/apitoken/add/",
        "grant-add": f"{BASE}/businessgrant/add/",
    }.items():
        found += faults(page, url)
        shoot(page, f"{name}-{look}")
    assert not found, "\n".join(found)


def test_the_rotation_page_follows_the_worker_by_itself(
    open_admin: Callable[..., Page], transactional_db: None
) -> None:
    MpesaSettings.objects.create(passkey="x")
    page = open_admin()
    page.goto(f"{BASE}/keyrotation/start/")
    page.get_by_label("Keep the new key in the database.").check()
    page.get_by_role("button", name="Make a new key and start").click()
    page.get_by_role("heading", name="New key known").wait_for()
    assert finish().stage == RotationStage.VERIFIED
    page.get_by_role("heading", name="Done: everything that can be read").wait_for()
    assert page.get_by_role("link", name="Retire the old keys").is_visible()


def test_a_key_is_rotated_by_keyboard_alone(
    open_admin: Callable[..., Page], transactional_db: None
) -> None:
    MpesaSettings.objects.create(passkey="x")
    page = open_admin()
    page.goto(f"{BASE}/keyrotation/")
    press_until(page, "Tab", "Rotate the key")
    page.keyboard.press("Enter")
    page.wait_for_url("**/keyrotation/start/")
    press_until(page, "Tab", "Keep the new key in the database.")
    page.keyboard.press("Space")
    press_until(page, "Tab", "Make a new key and start")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="New key known").wait_for()
    assert finish().stage == RotationStage.VERIFIED
    page.get_by_role("link", name="Retire the old keys").wait_for()
    press_until(page, "Tab", "Retire the old keys")
    page.keyboard.press("Enter")
    page.wait_for_url("**/keyrotation/retire/")
    press_until(page, "Tab", "Remove the old keys")
    page.keyboard.press("Enter")
    page.get_by_text("The old keys are being retired.").wait_for()
    assert finish().stage == RotationStage.RETIRED


def test_a_person_works_through_a_payment(
    open_admin: Callable[..., Page], payment: Payment
) -> None:
    page = open_admin()
    page.goto(f"{BASE}/payment/?attention=yes")
    page.get_by_role("link").filter(has_text="2026").first.click()
    page.get_by_role("button", name="Ask provider now").click()
    page.get_by_text("M-Pesa gave no CheckoutRequestID for it").wait_for()
    page.get_by_label("What did you find?").fill("It is in the statement of the 7th.")
    page.get_by_label("It was not paid").check()
    page.get_by_role("button", name="Done, with this note").click()
    page.get_by_text("Your note is in the history.").wait_for()
    assert page.get_by_text("It is in the statement of the 7th.").is_visible()
    payment.refresh_from_db()
    assert payment.attention == ""


def test_the_list_is_downloaded_as_a_file(
    open_admin: Callable[..., Page], payment: Payment
) -> None:
    page = open_admin()
    page.goto(f"{BASE}/payment/?state__exact=unknown")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export this list (CSV)").click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    assert download.value.suggested_filename.endswith(".csv")
    assert len(text.splitlines()) == 2
    assert "INV-2026-0107" in text
