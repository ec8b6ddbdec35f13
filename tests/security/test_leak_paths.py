"""Ways by which secrets could leave that no ordinary test takes: services that are away, and a
provider that repeats what it was told. The hunt at the end of the run searches all the rest.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from integrations.exceptions import InvalidInput, TransportError
from integrations.models import MpesaSettings, Payment, ProviderCall
from integrations.outbound import Call
from integrations.outbound import Client as OutboundClient
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.services import IntegrationConfigService
from tests.conftest import PHONE, make_due, mpesa_values, run_work
from tests.hunt.plants import planted
from tests.hunt.plugin import describe_error
from tests.hunt.search import secrets_in
from tests.outbound.conftest import serve
from tests.outbound.servers import LoopbackServer, answer
from tests.processes import child_environment
from tests.sandbox.driver import SandboxDriver

__all__ = ["serve"]

AWAY = """
import traceback
import django
django.setup()
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from integrations import tasks, work
from integrations.config import get_snapshot
from integrations.crypto import encrypt_text
from integrations.payments.mpesa_payment import MpesaPaymentService as Service

def try_to(action, *arguments, **options):
    try:
        print("answer", action(*arguments, **options))
    except BaseException:
        traceback.print_exc()

visitor = Client(raise_request_exception=False)
for address in ("/readyz", "/admin/login/", "/api/v1/integrations/health/", "/api/schema/"):
    try_to(lambda: visitor.get(address).content)
try_to(visitor.post, "/api/v1/integrations/cb/stk/" + "0f" * 16 + "/", "{}", "application/json")
try_to(get_snapshot, "mpesa")
try_to(encrypt_text, "x")
try_to(cache.set, "a", "b")
try_to(Service.initiate_stk_push, "0712345678", 10, "INV001")
try_to(call_command, "check", databases=["default"])
try_to(call_command, "worker", "--once")
try_to(tasks.ring_celery, "payments")
try_to(tasks._bell.flush, seconds=8)
try_to(tasks.run_due_queues.apply_async, retry=False)
"""


@pytest.mark.parametrize("is_debug", [False, True], ids=["", "under DEBUG"])
def test_services_that_are_away_tell_no_password_of_theirs(db: None, is_debug: bool) -> None:
    environment = child_environment(
        DJANGO_SETTINGS_MODULE="tests.settings", DJANGO_LOG_LEVEL="DEBUG",
        DJANGO_DEBUG="1" if is_debug else "0", BENGOERP_NO_DOTENV="1",
    ) | {
        "DATABASE_URL": f"postgres://erp:{planted('database password')}@127.0.0.1:1/erp",
        "REDIS_URL": f"redis://:{planted('Redis password')}@127.0.0.1:1/0",
        "CELERY_BROKER_URL": f"amqp://erp:{planted('broker password')}@127.0.0.1:1//",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", AWAY], env=environment, capture_output=True, timeout=100
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-3000:].decode()
    # All three were asked and are away.
    for word in (b"OperationalError", b"Error 111 connecting", b"The broker takes no rings"):
        assert word in told, told.decode()
    assert [kind for _, kind, _ in secrets_in(told)] == []


# --- a provider that repeats ----------------------------------------------------------------


@pytest.fixture
def parrot(
    transactional_db: None, sandbox: SandboxDriver, settings: Any
) -> Iterator[Callable[[int], None]]:
    """M-Pesa settings for a provider that repeats headers and body in every field it can."""
    status = 200

    def reply(handler: Any, request: Any) -> None:
        words = f"{request.headers.get('Authorization')} {request.body.decode()}"
        body: dict[str, Any] = dict.fromkeys(
            ("errorMessage", "ResponseDescription", "CustomerMessage", "ResultDesc", "requestId",
             "MerchantRequestID", "errorCode", "detail", "fault"), words,
        )  # fmt: skip
        if request.path.startswith("/oauth"):
            body = {"access_token": planted("access token"), "expires_in": "3599"}
            answer(200, json.dumps(body).encode())(handler, request)
        else:
            answer(status, json.dumps(body).encode(), {"X-Echo": words})(handler, request)

    server = LoopbackServer(reply)
    settings.OUTBOUND_ALLOWED_HOSTS = [server.place]
    settings.PUBLIC_BASE_URL = "https://erp.example.ke"
    MpesaSettings.objects.create(**mpesa_values(sandbox, sandbox_url=server.url().rstrip("/")))

    def repeat_with(code: int) -> None:
        nonlocal status
        status = code

    yield repeat_with
    server.stop()


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500, 503])
def test_what_a_provider_repeats_of_our_secrets_goes_no_further(
    parrot: Callable[[int], None], admin_client: Client, status: int
) -> None:
    parrot(status)
    told: list[Any] = [MpesaPaymentService.initiate_stk_push(PHONE, 10, "INV001")]
    told.append(MpesaPaymentService.query_stk_status("ws_CO_1"))
    Payment.objects.update(checkout_id="ws_CO_2")
    for payment in Payment.objects.all():
        make_due(payment)
    run_work()
    told += [IntegrationConfigService.test_mpesa_connection(), MpesaSettings.objects.values()]
    told += [Payment.objects.values(), ProviderCall.objects.values()]
    for model in ("payment", "providercall"):
        told.append(admin_client.get(f"/admin/integrations/{model}/").content)
    assert Payment.objects.exists() and ProviderCall.objects.exists()
    assert [kind for _, kind, _ in secrets_in(repr(told).encode())] == []


def test_a_header_that_http_cannot_carry_is_not_in_the_error(serve: Any) -> None:
    server = serve()
    client = OutboundClient("mpesa", credential="c", hosts=frozenset({server.place}))
    headers = {"Authorization": f"Bearer {planted('access token')}\u2615"}
    with pytest.raises((InvalidInput, TransportError)) as caught:
        client.send(Call("pay", "POST", server.url(), json={}, headers=headers))
    assert list(secrets_in(describe_error(caught.value).encode())) == []


@pytest.mark.parametrize("status", [407, 502])
@pytest.mark.parametrize("url", ["https://api.example.com/", "https://api.example.com:8443/x?y=1"])
def test_a_proxy_that_refuses_tells_no_password_of_its_own(
    db: None, serve: Any, settings: Any, status: int, url: str
) -> None:
    def refuse(handler: Any, request: Any) -> None:
        words = str(request.headers.get("Proxy-Authorization"))
        answer(status, words.encode(), {"Proxy-Authenticate": words})(handler, request)

    proxy = serve(refuse, allow=False)
    settings.OUTBOUND_PROXY = f"http://erp:{planted('header secret')}@{proxy.place}"
    hosts = frozenset({"api.example.com:443", "api.example.com:8443"})
    client = OutboundClient("mpesa", credential="c", hosts=hosts)
    with pytest.raises(TransportError) as caught:
        client.send(Call("q", "GET", url, retry=1))
    assert proxy.requests[0].headers["Proxy-Authorization"].startswith("Basic ")
    assert list(secrets_in(describe_error(caught.value).encode())) == []
