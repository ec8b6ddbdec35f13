"""An account with an initiator at the sandbox, and questions about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from integrations.models import InboundCallback, MpesaQuery, MpesaSettings
from tests.conftest import run_work
from tests.hunt.plants import planted
from tests.sandbox.driver import SandboxDriver

SHORT_CODE = "600999"
RESULT = "The service request is processed successfully."


@pytest.fixture
def account(mpesa: MpesaSettings, sandbox: SandboxDriver) -> MpesaSettings:
    """The installation's settings, for a short code whose initiator the sandbox knows."""
    password = planted("initiator password")
    sandbox.initiator(SHORT_CODE, password=password)
    mpesa.short_code = SHORT_CODE
    mpesa.initiator_name = "testapi"
    mpesa.initiator_password = password
    mpesa.certificate = sandbox.certificate()
    mpesa.save()
    return mpesa


def answered(sandbox: SandboxDriver) -> None:
    """Send what waits, let the answers come, and work on them."""
    run_work("queries")
    sandbox.settle()
    run_work("callbacks")


def asked_book(sandbox: SandboxDriver) -> list[dict[str, Any]]:
    """The questions that the sandbox took, oldest first."""
    found: list[dict[str, Any]] = sandbox.book()["queries"]
    return found


def make_due(**where: Any) -> None:
    """Let the next look at questions be now, as if their pause had passed."""
    past = timezone.now() - timedelta(seconds=1)
    rows = MpesaQuery.objects.filter(next_attempt_at__isnull=False, **where)
    rows.update(next_attempt_at=past, lease_until=None, claim_token="", work_state="due")


def age_sent(query: MpesaQuery, seconds: float) -> None:
    """Let it have been sent so long ago, and be due."""
    MpesaQuery.objects.filter(pk=query.pk).update(
        sent_at=timezone.now() - timedelta(seconds=seconds)
    )
    make_due(pk=query.pk)


def letter(told: dict[str, Any], code: Any = 0, **changes: Any) -> dict[str, Any]:
    """A result for a question of the sandbox's book, written by hand."""
    values = {
        "ResultType": 0,
        "ResultCode": code,
        "ResultDesc": RESULT,
        "OriginatorConversationID": told["originator_id"],
        "ConversationID": told["conversation_id"],
        "TransactionID": "UAE0000000",
        **changes,
    }
    return {"Result": {name: value for name, value in values.items() if value is not None}}


def entries(**values: Any) -> dict[str, Any]:
    """Result parameters, as a part of a letter."""
    found = [{"Key": key, "Value": value} for key, value in values.items()]
    return {"ResultParameters": {"ResultParameter": found}}


def post(
    told: dict[str, Any], body: dict[str, Any], *, timeout: bool = False, **headers: str
) -> Any:
    """Post a letter to the question's own address over real HTTP."""
    url = told["timeout_url" if timeout else "result_url"]
    return requests.post(url, json=body, headers=headers, timeout=10)


def callback_states() -> list[str]:
    return sorted(InboundCallback.objects.values_list("status", flat=True))
