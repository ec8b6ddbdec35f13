"""Listeners: told after the commit, at least once, and unable to undo a settlement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from integrations.events import publish
from integrations.models import DomainEvent, MpesaSettings, Payment
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.signals import integration_event
from tests.conftest import PHONE, run_work
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push


class Listener:
    """Keeps what it hears; raises as long as it is told to."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.is_broken = False

    def __call__(self, **told: Any) -> None:
        if told["event_type"].startswith("settings."):
            return  # of the fixtures
        self.heard.append(told)
        if self.is_broken:
            raise RuntimeError("the shop's own mistake, password=hunter2hunter2")

    def types(self) -> list[str]:
        return [item["event_type"] for item in self.heard]


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    integration_event.connect(made, weak=False)
    yield made
    integration_event.disconnect(made)


def test_a_payment_tells_its_story_once(
    mpesa: MpesaSettings,
    sandbox: SandboxDriver,
    settle: Callable[[], None],
    listener: Listener,
) -> None:
    push(PHONE, 1000, "INV001")
    settle()
    run_work()
    assert listener.types() == ["payment.pending", "payment.succeeded"]
    told = listener.heard[1]
    payment = Payment.objects.get()
    assert told["payload"] == {
        "payment_id": str(payment.public_id),
        "provider": "mpesa",
        "product": "stk_push",
        "direction": "in",
        "environment": "sandbox",
        "state": "succeeded",
        "previous_state": "pending",
        "late": False,
        "amount": "1000.00",
        "currency": "KES",
        "phone": "2547***678",
        "account_reference": "INV001",
        "original_id": "",
        "originator_id": "",
        "conversation_id": "",
        "receipt": payment.receipt,
        "result_code": "0",
        "message": "Paid.",
    }
    assert told["business"] == ""
    assert len({event["event_id"] for event in listener.heard}) == 2


def test_a_raising_listener_is_called_again_and_the_settlement_stays(
    mpesa: MpesaSettings,
    sandbox: SandboxDriver,
    settle: Callable[[], None],
    listener: Listener,
) -> None:
    listener.is_broken = True
    push(PHONE, 1000, "INV001")
    settle()
    assert Payment.objects.get().state == "succeeded"
    waiting = DomainEvent.objects.get(event_type="payment.succeeded")
    assert (waiting.work_state, waiting.attempts) == ("due", 1)
    assert "RuntimeError" in waiting.work_error
    assert "hunter2" not in waiting.work_error
    listener.is_broken = False
    DomainEvent.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    run_work("events")
    heard = [
        told["event_id"] for told in listener.heard if told["event_type"] == "payment.succeeded"
    ]
    assert heard == [str(waiting.event_id)] * 2
    assert set(DomainEvent.objects.values_list("work_state", flat=True)) == {"done"}


def test_one_broken_listener_keeps_no_other_from_hearing(
    transactional_db: None, listener: Listener
) -> None:
    listener.is_broken = True
    second = Listener()
    integration_event.connect(second, weak=False)
    try:
        publish("shop.opened", {"n": 1})
        run_work("events")
    finally:
        integration_event.disconnect(second)
    assert listener.types() == second.types() == ["shop.opened"]


def test_an_event_of_a_rolled_back_transaction_is_never_told(
    transactional_db: None, listener: Listener
) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        publish("shop.opened", {"n": 1})
        1 / 0  # noqa: B018
    with transaction.atomic():
        publish("shop.closed", {"n": 2}, "branch")
        assert listener.heard == []
    run_work("events")
    assert listener.types() == ["shop.closed"]
    assert listener.heard[0]["business"] == "branch"
