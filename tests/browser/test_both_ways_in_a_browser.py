"""Money out, and the end of a day, with nothing but the admin, on a phone in the dark."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.models import ExpectedPayment, MpesaSettings, Payment
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.browser.axe import serious_violations
from tests.browser.test_money_pages import faults
from tests.browser.test_walkthrough import worker
from tests.conftest import wait_until
from tests.hunt.plants import planted
from tests.sandbox.driver import SandboxDriver

pytestmark = pytest.mark.browser
__all__ = ["worker"]
BASE = "/admin/integrations"
OpenAdmin = Callable[..., Page]
Shoot = Callable[[Page, str], None]


class Walk:
    """One window; keeps a picture of each step and what axe says of it."""

    def __init__(self, page: Page, shoot: Shoot) -> None:
        self.page = page
        self._shoot = shoot
        self.found: list[str] = []

    def see(self, name: str, url: str = "") -> None:
        """Look at a page as a picture and with axe; without `url`, at the one that is open."""
        self.found += faults(self.page, url or self.page.url)
        self._shoot(self.page, f"both-ways-{name}")

    def see_here(self, name: str) -> None:
        """A picture of what a button brought: opening the address again would show another page."""
        self.found += serious_violations(self.page)
        self._shoot(self.page, f"both-ways-{name}")

    def press(self, name: str) -> None:
        button = self.page.get_by_role("button", name=name, exact=True)
        link = self.page.get_by_role("link", name=name, exact=True)
        button.or_(link).first.click()


@pytest.fixture
def shop(paying: MpesaSettings, sandbox: SandboxDriver) -> MpesaSettings:
    """The short code of the sandbox's PayBill; more than KES 1,000 waits for a second person."""
    sandbox.initiator("174379", name="testapi", password=planted("initiator password"))
    paying.short_code, paying.approve_above = "174379", 1000
    paying.save()
    return paying


def second_person(page: Page) -> Page:
    """The same kind of window, in which somebody else logged in."""
    User.objects.create_superuser("second", password=planted("admin password"))
    browser = page.context.browser
    assert browser is not None
    window = browser.new_context(
        base_url=re.sub(r"/admin/.*", "", page.url), viewport=page.viewport_size
    )
    other = window.new_page()
    other.goto("/admin/login/")
    other.get_by_label("Username").fill("second")
    other.get_by_label("Password").fill(planted("admin password"))
    other.get_by_role("button", name="Log in").click()
    other.wait_for_url("**/admin/")
    return other


@pytest.mark.usefixtures("worker")
def test_money_goes_out_and_some_comes_back(
    open_admin: OpenAdmin, shoot: Shoot, shop: MpesaSettings, sandbox: SandboxDriver
) -> None:  # fmt: skip
    page = open_admin(phone=True, dark=True)
    walk = Walk(page, shoot)
    walk.see("settings", f"{BASE}/mpesasettings/{shop.pk}/change/")
    walk.press("Check this configuration")
    expect(page.locator("#check-summary")).to_be_visible()
    walk.see_here("preflight")
    page.goto(f"{BASE}/payment/")
    walk.press("Pay out")
    walk.see("pay-out")
    page.get_by_label("Phone").fill("0733000002")
    page.get_by_label("Amount in KES").fill("1500")
    page.get_by_label("Reference").fill("SUP-31")
    walk.press("Pay out")
    expect(page.locator("main, #content").first).to_contain_text("approve")
    walk.see("payout-waits")
    assert sandbox.book()["payouts"] == []
    other = second_person(page)
    other.get_by_role("link", name=re.compile("1 request")).click()
    other.locator("#result_list").get_by_role("link").first.click()
    other.get_by_role("button", name="Approve KES 1,500.00").click()
    other.get_by_text("Approved: it goes ahead.").wait_for()
    other.context.close()
    payout = wait_until(lambda: Payment.objects.filter(state="succeeded").first())
    walk.see("payout-paid", f"{BASE}/payment/{payout.pk}/change/")
    expect(page.get_by_text(payout.receipt).first).to_be_visible()
    MpesaPaymentService.initiate_stk_push("0712345678", 1000, "INV101")
    paid = wait_until(lambda: Payment.objects.filter(direction="in", state="succeeded").first())
    page.goto(f"{BASE}/payment/{paid.pk}/change/")
    walk.press("Reverse (up to KES 1,000.00)")
    page.get_by_label("Amount in KES").fill("500")
    page.get_by_label("Remarks").fill("The invoice was too high")
    walk.press("Give the money back")
    wait_until(lambda: Payment.objects.filter(product="reversal", state="succeeded").exists())
    walk.see("reversed", f"{BASE}/payment/{paid.pk}/change/")
    walk.see("ledger", f"{BASE}/payment/")
    page.goto(f"{BASE}/accountbalance/")
    walk.press("Ask for the balance now")
    wait_until(lambda: sandbox.book()["queries"])
    sandbox.settle()
    walk.see("balances", f"{BASE}/accountbalance/")
    assert walk.found == []


@pytest.mark.usefixtures("worker")
def test_a_day_is_compared_until_nothing_is_left_to_do(
    open_admin: OpenAdmin, shoot: Shoot, shop: MpesaSettings, sandbox: SandboxDriver,
    tmp_path: Path,
) -> None:  # fmt: skip
    page = open_admin(phone=True, dark=True)
    walk = Walk(page, shoot)
    walk.see("register", f"{BASE}/c2bregistration/register/{shop.pk}/")
    # Not by the button: the page after it shows the secret addresses, this once.
    assert MpesaPaymentService.register_c2b_urls()[0]
    MpesaPaymentService.expect_payment("ORDER-7", 2500)
    MpesaPaymentService.expect_payment("ORDER-8", 700)
    sandbox.simulate_c2b(2500, "order 7", shortcode="174379")
    wait_until(lambda: ExpectedPayment.objects.filter(state="paid").exists())
    walk.see("expected", f"{BASE}/expectedpayment/")
    sandbox.fault("no_callback", operation="c2b_confirmation")
    sandbox.simulate_c2b(700, "ORDER-8", shortcode="174379")
    sandbox.settle()
    file = tmp_path / "statement.csv"
    file.write_text(sandbox.statement_csv("174379", day=f"{timezone.localdate():%Y-%m-%d}"))
    page.goto(f"{BASE}/statementrun/")
    walk.press("Import a statement")
    walk.see("upload")
    page.locator("input[type=file]").set_input_files(file)
    walk.press("Import and compare")
    page.wait_for_url("**/statementrun/*/change/")
    wait_until(lambda: not page.reload() or "Missing here" in page.content())
    walk.see("statement")
    walk.see("work-list", f"{BASE}/worklist/")
    page.get_by_role("link", name=re.compile(r"^U\w{9}$")).click()
    walk.see("item")
    walk.press("Record the payment from this line")
    page.get_by_text("The payment is recorded, and here it is.").wait_for()
    wait_until(lambda: ExpectedPayment.objects.filter(state="paid").count() == 2)
    walk.see("work-list-done", f"{BASE}/worklist/")
    expect(page.get_by_text("Nothing waits here.").first).to_be_visible()
    assert walk.found == []
