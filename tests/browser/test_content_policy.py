"""The content security policy in a real browser: pages work, and nothing foreign runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from playwright.sync_api import Page

from integrations.models import MpesaSettings
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.browser.conftest import PATIENCE
from tests.conftest import PHONE, run_work

pytestmark = pytest.mark.browser


def injected(request: HttpRequest) -> HttpResponse:
    """A page of ours into which somebody has brought a script."""
    return HttpResponse(
        "<h1>Ours</h1><script>document.title = 'inline ran'</script>"
        f"<script nonce='{request.csp_nonce}'>document.title = 'ours ran'</script>"  # type: ignore[attr-defined]
        "<img src='https://evil.example/x.png'>"
        "<button onclick=\"document.title = 'handler ran'\">press</button>"
    )


urlpatterns = [path("injected/", injected), path("", include("bengoerp.urls"))]


def violations(page: Page) -> list[str]:
    """Collects what the browser refuses from now on."""
    refused: list[str] = []

    def note(text: str) -> None:
        # Redoc asks for its maker's logo, and is meant not to get it.
        is_logo = "cdn.redoc.ly" in text
        if ("Content Security Policy" in text or "unsafe-eval" in text) and not is_logo:
            refused.append(f"{page.url}: {text}")

    page.on("console", lambda message: note(message.text))
    page.on("pageerror", lambda error: note(str(error)))
    return refused


def test_no_page_of_the_admin_breaks_the_policy(
    mpesa: MpesaSettings, open_admin: Callable[..., Page]
) -> None:
    MpesaPaymentService.initiate_stk_push(phone=PHONE, amount=10, account_reference="INV1")
    run_work()
    page = open_admin()
    page.set_default_timeout(PATIENCE)
    refused = violations(page)
    page.goto("/admin/")
    addresses = {link.get_attribute("href") or "" for link in page.locator("a[href]").all()}
    lists = sorted(one for one in addresses if one.startswith("/admin/") and "logout" not in one)
    assert "/admin/integrations/payment/" in lists
    for address in lists:
        page.goto(address)
        rows = page.locator("#result_list tbody a[href]").all()[:1]
        for row in rows:
            page.goto(str(row.get_attribute("href")))
    page.goto(f"/admin/integrations/mpesasettings/{mpesa.pk}/change/")
    # Alpine.js is at work: it drew the theme.
    assert page.evaluate("typeof window.Alpine") == "object"
    assert refused == []


@pytest.mark.parametrize(("address", "drawn"), [
    ("/api/docs/", ".swagger-ui .info"), ("/api/redoc/", "redoc h1"),
])  # fmt: skip
def test_the_pages_of_the_schema_are_drawn_within_the_policy(
    open_admin: Callable[..., Page], address: str, drawn: str
) -> None:
    page = open_admin()
    refused = violations(page)
    page.goto(address)
    page.wait_for_selector(drawn)
    page.wait_for_load_state("networkidle")
    assert refused == []
    policy = page.goto(address).headers["content-security-policy"]  # type: ignore[union-attr]
    assert "unsafe-eval" not in policy
    assert "script-src 'self'" in policy and "default-src 'none'" in policy


def test_what_somebody_brought_into_a_page_does_not_run(
    open_admin: Callable[..., Page], settings: object
) -> None:
    settings.ROOT_URLCONF = __name__  # type: ignore[attr-defined]
    page = open_admin()
    refused = violations(page)
    page.goto("/injected/")
    page.get_by_text("press").click()
    assert page.title() == "ours ran"
    assert len(refused) >= 3
