"""A tenant's address that points inside: M-Pesa settings lead no call of ours to the listener.

Saved past the form and typed into it, tested, and paid with; the listener counts what it accepts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest
from django.test import Client

from integrations.models import AuditEntry, MpesaSettings, Payment, ProviderCall
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.services import IntegrationConfigService
from tests.admin.page import SettingsPage
from tests.conftest import PHONE, mpesa_values
from tests.hunt.plants import PASSKEY, planted
from tests.outbound.forbidden import (
    ForbiddenListener,
    Internet,
    edges,
    internet,
    listener,
    tricks,
)
from tests.outbound.servers import LoopbackServer, answer
from tests.sandbox.driver import SandboxDriver

__all__ = ["internet", "listener"]
PUBLIC = "93.184.216.34"
INSIDE = re.compile(r"127\.0\.0\.1|::1\b|10\.0\.0\.1")
TYPED = {
    "consumer_key": planted("typed consumer key"),
    "consumer_secret": planted("typed consumer secret"),
    "passkey": PASSKEY,
    "initiator_password": "typed again",
    "security_credential": "typed again",
}


@pytest.fixture(autouse=True)
def nobody_is_reached(
    transactional_db: None, listener: ForbiddenListener, internet: Internet, settings: Any
) -> Iterator[None]:
    settings.INTEGRATIONS_RATE_LIMITS = {"mpesa": [10_000, 10_000]}
    settings.PUBLIC_BASE_URL = "https://erp.example.ke"
    yield
    assert listener.hits == []
    assert set(internet.attempts) <= {PUBLIC}


@pytest.fixture
def save(sandbox: SandboxDriver) -> Callable[[str], MpesaSettings]:
    """Save settings for this address as a program may: without a form and its checks."""

    def make(url: str) -> MpesaSettings:
        MpesaSettings.objects.all().delete()
        return MpesaSettings.objects.create(**mpesa_values(sandbox, sandbox_url=url))

    return make


def storable_tricks(port: int) -> list[str]:
    """The tricks that a text column can hold."""
    return [url for url in tricks(port) if "\x00" not in url]


def literals(port: int) -> list[str]:
    """The edges of the forbidden ranges as URLs."""
    return [f"https://{f'[{each}]' if ':' in each else each}:{port}" for each in edges()]


def flip(internet: Internet, name: str = "api.example.com") -> None:
    """From now on: public once, then this machine."""
    internet.answer(name, [PUBLIC], ["127.0.0.1"])


def test_no_connection_test_of_a_saved_row_reaches_it(
    save: Callable[[str], MpesaSettings], listener: ForbiddenListener
) -> None:
    for url in storable_tricks(listener.port) + literals(listener.port):
        save(url)
        ok, message = IntegrationConfigService.test_mpesa_connection()
        assert not ok and message, url
        assert planted("consumer key") not in message


def test_no_payment_reaches_it(
    save: Callable[[str], MpesaSettings], listener: ForbiddenListener
) -> None:
    for number, url in enumerate(storable_tricks(listener.port)):
        save(url)
        ok, message, _ = MpesaPaymentService.initiate_stk_push(PHONE, 10, f"INV{number}")
        assert not ok and message, url
    # Nothing left, so nothing is unknown.
    assert set(Payment.objects.values_list("state", flat=True)) == {"failed"}
    assert set(ProviderCall.objects.values_list("outcome", flat=True)) == {"blocked"}


def test_a_name_that_flips_is_refused_without_telling_where_it_points(
    save: Callable[[str], MpesaSettings], internet: Internet, listener: ForbiddenListener
) -> None:
    save(f"https://api.example.com:{listener.port}")
    flip(internet)
    test = IntegrationConfigService.test_mpesa_connection
    told = [test()[1], MpesaPaymentService.initiate_stk_push(PHONE, 10, "INV001")[1], test()[1]]
    for answers in ([PUBLIC, "127.0.0.1"], ["::1", PUBLIC], ["10.0.0.1"], ["::ffff:127.0.0.1"]):
        internet.answer("api.example.com", answers)
        told.append(test()[1])
        told.append(MpesaPaymentService.initiate_stk_push(PHONE, 10, "INV001")[1])
    assert all(told)
    assert sum("internal or reserved network" in message for message in told) >= 8, told
    assert not INSIDE.search(" ".join(told))
    assert "succeeded" not in Payment.objects.values_list("state", flat=True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("path", ["/oauth/v1/generate", "/mpesa/stkpush/v1/processrequest"])
def test_a_provider_that_redirects_the_token_or_the_payment_is_not_followed(
    save: Callable[[str], MpesaSettings], settings: Any, listener: ForbiddenListener,
    status: int, path: str,
) -> None:  # fmt: skip
    place = f"//127.0.0.1:{listener.port}/"

    def reply(handler: Any, request: Any) -> None:
        if request.path.startswith(path):
            answer(status, b"{}", {"Location": place})(handler, request)
        else:
            answer(200, b'{"access_token": "abc", "expires_in": "3599"}')(handler, request)

    server = LoopbackServer(reply)
    try:
        settings.OUTBOUND_ALLOWED_HOSTS = [server.place]
        save(server.url().rstrip("/"))
        assert not MpesaPaymentService.initiate_stk_push(PHONE, 10, "INV001")[0]
        assert any(request.path.startswith(path) for request in server.requests)
    finally:
        server.stop()


# --- the admin ------------------------------------------------------------------------------

# Every rule of the form once, and what only the URL parsers differ about.
TYPED_URLS = (
    "https://127.0.0.1:PORT", "http://127.0.0.1:PORT", "https://localhost:PORT",
    "https://[::1]:PORT", "https://[::ffff:7f00:1]:PORT", "https://[2002:7f00:1::1]:PORT",
    "https://10.0.0.1", "https://169.254.169.254", "https://127.1:PORT", "https://2130706433:PORT",
    "https://0177.0.0.1:PORT", "https://u:p@127.0.0.1:PORT", "https://good.example\\@127.0.0.1:PORT",
    "https://good.example%5c@127.0.0.1:PORT", "https://127\u30020\u30020\u30021:PORT",
    "https://printer.local:PORT", "https://good.example:22", "http://good.example",
)  # fmt: skip


@pytest.fixture
def page(save: Callable[[str], MpesaSettings], admin_client: Client) -> SettingsPage:
    return SettingsPage(admin_client, save("https://sandbox.safaricom.co.ke").pk)


def errors_of(response: Any, field: str) -> list[str]:
    """The errors of a field, each of which the page shows, too."""
    errors = [str(text) for text in response.context["adminform"].form.errors.get(field, [])]
    html = unescape(response.content.decode())
    assert all(text in html for text in errors)
    return errors


@pytest.mark.parametrize(
    ("field", "texts"),
    [
        ("sandbox_url", TYPED_URLS),
        pytest.param("base_url", TYPED_URLS[:4], id="of the environment that is not in use"),
    ],
)
def test_the_form_refuses_it_on_its_field_and_tests_nothing(
    page: SettingsPage, listener: ForbiddenListener, field: str, texts: tuple[str, ...]
) -> None:
    for text in texts:
        url = text.replace("PORT", str(listener.port))
        response = page.save(**{field: url}, **TYPED)
        assert response.status_code == 200, url
        assert errors_of(response, field), url
        tested = page.test(script=True, **{field: url}, **TYPED).json()
        assert not tested["ok"] and any("URL" in error for error in tested["errors"]), url
    assert MpesaSettings.objects.get().sandbox_url == "https://sandbox.safaricom.co.ke"
    assert not ProviderCall.objects.exists()


def test_an_address_that_the_operator_allowed_can_be_saved(
    page: SettingsPage, listener: ForbiddenListener, settings: Any
) -> None:
    settings.OUTBOUND_ALLOWED_HOSTS = [f"127.0.0.1:{listener.port}"]
    url = f"http://127.0.0.1:{listener.port}"
    assert page.save(sandbox_url=url, **TYPED).status_code == 302
    assert MpesaSettings.objects.get().sandbox_url == url
    # What was saved under an exception does not stop other changes when that has ended.
    settings.OUTBOUND_ALLOWED_HOSTS = []
    assert page.save(minimum_amount="5").status_code == 302


def test_a_name_is_judged_by_what_it_resolves_to_when_it_is_tested(
    page: SettingsPage, internet: Internet, listener: ForbiddenListener
) -> None:
    url = f"https://api.example.com:{listener.port}"
    internet.answer("api.example.com", ["127.0.0.1"])
    told = page.test(script=True, sandbox_url=url, **TYPED).json()
    assert not told["ok"] and "internal or reserved network" in told["message"]
    assert page.save(sandbox_url=url, **TYPED).status_code == 302
    flip(internet)
    messages = [page.test(script=True).json()["message"] for _ in range(3)]
    messages += AuditEntry.objects.values_list("detail", flat=True)
    assert not INSIDE.search(" ".join([told["message"], *messages]))
