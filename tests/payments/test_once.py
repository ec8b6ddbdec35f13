"""Service calls that leave no payment: the same idempotency key is answered again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone

from integrations.models import ApiAnswer, C2BRegistration, MpesaQuery, MpesaSettings
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.payments.once import once
from tests.conftest import run_work
from tests.payments.questions import account
from tests.sandbox.driver import SandboxDriver

__all__ = ["account"]
service = MpesaPaymentService
pytestmark = pytest.mark.django_db(transaction=True)

CALLS: dict[str, Callable[[str], Any]] = {
    "query_balance": lambda key: service.query_balance(idempotency_key=key),
    "query_transaction": lambda key: service.query_transaction("UAE4X7K2QP", idempotency_key=key),
    "register_c2b_urls": lambda key: service.register_c2b_urls(idempotency_key=key),
    "simulate_c2b": lambda key: service.simulate_c2b("0712345678", 10, idempotency_key=key),
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_repeated_call_is_answered_and_not_made(
    account: MpesaSettings, sandbox: SandboxDriver, name: str
) -> None:
    first = CALLS[name]("k1")
    counted = sandbox.counters()
    again = CALLS[name]("k1")
    assert first[0] is True
    assert again == (first[0], first[1], {**first[2], "repeated": True})
    assert sandbox.counters() == counted
    sandbox.settle()
    run_work("callbacks")
    CALLS[name]("k2")
    assert sandbox.counters() != counted


def test_the_key_of_another_call_is_refused(account: MpesaSettings, sandbox: SandboxDriver) -> None:
    service.query_transaction("UAE4X7K2QP", idempotency_key="k")
    success, message, data = service.query_transaction("UAE4X7K2QQ", idempotency_key="k")
    assert (success, data["code"]) == (False, "idempotency_mismatch")
    assert message == "idempotency_key: was already used for another call."
    assert MpesaQuery.objects.count() == 1


@pytest.mark.parametrize("key", ["", " ", "a" * 129, "a\nb", 5])
def test_a_bad_key_is_named_before_anything_is_asked(
    account: MpesaSettings, sandbox: SandboxDriver, key: Any
) -> None:
    success, message, data = service.query_balance(idempotency_key=key)
    assert (success, data["field"]) == (False, "idempotency_key")
    assert "1 to 128 printable characters" in message
    assert not MpesaQuery.objects.exists()


def test_a_refused_call_leaves_the_key_free(account: MpesaSettings, sandbox: SandboxDriver) -> None:
    success, _message, data = service.query_transaction("?", idempotency_key="k")
    assert (success, data["field"]) == (False, "receipt")
    assert service.query_transaction("UAE4X7K2QP", idempotency_key="k")[0] is True


def test_a_lost_answer_is_not_made_good_by_registering_twice(
    account: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("lose_answer", operation="c2b_register", times=None)
    first = service.register_c2b_urls(idempotency_key="k")
    again = service.register_c2b_urls(idempotency_key="k")
    assert first[2]["state"] == again[2]["state"] == "unknown"
    assert C2BRegistration.objects.count() == 1


def test_a_call_that_never_ended_is_not_made_again(db: None) -> None:
    def dies() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        once("m", "k", "", {}, dies)
    success, message, data = once("m", "k", "", {}, dies)
    assert (success, data["code"], data["state"]) == (False, "outcome_unknown", "unknown")
    assert "has not ended" in message


def test_a_key_is_of_one_business_and_of_one_day(db: None) -> None:
    made = []

    def act() -> Any:
        made.append(1)
        return True, None, {"state": "sent"}

    for business in ("a", "b", "a"):
        once("m", "k", business, {}, act)
    assert len(made) == 2
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        once("m", "k", "a", {}, act)
    assert len(made) == 3


def test_of_two_at_once_one_is_made(db: None) -> None:
    made = []
    inside, go_on = threading.Event(), threading.Event()

    def slow() -> Any:
        made.append(1)
        inside.set()
        assert go_on.wait(60)
        return True, None, {"state": "sent"}

    def first() -> None:
        try:
            once("m", "k", "", {}, slow)
        finally:
            connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(60)
    assert once("m", "k", "", {}, slow)[2]["code"] == "outcome_unknown"
    go_on.set()
    thread.join(10)
    assert once("m", "k", "", {}, slow)[0] is True
    assert made == [1]


def test_rolled_back_means_never_asked(account: MpesaSettings, sandbox: SandboxDriver) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        service.query_balance(idempotency_key="k")
        raise RuntimeError
    assert not ApiAnswer.objects.exists()
    assert service.query_balance(idempotency_key="k")[2].get("repeated") is None
