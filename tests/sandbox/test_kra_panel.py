"""KRA on the panel: receipts, refusals, the outage and the line; texts stay texts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Page

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


@pytest.mark.browser
def test_receipts_refusals_and_switches(sandbox: SandboxDriver, page: Page) -> None:
    page.get_by_text("No invoice was signed yet.").wait_for()
    trader = Trader(sandbox, "vscu").equip()
    trader.sell(trdInvcNo=HOSTILE)
    trader.post("sale", sale(9))
    page.get_by_text("Invoice 1 signed").wait_for()
    page.get_by_text(HOSTILE).wait_for()
    page.get_by_text("Refused (910): save_sale").wait_for()
    page.get_by_label("KRA is away").check()
    page.wait_for_function("document.getElementById('kra-outage').checked")
    assert sandbox.kra_book()["is_away"]
    page.get_by_label("KRA is away").uncheck()
    page.get_by_label("The VSCU’s line to KRA is cut").check()
    page.wait_for_timeout(1200)
    assert sandbox.kra_book()["line_cut_at"]
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_one_invoice_whole(sandbox: SandboxDriver) -> None:
    Trader(sandbox).equip().sell()
    told = sandbox.get("kra/invoice?number=1")
    assert (told["body"]["totAmt"], told["number"]) == (2320.0, 1)
    for number in ("2", "x", ""):
        url = f"{sandbox.base_url}/_control/kra/invoice?number={number}"
        assert requests.get(url, timeout=10).status_code == 400
