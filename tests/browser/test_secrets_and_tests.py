"""Secrets that are kept and cleared, and a connection test that fails, as a person sees it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from integrations.models import MpesaSettings
from integrations.outbound import Limits
from integrations.providers.mpesa.client import connection
from tests.conftest import CONSUMER_SECRET, mpesa_values
from tests.hunt.plants import planted
from tests.sandbox.driver import SandboxDriver

pytestmark = pytest.mark.browser

OpenAdmin = Callable[..., Page]
NEW = planted("typed consumer secret")


def open_form(page: Page, row: MpesaSettings) -> None:
    page.goto(f"/admin/integrations/mpesasettings/{row.pk}/change/")


def save(page: Page, row: MpesaSettings) -> None:
    """Save, stay, and read what is stored now."""
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    row.refresh_from_db()


def press_test(page: Page) -> Locator:
    """Press the button; the place where the answer appears."""
    page.get_by_role("button", name="Test connection").click()
    return page.locator("[data-test-result]")


def test_blank_keeps_a_secret_typing_replaces_it_and_clear_clears_it(
    mpesa: MpesaSettings, open_admin: OpenAdmin
) -> None:
    page = open_admin()
    open_form(page, mpesa)
    secret = page.get_by_label("Consumer secret", exact=True)
    expect(secret).to_have_value("")
    page.get_by_label("Short code").fill("600777")
    save(page, mpesa)
    assert (mpesa.short_code, mpesa.consumer_secret.reveal()) == ("600777", CONSUMER_SECRET)
    secret.fill(NEW)
    save(page, mpesa)
    assert mpesa.consumer_secret.reveal() == NEW
    expect(secret).to_have_value("")
    page.get_by_label("Clear the stored consumer secret").check()
    save(page, mpesa)
    assert not mpesa.consumer_secret
    assert mpesa.consumer_key and mpesa.passkey
    expect(page.locator("[data-settings-badge]")).to_have_text("Not configured")
    # Nothing is left that could be cleared.
    expect(page.get_by_label("Clear the stored consumer secret")).to_have_count(0)
    expect(page.get_by_label("Clear the stored passkey")).to_have_count(1)
    assert NEW not in page.content()


def test_a_bad_key_and_a_slow_provider_are_told_in_words(
    mpesa: MpesaSettings, sandbox: SandboxDriver, open_admin: OpenAdmin,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    page = open_admin()
    open_form(page, mpesa)
    page.get_by_label("Consumer secret", exact=True).fill(NEW)
    sandbox.app(mpesa.consumer_key.reveal(), CONSUMER_SECRET)
    expect(press_test(page)).to_contain_text(
        "What you typed, not saved: M-Pesa refused the consumer key and secret"
    )
    page.get_by_label("Consumer secret", exact=True).fill("")
    # Slower than anybody waits for; the real limit is longer than a test should be.
    with monkeypatch.context() as shorter:
        shorter.setattr(connection, "TOKEN_LIMITS", Limits(connect=0.5, read=0.5, total=0.8))
        sandbox.fault("delay", operation="oauth", seconds=1.5, times=None)
        result = press_test(page)
        expect(result).to_contain_text("Saved settings: The provider did not answer in time")
    expect(page.locator("[data-settings-badge]")).to_have_text("Failing")
    sandbox.clear_faults()
    # Slow, but not too slow: the page says that it waits.
    sandbox.fault("delay", operation="oauth", seconds=2)
    press_test(page)
    expect(result).to_have_text("Testing…")
    expect(page.get_by_role("button", name="Test connection")).to_be_disabled()
    expect(result).to_contain_text("Saved settings: Connected to")
    expect(page.locator("[data-settings-badge]")).to_have_text("Connected")


def test_a_provider_that_is_down_is_told_in_words(
    public_url: str, sandbox: SandboxDriver, open_admin: OpenAdmin, settings: Any
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings.OUTBOUND_ALLOWED_HOSTS = [f"127.0.0.1:{port}"]
    values = mpesa_values(sandbox, sandbox_url=f"http://127.0.0.1:{port}")
    row = MpesaSettings.objects.create(**values)
    page = open_admin()
    open_form(page, row)
    expect(press_test(page)).to_contain_text("did not accept a connection")
    expect(page.locator("[data-settings-badge]")).to_have_text("Failing")
    page.reload()
    expect(page.locator("[data-last-test]")).to_contain_text("did not accept a connection")
