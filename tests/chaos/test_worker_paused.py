"""A worker stands still past its lease while it is sending, then goes on: nobody pays twice."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import time

import pytest
from django.db import connection

from integrations.models import Payment, ProviderCall
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.chaos.conftest import Install
from tests.chaos.disasters import Disasters, sized
from tests.chaos.installation import Installation
from tests.chaos.load import Told, note
from tests.chaos.orders import Order
from tests.chaos.verdict import judge
from tests.conftest import wait_until

# Longer than the lease of two seconds, within which the deadline of 1.8 lies.
PAST_THE_LEASE = 2.3
# Where one order is all there is, its worker gets more time until it is held.
LONGER = {"INTEGRATIONS_LEASE_SECONDS": "4", "INTEGRATIONS_DEADLINE_SECONDS": "3.6"}
PAST_THE_LONGER = 4.3
# How long nobody has to hurry: a busy machine proves nothing.
PATIENCE = 60.0
# So long that no callback settles the payment before the lease ends; then the clock is advanced.
PAYER_SECONDS = 10_000


def enqueue(order: Order) -> Told:
    push = order.push(0)
    success, _message, data = MpesaPaymentService.enqueue_stk_push(**push)
    return note(push, success, data or {})


def pause_between_statements(installation: Installation) -> None:
    """Pause the worker where it holds no lock on the whole SQLite file: nobody could work then."""
    while True:
        installation.pause("worker")
        if connection.vendor != "sqlite" or is_writable():
            return
        installation.resume("worker")


def is_writable() -> bool:
    name = str(connection.settings_dict["NAME"])
    with contextlib.closing(sqlite3.connect(name, timeout=0.2)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
    return True


@pytest.mark.parametrize(
    ("request_of", "end"),
    [
        # It has no token yet: the socket of the push is not open. Afterwards it is too late to.
        ("oauth", "failed"),
        # Daraja has it, and the answer is on its way.
        ("stkpush", "succeeded"),
    ],
    ids=["before the socket opens", "after the bytes left"],
)
def test_a_worker_paused_while_it_is_sending_prompts_at_most_once(
    install: Install, public_url: str, request_of: str, end: str
) -> None:
    installation = install(PUBLIC_BASE_URL=public_url, **LONGER)
    installation.hold("worker", request_of)
    installation.start("sandbox", "worker")
    installation.sandbox.scenario("approve", seconds=PAYER_SECONDS)
    order = Order(0)
    told = enqueue(order)
    wait_until(lambda: installation.holds("worker"), PATIENCE)
    pause_between_statements(installation)
    paused_at = time.monotonic()
    installation.release("worker")
    installation.start("worker-2")
    wait_until(lambda: Payment.objects.get().events.filter(kind="sender_lost").exists(), PATIENCE)
    time.sleep(max(0.0, paused_at + PAST_THE_LONGER - time.monotonic()))
    installation.resume("worker")
    # It goes on from where it stood, and notes how its call ended.
    wait_until(lambda: ProviderCall.objects.filter(operation="stk_push").exists(), PATIENCE)
    installation.sandbox.advance(PAYER_SECONDS)
    assert judge(installation, [told], [order]) == []
    assert Payment.objects.get().state == end
    assert len(installation.sandbox.prompts()) == (0 if end == "failed" else 1)


def test_workers_paused_at_random_prompt_nobody_twice(install: Install, public_url: str) -> None:
    installation = install(PUBLIC_BASE_URL=public_url)
    workers = ["worker", "worker-2"]
    installation.start("sandbox", *workers)
    for kind in ("delay", "slow"):
        installation.sandbox.fault(kind, operation="stk_push", seconds=0.2, times=None)
    orders = [Order(number) for number in range(sized(500))]
    waiting, told = iter(orders), []

    def pause(name: str) -> None:
        told.extend(enqueue(order) for order in itertools.islice(waiting, 25))
        time.sleep(disasters.dice.uniform(0.0, 0.5))
        installation.pause(name)
        time.sleep(PAST_THE_LEASE)
        installation.resume(name)

    disasters = Disasters(
        {f"{name} paused": lambda name=name: pause(name) for name in workers}, pauses=(0.0, 0.5)
    )
    for _ in range(sized(20)):
        disasters.strike()
    assert judge(installation, told, orders) == []
    assert len(disasters.done) == 2
