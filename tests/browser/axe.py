"""axe-core's verdict on a page."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

BAD = ("serious", "critical")


def serious_violations(page: Page) -> list[str]:
    """What axe finds serious or critical, each with the first place where it is."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found if each["impact"] in BAD
    ]
