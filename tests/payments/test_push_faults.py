"""What the network and the gateway do to a push: never a second prompt, never a false failure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import MpesaSettings, Payment, ProviderCall
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import (
    CONSUMER_KEY,
    CONSUMER_SECRET,
    PHONE,
    make_due,
    mpesa_values,
    run_work,
    wait_until,
)
from tests.outbound.servers import LoopbackServer, Request, answer
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.wire import load_wire

push = MpesaPaymentService.initiate_stk_push
DRESSES = ["404.001.03", "404.001.04", "400.003.01", "401.002.01", "401.003.01", "401.001", "401"]


def pushed() -> tuple[bool, str, dict[str, Any]]:
    return push(PHONE, 1000, "INV001")  # type: ignore[return-value]


def assert_unknown(result: tuple[bool, str, dict[str, Any]]) -> Payment:
    success, message, data = result
    payment = Payment.objects.get()
    assert success is False
    assert "Don't send it again" in message
    assert data["payment_id"] == str(payment.public_id)
    assert (data["state"], data["retry_safe"]) == ("unknown", False)
    assert payment.state == "unknown"
    assert payment.work_state == "due"
    return payment


def assert_failed(result: tuple[bool, str, dict[str, Any]]) -> Payment:
    success, message, data = result
    payment = Payment.objects.get()
    assert (success, data["state"], data["retry_safe"]) == (False, "failed", True)
    assert payment.state == "failed"
    assert message == payment.message
    assert message.endswith(".")
    assert payment.next_attempt_at is None
    return payment


@pytest.mark.parametrize("kind", ["slow", "delay"])
def test_a_timeout_is_unknown_whichever_side_of_the_acceptance_it_fell(
    mpesa: MpesaSettings,
    sandbox: SandboxDriver,
    settings: Any,
    kind: str,
    settle: Callable[[], None],
) -> None:
    settings.INTEGRATIONS_DEADLINE_SECONDS = 0.8
    sandbox.fault(kind, operation="stk_push", seconds=1.1)
    assert_unknown(pushed())
    wait_until(lambda: len(sandbox.prompts()) == 1)
    settle()
    payment = Payment.objects.get()
    assert payment.state == "succeeded"
    assert payment.receipt == sandbox.prompts()[0]["receipt"]
    assert payment.checkout_id == sandbox.prompts()[0]["checkout_request_id"]


@pytest.mark.parametrize(
    ("kind", "options", "prompts"),
    [
        ("lose_answer", {}, 1),
        ("drop", {}, 0),
        ("error_after", {}, 1),
        ("error_after", {"status": 504}, 1),
        ("error_before", {}, 0),
        ("error_before", {"status": 503}, 0),
        ("html", {}, 0),
        ("html", {"processed": True}, 1),
        ("empty", {}, 0),
        ("empty", {"processed": True}, 1),
    ],
)
def test_an_answer_that_says_nothing_is_unknown_and_not_repeated(
    mpesa: MpesaSettings,
    sandbox: SandboxDriver,
    settle: Callable[[], None],
    kind: str,
    options: dict[str, Any],
    prompts: int,
) -> None:
    sandbox.fault(kind, operation="stk_push", **options)
    assert_unknown(pushed())
    assert sandbox.counters()["stk_push"] == 1
    assert ProviderCall.objects.get(operation="stk_push").outcome == "unknown"
    settle()
    run_work()
    assert len(sandbox.prompts()) == prompts
    assert Payment.objects.get().state == ("succeeded" if prompts else "unknown")


def test_a_refused_connection_proves_that_nothing_was_sent(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    closed = LoopbackServer(answer())
    closed.stop()
    settings.OUTBOUND_ALLOWED_HOSTS = [closed.place]
    mpesa.delete()
    MpesaSettings.objects.create(**mpesa_values(sandbox, sandbox_url=closed.url("")))
    payment = assert_failed(pushed())
    assert payment.result_code == "connect"


def test_a_token_that_cannot_be_had_proves_it_too(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("error_before", operation="oauth", times=None)
    assert_failed(pushed())
    assert "stk_push" not in sandbox.counters()


def test_a_push_whose_time_ran_out_while_it_waited_for_a_token_is_never_sent(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.INTEGRATIONS_DEADLINE_SECONDS = 0.2
    sandbox.fault("slow", operation="oauth", seconds=0.5)
    payment = assert_failed(pushed())
    assert payment.result_code == "timeout"
    assert "stk_push" not in sandbox.counters()


@pytest.mark.parametrize("dress", DRESSES)
def test_a_refused_token_is_renewed_once_in_every_dress(
    mpesa: MpesaSettings, sandbox: SandboxDriver, dress: str
) -> None:
    sandbox.fault("token_rejected", dress=dress, operation="stk_push")
    success, _, data = pushed()
    assert (success, data["state"]) == (True, "pending")
    counters = sandbox.counters()
    assert (counters["stk_push"], counters["tokens_issued"]) == (2, 2)
    assert len(sandbox.prompts()) == 1


@pytest.mark.parametrize("dress", DRESSES)
def test_a_token_refused_twice_is_a_failure_and_no_loop(
    mpesa: MpesaSettings, sandbox: SandboxDriver, dress: str
) -> None:
    sandbox.fault("token_rejected", dress=dress, operation="stk_push", times=None)
    payment = assert_failed(pushed())
    assert "refused the access token twice" in payment.message
    assert sandbox.counters()["stk_push"] == 2
    assert sandbox.prompts() == []


def test_a_token_that_died_early_costs_one_more_request(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    pushed()
    sandbox.tokens(invalidate=True)
    assert push("0712345679", 10, "INV002")[0]
    assert sandbox.counters()["tokens_issued"] == 2
    assert len(sandbox.prompts()) == 2


def test_a_product_that_is_not_enabled_is_not_cured_by_a_new_token(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.app(CONSUMER_KEY, CONSUMER_SECRET, products=["stk_query"])
    payment = assert_failed(pushed())
    assert "not enabled on the Daraja app" in payment.message
    counters = sandbox.counters()
    assert (counters["stk_push"], counters["tokens_issued"]) == (1, 1)


def test_wrong_consumer_credentials_are_named(mpesa: MpesaSettings, sandbox: SandboxDriver) -> None:
    sandbox.app(CONSUMER_KEY, "another-secret")
    payment = assert_failed(pushed())
    assert payment.result_code == "bad_credentials"
    assert "consumer key and secret" in payment.message
    assert "stk_push" not in sandbox.counters()


def test_a_wrong_passkey_is_named(mpesa: MpesaSettings, sandbox: SandboxDriver) -> None:
    sandbox.shortcode("174379", "another-passkey")
    payment = assert_failed(pushed())
    assert "passkey" in payment.message


def test_a_short_code_that_nobody_knows_is_named(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    mpesa.short_code = "999999"
    mpesa.save()
    assert "short code" in assert_failed(pushed()).message


def test_a_phone_with_another_prompt_open_is_explained(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.settings(is_interactive=True)
    assert pushed()[0]
    success, message, data = push(PHONE, 20, "INV002")
    assert (success, data["state"], data["retry_safe"]) == (False, "failed", True)
    assert "wait a minute" in message
    assert len(sandbox.prompts()) == 1


def test_a_spike_arrest_is_not_proof_that_nothing_was_created(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("spike_arrest", operation="stk_push")
    assert_unknown(pushed())
    assert sandbox.counters()["stk_push"] == 1


# What each wire file means for a push: the state of the payment.
ANSWERS = {
    "stk_push_ack": "pending",
    "stk_push_ack_older_id": "pending",
    "error_empty_200": "unknown",
    "error_html_200": "unknown",
    "error_internal": "unknown",
    "error_quota": "unknown",
    "error_spike_arrest": "unknown",
    "stk_query_pending_500": "unknown",
    "stk_query_pending_empty_500": "unknown",
    "stk_query_pending_empty_200": "unknown",
    "stk_query_unknown": "unknown",
    "error_gateway_throttle": "failed",
    "error_invalid_account_reference": "failed",
    "error_invalid_amount": "failed",
    "error_invalid_business_short_code": "failed",
    "error_invalid_call_back_url": "failed",
    "error_invalid_party_a": "failed",
    "error_invalid_party_b": "failed",
    "error_invalid_password": "failed",
    "error_invalid_payload": "failed",
    "error_invalid_phone_number": "failed",
    "error_invalid_timestamp": "failed",
    "error_invalid_transaction_desc": "failed",
    "error_invalid_transaction_type": "failed",
    "error_phone_locked": "failed",
    "error_product_missing": "failed",
    "error_token_400_003_01": "failed",
    "error_token_401": "failed",
    "error_token_401_001": "failed",
    "error_token_401_002_01": "failed",
    "error_token_401_003_01": "failed",
    "error_token_404_001_03": "failed",
    "error_token_404_001_04": "failed",
    "error_unknown_merchant": "failed",
    "error_unknown_path": "failed",
    "error_wrong_credentials": "failed",
    "error_wrong_credentials_older": "failed",
    "error_wrong_verb": "failed",
}


class Gateway:
    """A gateway that gives tokens, and one chosen answer to everything else."""

    def __init__(self) -> None:
        self.status, self.body = 200, b"{}"
        self.server = LoopbackServer(self._reply)

    def _reply(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        if "/oauth/" in request.path:
            answer(200, b'{"access_token": "t", "expires_in": 3599}')(handler, request)
        else:
            answer(self.status, self.body)(handler, request)

    def pushes(self) -> int:
        return sum("/oauth/" not in request.path for request in self.server.requests)


@pytest.fixture
def gateway(mpesa: MpesaSettings, sandbox: SandboxDriver, settings: Any) -> Iterator[Gateway]:
    made = Gateway()
    settings.OUTBOUND_ALLOWED_HOSTS = [made.server.place]
    mpesa.delete()
    MpesaSettings.objects.create(**mpesa_values(sandbox, sandbox_url=made.server.url("")))
    yield made
    made.server.stop()


@pytest.mark.parametrize(("wire", "state"), ANSWERS.items())
def test_every_documented_answer_to_a_push_has_its_state(
    gateway: Gateway, wire: str, state: str
) -> None:
    message = load_wire(wire)
    gateway.status = message["status"]
    is_page = "text" in message
    gateway.body = (message["text"] if is_page else json.dumps(message["body"])).encode()
    success, text, data = pushed()
    payment = Payment.objects.get()
    assert (payment.state, data["state"], success) == (state, state, state == "pending"), text
    assert data["retry_safe"] is (state == "failed")
    assert gateway.pushes() == (2 if wire.startswith("error_token") else 1)


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (403, b"<html>blocked</html>", "failed"),
        (404, b"", "failed"),
        (413, b"<html></html>", "failed"),
        (429, b"slow down", "failed"),
        (408, b"<html></html>", "unknown"),
        (302, b"", "unknown"),
        (200, b"[]", "unknown"),
        (200, b"{}", "unknown"),
        (200, b'{"ResponseCode":"0"}', "unknown"),
        (200, b'{"ResponseCode":"0","CheckoutRequestID":""}', "unknown"),
        (200, b'{"ResponseCode":"0","CheckoutRequestID":"ws_1","errorCode":"500.1"}', "unknown"),
        (200, b'{"ResponseCode":"1","ResponseDescription":"Rejected"}', "failed"),
        (200, b'{"ResponseCode":"0","CheckoutRequestID":"w","x":1e9999999999999999999}', "unknown"),
        (200, b'{"ResponseCode":0,"CheckoutRequestID":"ws_\\u0000\\ud8001"}', "pending"),
        (500, b'{"errorCode":"\\u0000","errorMessage":"\\ud800"}', "unknown"),
        (400, b'{"errorCode":"\\u0000","errorMessage":"\\ud800' + b"x" * 4000 + b'"}', "failed"),
    ],
)  # fmt: skip
def test_odd_answers_are_never_taken_for_more_than_they_say(
    gateway: Gateway, status: int, body: bytes, state: str
) -> None:
    gateway.status, gateway.body = status, body
    pushed()
    assert Payment.objects.get().state == state
    assert gateway.pushes() == 1


def test_an_unknown_push_without_an_id_goes_to_the_work_list_of_people(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("drop", operation="stk_push")
    payment = assert_unknown(pushed())
    make_due(payment)
    run_work("payments")
    payment.refresh_from_db()
    assert (payment.state, payment.attention, payment.work_state) == ("unknown", "", "due")
    Payment.objects.update(sent_at=timezone.now() - timedelta(seconds=301))
    make_due(payment)
    run_work("payments")
    payment.refresh_from_db()
    assert payment.state == "unknown"
    assert "look for it in the M-Pesa statement" in payment.attention
    assert payment.next_attempt_at is None
    assert sandbox.counters()["stk_push"] == 1
    assert "stk_query" not in sandbox.counters()
