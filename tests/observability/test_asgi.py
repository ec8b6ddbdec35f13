"""Under ASGI the same answers come, with the same ids: probes, a callback, the admin's login."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from integrations.models import InboundCallback, MpesaSettings
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.payments.letters import silent_prompt
from tests.sandbox.driver import SandboxDriver


def ask(method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """One request to the project's ASGI application: status, headers, body."""

    async def run() -> tuple[int, dict[str, str], bytes]:
        from bengoerp.asgi import application

        scope: dict[str, Any] = {
            "type": "http", "http_version": "1.1", "method": method, "path": path,
            "query_string": b"", "client": ("127.0.0.1", 50000), "server": ("testserver", 80),
            "headers": [
                (b"host", b"testserver"), (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()), (b"x-request-id", b"asgi-1"),
            ],
        }  # fmt: skip
        program = ApplicationCommunicator(application, scope)
        await program.send_input({"type": "http.request", "body": body})
        start = await program.receive_output(20)
        told = b""
        while True:
            part = await program.receive_output(20)
            told += part.get("body", b"")
            if not part.get("more_body"):
                break
        await program.wait(20)
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return start["status"], headers, told

    return asyncio.run(run())


@pytest.mark.django_db(transaction=True)
def test_a_probe_is_answered_with_its_id() -> None:
    status, headers, body = ask("GET", "/livez")
    assert (status, body) == (200, b"ok")
    assert headers["x-request-id"] == headers["x-correlation-id"] == "asgi-1"


@pytest.mark.django_db(transaction=True)
def test_the_admin_shows_its_login_page_with_its_policy() -> None:
    status, headers, body = ask("GET", "/admin/login/")
    assert status == 200
    assert b"login-form" in body
    assert "'unsafe-eval'" in headers["content-security-policy"]


def test_a_callback_is_stored_and_acknowledged(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    prompt = silent_prompt(sandbox, MpesaPaymentService.initiate_stk_push)
    path = "/" + str(prompt["callback_url"]).split("/", 3)[3]
    status, _, body = ask("POST", path, b'{"Body": {}}')
    assert (status, body) == (200, b'{"ResultCode": 0, "ResultDesc": "Accepted"}')
    assert InboundCallback.objects.get().correlation_id == "asgi-1"
