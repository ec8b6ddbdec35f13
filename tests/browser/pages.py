"""What the browser tests share."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.sandbox.driver import SandboxDriver


@pytest.fixture
def allow_sandbox(sandbox: SandboxDriver, settings: Any) -> None:
    """The operator's permission to call the sandbox."""
    settings.OUTBOUND_ALLOWED_HOSTS = [sandbox.base_url.removeprefix("http://")]


def press_until(page: Page, key: str, name: str, limit: int = 60) -> None:
    """Press a key until the control with this name has the focus."""
    for _ in range(limit):
        page.keyboard.press(key)
        told = page.evaluate(
            """(document.activeElement.getAttribute('aria-label')
                || document.activeElement.labels?.[0]?.textContent
                || document.activeElement.textContent).trim()"""
        )
        if told == name:
            return
    raise AssertionError(f"{name!r} was not reached by {key}")
