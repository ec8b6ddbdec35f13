"""The panel: a person plays the phone in a browser, and hostile texts stay texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page

from tests.sandbox.daraja import Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.office import Office
from tests.sandbox.receiver import Receiver

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def test_the_panel_loads_nothing_from_elsewhere_and_runs_only_its_own_script(
    sandbox: SandboxDriver,
) -> None:
    first, second = (requests.get(f"{sandbox.base_url}/", timeout=10) for _ in range(2))
    policy = first.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    (nonce,) = set(re.findall(r"'nonce-([^']+)'", policy))
    assert first.text.count(f'nonce="{nonce}"') == 2
    assert nonce not in second.text
    assert "{{" not in first.text
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", first.text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval", first.text)


@pytest.fixture
def page(sandbox: SandboxDriver, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme="dark")
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.goto(f"{sandbox.base_url}/")
    yield page
    page.close()
    assert problems == []


@pytest.mark.browser
def test_a_person_approves_one_prompt_and_refuses_the_next(
    sandbox: SandboxDriver, shop: Shop, receiver: Receiver, page: Any
) -> None:
    page.get_by_label("Let me answer the prompts myself").check()
    page.wait_for_function("document.getElementById('interactive').checked")
    until(lambda: sandbox.book()["settings"]["is_interactive"], page)
    shop.push(Amount=1000)
    page.get_by_role("button", name="Approve: KES 1,000, phone 254712000001").click()
    receipt = page.get_by_text(re.compile(r"Paid, receipt U|Paid, receipt [A-Z]"))
    receipt.wait_for()
    assert sandbox.book()["receipts"][0] in receipt.inner_text()
    page.get_by_text("Callback: HTTP 200").wait_for()
    for name, code in (("Wrong PIN", 2001), ("Cancel", 1032)):
        shop.push()
        page.get_by_role("button", name=f"{name}: KES 150").click()
        page.get_by_text(f"Not paid ({code})").wait_for()
    codes = [received.callback["ResultCode"] for received in receiver.received]
    assert codes == [0, 2001, 1032]


@pytest.mark.browser
def test_a_hostile_reference_is_shown_as_text(
    sandbox: SandboxDriver, shop: Shop, page: Any
) -> None:
    sandbox.settings(is_interactive=True)
    shop.push(AccountReference=HOSTILE, TransactionDesc="<b>bold</b>")
    page.get_by_text(f"reference {HOSTILE}").wait_for()
    sandbox.answer(1, "approve")
    page.get_by_text("Paid, receipt").wait_for()
    assert page.get_by_text(f"reference {HOSTILE}").count() == 1
    assert page.locator("main img, main script, main b").count() == 0
    assert page.title() == "Sandbox phone"
    # Nothing is wider than a small phone.
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.browser
def test_a_person_plays_a_customer_and_chooses_a_result(
    sandbox: SandboxDriver, office: Office, page: Any
) -> None:
    page.get_by_text("A customer pays").click()
    page.get_by_label("Account number").fill(HOSTILE)
    page.get_by_label("Amount (KES)").fill("70")
    page.get_by_role("button", name="Pay", exact=True).click()
    page.get_by_text("Customer’s payment: receipt").wait_for()
    page.get_by_text(HOSTILE).wait_for()
    page.get_by_text("Working Account: KES 10,000,070.00").wait_for()
    page.get_by_text("What the next request comes to").click()
    page.get_by_label("Request").select_option("Payout")
    page.get_by_label("Result code").fill("2040")
    page.get_by_role("button", name="Use it once").click()
    page.get_by_text("The next request comes to this.").wait_for()
    assert office.result(office.b2c())["ResultCode"] == 2040
    page.get_by_text("Payout: not done (2040)").wait_for()
    office.result(office.b2c())
    page.get_by_text("Payout: receipt").wait_for()
    # A number that is none is not sent, and nothing is wider than a small phone.
    page.get_by_label("Phone", exact=True).fill("12")
    page.get_by_role("button", name="Pay", exact=True).click()
    assert len(sandbox.book()["c2b"]) == 1
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def until(happens: Any, page: Any) -> None:
    for _ in range(3000):
        if happens():
            return
        page.wait_for_timeout(20)
    raise AssertionError("it did not happen")
