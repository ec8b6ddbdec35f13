"""Chromium, a logged-in administrator, and a folder for screenshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from tests.hunt.plants import planted

SHOTS = Path(__file__).parent / "shots"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
# Milliseconds that a busy machine may take; the browser's own five seconds are few.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)


@pytest.fixture
def open_admin(browser: Browser, public_url: str) -> Iterator[Callable[..., Page]]:
    """Opens a window, logged in as an administrator through the login form."""
    User.objects.create_superuser("admin", password=planted("admin password"))
    windows: list[Any] = []

    def open_window(*, dark: bool = False, phone: bool = False, scripts: bool = True) -> Page:
        window = browser.new_context(
            base_url=public_url,
            viewport=PHONE if phone else DESKTOP,
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        windows.append(window)
        page = window.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto("/admin/login/")
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill(planted("admin password"))
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/admin/")
        return page

    yield open_window
    for window in windows:
        window.close()


@pytest.fixture
def shoot() -> Callable[[Page, str], None]:
    """Keeps a picture of the whole page, for people."""

    def take(page: Page, name: str) -> None:
        SHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    return take
