"""Retention: what is finished leaves by age, what waits for somebody stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from integrations import maintenance
from integrations.maintenance import purge_old_rows
from integrations.models import (
    ApiAnswer,
    DomainEvent,
    InboundCallback,
    MpesaSettings,
    Payment,
    PaymentEvent,
    ProviderCall,
)
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE
from tests.sandbox.driver import SandboxDriver

TABLES = (InboundCallback, DomainEvent, ProviderCall)


@pytest.fixture
def settled(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None], settings: Any
) -> None:
    settings.INTEGRATIONS_RETENTION_DAYS = 30
    sandbox.fault("duplicate_callback", copies=2)
    MpesaPaymentService.initiate_stk_push(PHONE, 10, "INV001")
    settle()
    DomainEvent.objects.filter(event_type__startswith="settings.").delete()


def grow_old(days: float) -> None:
    then = timezone.now() - timedelta(days=days)
    InboundCallback.objects.update(received_at=then)
    DomainEvent.objects.update(created_at=then)
    ProviderCall.objects.update(created_at=then)


def counts() -> list[int]:
    return [model.objects.count() for model in TABLES]


def test_finished_rows_go_after_their_time_and_the_ledger_stays(settled: None) -> None:
    before = counts()
    assert before == [2, 2, 2]
    grow_old(29.9)
    assert purge_old_rows() == 0
    assert counts() == before
    grow_old(30.1)
    assert purge_old_rows() == 6
    assert counts() == [0, 0, 0]
    assert Payment.objects.count() == 1
    assert PaymentEvent.objects.count() == 3


def test_what_waits_for_somebody_stays(settled: None) -> None:
    grow_old(31)
    InboundCallback.objects.filter(status="processed").update(status="stored")
    InboundCallback.objects.filter(status="duplicate").update(status="quarantined")
    DomainEvent.objects.update(work_state="dead")
    assert purge_old_rows() == 2
    assert counts() == [2, 2, 0]


def test_answers_kept_for_repeated_requests_go_when_their_time_is_over(db: None) -> None:
    now = timezone.now()
    for key, hours in (("over", -1), ("not-yet", 1)):
        ApiAnswer.objects.create(
            caller="user:1", key=key, request_digest="", expires_at=now + timedelta(hours=hours)
        )
    assert purge_old_rows() == 1
    assert ApiAnswer.objects.get().key == "not-yet"


def test_what_was_refused_at_the_door_goes(settled: None, public_url: str) -> None:
    requests.post(f"{public_url}/api/v1/integrations/cb/stk/nobody/", data=b"{}", timeout=5)
    assert InboundCallback.objects.filter(status="quarantined").count() == 1
    grow_old(31)
    purge_old_rows()
    assert InboundCallback.objects.count() == 0


def test_purging_goes_by_batches(settled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "BATCH", 1)
    grow_old(31)
    assert purge_old_rows() == 6
