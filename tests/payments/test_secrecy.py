"""The passkey and the callback secret: used in one request each, found nowhere afterwards."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from django.apps import apps
from django.db import connection

from integrations.crypto.masking import redact
from integrations.models import MpesaSettings, Payment
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import CONSUMER_KEY, CONSUMER_SECRET, PASSKEY, PHONE, make_due, run_work
from tests.payments.letters import silent_prompt
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push
SECRETS = [CONSUMER_KEY, CONSUMER_SECRET, PASSKEY]


def basic_pair() -> str:
    """What every Authorization header of a token request begins with."""
    return base64.b64encode(f"{CONSUMER_KEY}:{CONSUMER_SECRET}".encode()).decode()[:-4]


def derived_from_passkey() -> set[str]:
    """The passkey and the stable part of its base64 at each of the three alignments."""
    pieces = {PASSKEY, *SECRETS, basic_pair()}
    for shift in range(3):
        encoded = base64.b64encode(b"x" * shift + PASSKEY.encode()).decode()
        pieces.add(encoded[4:-4])
    return pieces


def every_cell() -> Iterator[str]:
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    with connection.cursor() as cursor:
        for table in tables & set(connection.introspection.table_names(cursor)):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                yield from map(str, row)


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    for name in ("django", "integrations", "urllib3", "requests"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


def test_no_value_made_from_the_passkey_is_kept_logged_or_returned(
    mpesa: MpesaSettings,
    sandbox: SandboxDriver,
    settle: Callable[[], None],
    everything_logged: pytest.LogCaptureFixture,
) -> None:
    answers: list[Any] = []
    answers.append(push(PHONE, 1000, "INV001"))
    settle()
    sandbox.scenario("wrong_pin")
    silent_prompt(sandbox, push, phone="0712345679")
    payment = Payment.objects.latest("pk")
    make_due(payment)
    run_work()
    answers.append(MpesaPaymentService.query_stk_status(payment.checkout_id))
    sandbox.fault("error_after", operation="stk_push")
    answers.append(push("0712345670", 10, "INV003"))
    sandbox.shortcode("174379", "another")
    answers.append(push("0712345671", 10, "INV004"))
    answers.append(MpesaPaymentService.query_stk_status("ws_CO_1"))
    haystack = "\n".join([*every_cell(), everything_logged.text, repr(answers)])
    assert "INV004" in haystack
    for piece in derived_from_passkey():
        assert piece not in haystack
    assert answers[0][2]["password"] == ""


def test_the_search_above_would_find_a_password() -> None:
    for short_code in ("174379", "60011", "5310080"):
        password = base64.b64encode(f"{short_code}{PASSKEY}20260114093005".encode()).decode()
        assert any(piece in password for piece in derived_from_passkey())


def test_the_secret_of_a_callback_path_is_kept_as_a_digest_only(
    mpesa: MpesaSettings,
    sandbox: SandboxDriver,
    settle: Callable[[], None],
    everything_logged: pytest.LogCaptureFixture,
) -> None:
    push(PHONE, 1000, "INV001")
    settle()
    (prompt,) = sandbox.prompts()
    token = prompt["callback_url"].rstrip("/").rsplit("/", 1)[1]
    assert token not in "\n".join(every_cell())
    # Handlers write what the redaction leaves; `django.request` logs paths of refused requests.
    requests.post(prompt["callback_url"], data=b"{", timeout=5)
    assert token not in redact(everything_logged.text)


def test_phones_in_logs_are_masked_or_absent(
    mpesa: MpesaSettings,
    sandbox: SandboxDriver,
    settle: Callable[[], None],
    everything_logged: pytest.LogCaptureFixture,
) -> None:
    sandbox.fault("wrong_amount", amount=1)
    push(PHONE, 1000, "INV001")
    settle()
    assert "needs_attention" in everything_logged.text
    assert "712345678" not in everything_logged.text
