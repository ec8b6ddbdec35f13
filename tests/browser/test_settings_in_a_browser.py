"""The main job of an administrator, in a real browser: type keys once, test, save."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from integrations.models import MpesaSettings, Payment, PaymentEvent, PaymentState
from tests.conftest import mpesa_values
from tests.hunt.plants import PASSKEY, planted
from tests.sandbox.driver import SandboxDriver

pytestmark = pytest.mark.browser

ADD = "/admin/integrations/mpesasettings/add/"
KEY, SECRET = planted("typed consumer key"), planted("typed consumer secret")

OpenAdmin = Callable[..., Page]
Shoot = Callable[[Page, str], None]


@pytest.fixture(autouse=True)
def _sandbox_allowed(sandbox: SandboxDriver, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_HOSTS = [sandbox.base_url.removeprefix("http://")]


@pytest.fixture
def row(sandbox: SandboxDriver, public_url: str) -> MpesaSettings:
    return MpesaSettings.objects.create(**mpesa_values(sandbox, consumer_key=KEY))


def change_url(row: MpesaSettings) -> str:
    return f"/admin/integrations/mpesasettings/{row.pk}/change/"


def messages(page: Page) -> Any:
    """The messages above the page's own content."""
    return page.locator("#main > div > .container > ul")


def press_test(page: Page) -> Any:
    """Press the button; the place where the answer appears."""
    page.get_by_role("button", name="Test connection").click()
    return page.locator("[data-test-result]")


def test_an_administrator_types_tests_and_saves(
    open_admin: OpenAdmin, shoot: Shoot, sandbox: SandboxDriver
) -> None:
    page = open_admin()
    page.goto(ADD)
    page.get_by_label("Consumer key", exact=False).fill(KEY)
    page.get_by_label("Consumer secret").fill(SECRET)
    page.get_by_label("Passkey").fill(PASSKEY)
    page.get_by_label("Short code").fill("174379")
    page.get_by_label("Sandbox URL").fill(sandbox.daraja_url)
    expect(press_test(page)).to_contain_text("What you typed, not saved: Connected to")
    # The test left everything where it was: saving needs no second typing.
    shoot(page, "typed-and-tested")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(messages(page)).to_contain_text("was added successfully")
    row = MpesaSettings.objects.get()
    assert row.consumer_secret.reveal() == SECRET
    expect(page.locator("[data-settings-badge]")).to_have_text("Not tested")
    expect(press_test(page)).to_contain_text("Saved settings: Connected to")
    expect(page.locator("[data-settings-badge]")).to_have_text("Connected")
    shoot(page, "saved-and-tested")
    assert KEY not in page.content()


def test_a_refusal_is_readable(
    open_admin: OpenAdmin, shoot: Shoot, row: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.app(KEY, "another secret")
    page = open_admin(dark=True)
    page.goto(change_url(row))
    expect(press_test(page)).to_contain_text("M-Pesa refused the consumer key and secret")
    expect(page.locator("[data-settings-badge]")).to_have_text("Failing")
    shoot(page, "refused-dark")


def test_a_new_host_asks_for_the_secrets_again(
    open_admin: OpenAdmin, shoot: Shoot, row: MpesaSettings
) -> None:
    page = open_admin()
    page.goto(change_url(row))
    page.get_by_label("Sandbox URL").fill("https://daraja.example")
    result = press_test(page)
    expect(result).to_contain_text("Not tested")
    expect(result.get_by_role("listitem").first).to_contain_text("type this secret again")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".field-consumer_key .errorlist")).to_contain_text("type this secret again")
    shoot(page, "host-changed")


def test_enter_saves_and_does_not_test(open_admin: OpenAdmin, row: MpesaSettings) -> None:
    page = open_admin()
    page.goto(change_url(row))
    page.get_by_label("Short code").fill("600123")
    page.get_by_label("Short code").press("Enter")
    page.wait_for_url("**/mpesasettings/")
    row.refresh_from_db()
    assert (row.short_code, row.last_test_at) == ("600123", None)


def test_an_expired_session_is_told(open_admin: OpenAdmin, row: MpesaSettings) -> None:
    page = open_admin()
    page.goto(change_url(row))
    page.context.clear_cookies()
    expect(press_test(page)).to_contain_text("Reload the page and log in again")


def test_the_button_works_without_scripts(open_admin: OpenAdmin, row: MpesaSettings) -> None:
    page = open_admin(scripts=False)
    page.goto(change_url(row))
    page.get_by_role("button", name="Test connection").click()
    expect(messages(page)).to_contain_text("Connected to")


def test_every_input_has_a_label_and_a_phone_shows_the_page_whole(
    open_admin: OpenAdmin, shoot: Shoot, row: MpesaSettings
) -> None:
    page = open_admin(phone=True)
    page.goto(change_url(row))
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll(
            '#mpesasettings_form input:not([type=hidden]), select, textarea')]
            .filter((box) => !box.labels?.length && !box.value).map((box) => box.name)"""
    )
    assert unnamed == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    press_test(page)
    expect(page.locator("[data-test-result]")).to_contain_text("Connected to")
    shoot(page, "settings-phone")


def test_the_ledger_is_readable(open_admin: OpenAdmin, shoot: Shoot, row: MpesaSettings) -> None:
    MpesaSettings.objects.create(business="duka-two", environment="production", short_code="600123")
    for state in (PaymentState.SUCCEEDED, PaymentState.UNKNOWN, PaymentState.FAILED):
        payment = Payment.objects.create(
            provider="mpesa", product="stk_push", environment="sandbox", amount=Decimal(1000),
            phone="254712345678", account_reference="INV001", state=state,
        )  # fmt: skip
        PaymentEvent.objects.create(payment=payment, kind="created", text="KES 1,000.",
                                    to_state="sending")  # fmt: skip
        PaymentEvent.objects.create(payment=payment, kind="callback", text="Paid.",
                                    from_state="pending", to_state=state,
                                    data={"receipt": "TJI123ABC9"})  # fmt: skip
    page = open_admin()
    page.goto("/admin/integrations/payment/")
    shoot(page, "payments")
    page.goto(f"/admin/integrations/payment/{payment.pk}/change/")
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    shoot(page, "payment")
    page.goto("/admin/integrations/mpesasettings/")
    expect(page.locator("#result_list .badge-live")).to_have_text("PRODUCTION")
    expect(page.locator("#header-inner .badge-live")).to_have_text("PRODUCTION")
    shoot(page, "settings-list")


@pytest.mark.parametrize("address", ["/api/docs/", "/api/redoc/"])
def test_the_schema_pages_ask_no_other_server(
    open_admin: OpenAdmin, shoot: Shoot, public_url: str, address: str
) -> None:
    page = open_admin()
    asked: list[str] = []
    blocked: dict[str, str | None] = {}
    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", lambda request: blocked.update({request.url: request.failure}))
    page.goto(address)
    page.get_by_text("Health of every integration").filter(visible=True).first.wait_for()
    page.wait_for_load_state("networkidle")
    strange = [url for url in asked if not url.startswith((public_url, "data:", "blob:"))]
    # What the page's own policy stopped never left the browser.
    assert [url for url in strange if blocked.get(url) != "csp"] == []
    shoot(page, address.strip("/").replace("/", "-"))
