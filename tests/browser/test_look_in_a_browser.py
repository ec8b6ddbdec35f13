"""The admin's look in a real browser: phone and desktop, light and dark, keyboard, axe-core."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.models import (
    InboundCallback,
    MpesaSettings,
    Payment,
    PaymentState,
    ProviderCall,
)
from tests.browser.axe import serious_violations
from tests.browser.pages import press_until
from tests.conftest import mpesa_values
from tests.sandbox.driver import SandboxDriver

pytestmark = pytest.mark.browser

OpenAdmin = Callable[..., Page]
Shoot = Callable[[Page, str], None]
LOOKS = [(False, False), (False, True), (True, False), (True, True)]


@pytest.fixture
def rows(sandbox: SandboxDriver, public_url: str, settings: Any) -> MpesaSettings:
    """Something on every card."""
    settings.OUTBOUND_ALLOWED_HOSTS = [sandbox.base_url.removeprefix("http://")]
    for number, state in enumerate([*[PaymentState.SUCCEEDED] * 5, *PaymentState.values]):
        Payment.objects.create(
            provider="mpesa", product="stk_push", environment="sandbox", amount=Decimal(1250),
            phone="254712345678", account_reference=f"INV-{number}", state=state,
            attention="Ask the payer." if state == PaymentState.UNKNOWN else "",
        )  # fmt: skip
        ProviderCall.objects.create(
            provider="mpesa", operation="stk_push", outcome="failed" if number == 3 else "ok",
            latency_ms=120, created_at=timezone.now(),
        )  # fmt: skip
    InboundCallback.objects.create(route="stk", body="x", status="quarantined",
                                   reason="No payment has this address.")  # fmt: skip
    MpesaSettings.objects.create(business="duka-two", environment="production", short_code="600123")
    row = MpesaSettings.objects.create(**mpesa_values(sandbox))
    row.note_test(ok=True, message="Connected to the sandbox.", milliseconds=80)
    return row


def pages(row: MpesaSettings) -> dict[str, str]:
    settings = "/admin/integrations/mpesasettings/"
    return {
        "start": "/admin/",
        "settings-list": settings,
        "settings-form": f"{settings}{row.pk}/change/",
        "history": f"{settings}{row.pk}/history/",
        "ledger": "/admin/integrations/payment/",
        "users": "/admin/auth/user/",
        "user-form": "/admin/auth/user/add/",
    }


@pytest.mark.parametrize(("phone", "dark"), LOOKS)
def test_pages_fit_and_have_no_serious_violation(
    open_admin: OpenAdmin, shoot: Shoot, rows: MpesaSettings, phone: bool, dark: bool
) -> None:
    page = open_admin(phone=phone, dark=dark)
    look = f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
    found = {}
    for name, url in pages(rows).items():
        page.goto(url)
        page.wait_for_load_state("networkidle")
        shoot(page, f"{name}-{look}")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.viewport_size["width"], name  # type: ignore[index]
        if violations := serious_violations(page):
            found[name] = violations
    assert found == {}


def test_the_login_page_has_no_serious_violation(
    browser: Any, public_url: str, shoot: Shoot
) -> None:
    page = browser.new_page(base_url=public_url)
    page.goto("/admin/login/")
    shoot(page, "login")
    assert serious_violations(page) == []
    page.close()


def test_a_number_of_the_start_page_leads_to_its_rows(
    open_admin: OpenAdmin, rows: MpesaSettings
) -> None:
    page = open_admin()
    card = page.locator("article", has=page.get_by_role("heading", name="Needs a person"))
    card.get_by_role("link").click()
    expect(page.locator("#result_list tbody tr.data-row")).to_have_count(1)
    expect(page.locator("#result_list tbody")).to_contain_text("Needs a person")


def test_the_menu_opens_by_keyboard_on_a_phone(open_admin: OpenAdmin, rows: MpesaSettings) -> None:
    page = open_admin(phone=True)
    link = page.locator("#nav-sidebar").get_by_role("link", name="Payments", exact=True)
    expect(link).not_to_be_visible()
    press_until(page, "Tab", "Menu")
    page.keyboard.press("Enter")
    expect(link).to_be_visible()
    link.press("Enter")
    page.wait_for_url("**/integrations/payment/")


def test_focus_is_visible(open_admin: OpenAdmin, rows: MpesaSettings) -> None:
    page = open_admin()
    page.goto(pages(rows)["settings-form"])
    for label in ("Short code", "Consumer key", "Shared"):
        page.get_by_label(label, exact=True).focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", label


def test_settings_are_saved_and_tested_by_keyboard_alone(
    open_admin: OpenAdmin, rows: MpesaSettings
) -> None:
    page = open_admin()
    page.goto(pages(rows)["settings-form"])
    page.get_by_label("Short code").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("600777")
    press_until(page, "Tab", "Save and continue editing")
    page.keyboard.press("Enter")
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    rows.refresh_from_db()
    assert rows.short_code == "600777"
    page.get_by_label("Short code").focus()
    press_until(page, "Tab", "Test connection")
    page.keyboard.press("Enter")
    expect(page.locator("[data-test-result]")).to_contain_text("Connected to")


def test_the_callback_address_is_copied(open_admin: OpenAdmin, rows: MpesaSettings) -> None:
    page = open_admin()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    MpesaSettings.objects.filter(pk=rows.pk).update(callback_base_url="https://erp.example.ke")
    page.goto(pages(rows)["settings-form"])
    page.get_by_role("button", name="Copy the callback address").click()
    expect(page.locator(".copy-button")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("https://erp.example.ke/api/v1/integrations/cb/stk/")
