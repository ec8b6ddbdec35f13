"""A person who has never seen the product, with nothing but the admin and the sandbox's phone."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connections
from playwright.sync_api import Page, expect

from integrations import work
from integrations.models import MpesaSettings, Payment
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.browser.pages import allow_sandbox
from tests.hunt.plants import PASSKEY, planted
from tests.sandbox.driver import SandboxDriver

pytestmark = pytest.mark.browser

KEY, SECRET = planted("typed consumer key"), planted("typed consumer secret")
OpenAdmin = Callable[..., Page]
Shoot = Callable[[Page, str], None]
__all__ = ["allow_sandbox"]


@pytest.fixture
def worker(public_url: str) -> Iterator[None]:
    """All queues, as `manage.py worker` works on them, beside the web server of the test."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.1):
            for queue in work.queues():
                work.drain(queue.name, budget_seconds=2)
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def configure(page: Page, sandbox: SandboxDriver) -> None:
    """From the start page to settings that are saved and tested."""
    page.locator("#nav-sidebar").get_by_role("link", name="M-Pesa", exact=True).click()
    page.get_by_role("link", name=re.compile("Add")).first.click()
    page.get_by_label("Consumer key", exact=False).first.fill(KEY)
    page.get_by_label("Consumer secret").first.fill(SECRET)
    page.get_by_label("Passkey").first.fill(PASSKEY)
    page.get_by_label("Short code").fill("174379")
    page.get_by_label("Sandbox URL").fill(sandbox.daraja_url)
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("[data-test-result]")).to_contain_text("Connected to")


def request_payment(page: Page, reference: str) -> None:
    """From anywhere to the page of a payment whose prompt is out."""
    # The page that is left may be loading itself again just now, which would end a plain goto.
    page.get_by_role("link", name="Payments").first.click()
    page.get_by_role("link", name="Request a payment").click()
    page.get_by_label("Phone").fill("0712 345 678")
    page.get_by_label("Amount in KES").fill("1500")
    page.get_by_label("Account reference").fill(reference)
    page.get_by_role("button", name="Send the prompt").click()
    expect(page.get_by_text("The prompt is on the payer's phone")).to_be_visible()
    expect(page.get_by_text("Waiting for the result").first).to_be_visible()


def answer(phone: Page, word: str) -> None:
    phone.get_by_role("button", name=word).first.click()


def test_configure_pay_and_find_out_why_a_second_payment_failed(
    open_admin: OpenAdmin, shoot: Shoot, sandbox: SandboxDriver, worker: None, allow_sandbox: None
) -> None:
    sandbox.settings(is_interactive=True)
    page = open_admin()
    configure(page, sandbox)
    phone = page.context.browser.new_context().new_page()  # type: ignore[union-attr]
    phone.goto(sandbox.base_url)
    shoot(phone, "panel")

    request_payment(page, "INV001")
    shoot(page, "payment-waiting")
    answer(phone, "Approve")
    # The open page follows: nobody reloads it.
    expect(page.get_by_text("Succeeded").first).to_be_visible()
    shoot(page, "payment-paid")

    request_payment(page, "INV002")
    answer(phone, "Wrong PIN")
    expect(page.get_by_text("Failed").first).to_be_visible()
    expect(page.get_by_text(re.compile("PIN")).first).to_be_visible()
    shoot(page, "payment-failed")

    page.goto("/admin/")
    shoot(page, "start-after-two-payments")
    assert sorted(Payment.objects.values_list("account_reference", "state")) == [
        ("INV001", "succeeded"),
        ("INV002", "failed"),
    ]
    assert MpesaSettings.objects.count() == 1


def test_the_ledger_shows_a_payment_as_it_arrives(
    open_admin: OpenAdmin, sandbox: SandboxDriver, worker: None, mpesa: MpesaSettings
) -> None:
    page = open_admin()
    page.goto("/admin/integrations/payment/")
    MpesaPaymentService.initiate_stk_push("0712345678", 150, "LIVE-1")
    row = page.get_by_role("row").filter(has_text="LIVE-1")
    expect(row).to_be_visible()
    expect(row).to_contain_text("Succeeded")


def test_sending_the_form_twice_prompts_once(
    open_admin: OpenAdmin, sandbox: SandboxDriver, mpesa: MpesaSettings
) -> None:
    page = open_admin(scripts=False)
    page.goto("/admin/integrations/payment/request/")
    page.get_by_label("Phone").fill("0712345678")
    page.get_by_label("Amount in KES").fill("10")
    page.get_by_label("Account reference").fill("TWICE")
    page.get_by_role("button", name="Send the prompt").click()
    first = page.url
    page.go_back()
    page.get_by_label("Phone").fill("0712345678")
    page.get_by_label("Amount in KES").fill("10")
    page.get_by_label("Account reference").fill("TWICE")
    page.get_by_role("button", name="Send the prompt").click()
    # Whether the browser kept the form or asked for a new one: the second is not sent.
    held_back = page.get_by_text("is still open")
    assert page.url == first or held_back.count() == 1
    assert len(sandbox.prompts()) == 1
