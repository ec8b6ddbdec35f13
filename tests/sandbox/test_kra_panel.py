"""KRA on the panel: receipts, refusals, the outage and the line; texts stay texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page

from tests.conftest import wait_until
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.kra import Trader, sale

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def page(sandbox: SandboxDriver, browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 360, "height": 740})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.goto(f"{sandbox.base_url}/")
    yield page
    page.close()
    assert problems == []


def turn(box: Locator, on: bool, found: Callable[[], object]) -> None:
    """Until the sandbox says so: what it said a moment ago may be drawn over a click."""

    def is_turned() -> bool:
        if box.is_checked() is not on:
            box.click()
        return bool(found()) is on

    wait_until(is_turned)


@pytest.mark.browser
def test_receipts_refusals_and_switches(sandbox: SandboxDriver, page: Page) -> None:
    page.get_by_text("No invoice was signed yet.").wait_for()
    trader = Trader(sandbox, "vscu").equip()
    trader.sell(trdInvcNo=HOSTILE)
    trader.post("sale", sale(9))
    page.get_by_text("Invoice 1 signed").wait_for()
    page.get_by_text(HOSTILE).wait_for()
    page.get_by_text("Refused (910): save_sale").wait_for()
    for label, name in (
        ("KRA is away", "is_away"),
        ("The VSCU’s line to KRA is cut", "line_cut_at"),
    ):
        for on in (True, False, True):
            turn(page.get_by_label(label), on, lambda name=name: sandbox.kra_book()[name])  # type: ignore[misc]
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_one_invoice_whole(sandbox: SandboxDriver) -> None:
    Trader(sandbox).equip().sell()
    told = sandbox.get("kra/invoice?number=1")
    assert (told["body"]["totAmt"], told["number"]) == (2320.0, 1)
    for number in ("2", "x", ""):
        url = f"{sandbox.base_url}/_control/kra/invoice?number={number}"
        assert requests.get(url, timeout=10).status_code == 400
