"""Web, worker and sandbox killed at random points while money is paid out."""

from __future__ import annotations

import threading
import time
from typing import Any

import requests

from integrations.models import Payment
from tests.chaos.conftest import Install
from tests.chaos.disasters import Disasters, sized
from tests.chaos.installation import Installation
from tests.chaos.load import Load, note, while_busy
from tests.chaos.orders import PayoutOrder
from tests.chaos.verdict import held, judge_payouts
from tests.conftest import wait_until


def test_kills_at_random_points_pay_nobody_twice_and_lose_no_payout(install: Install) -> None:
    installation = install(pays=True, speed=0.15, INTEGRATIONS_NOT_FOUND_SECONDS="0.5")
    installation.start()
    before = held(installation)
    orders = [PayoutOrder(number) for number in range(sized(300))]
    load = Load(installation.web_url, orders, per_second=6).start()
    disasters = Disasters(
        {
            "web killed": lambda: installation.restart("web"),
            "worker killed": lambda: installation.restart("worker"),
            "a web worker killed": installation.kill_web_worker,
            "sandbox killed": lambda: installation.restart("sandbox"),
        },
        pauses=(0.1, 1.0),
        # A provider that was away opens breakers, and then little is sent for half a minute.
        rare={"sandbox killed"},
    )
    while_busy(load, disasters, at_most=sized(60))
    # A fresh worker holds nothing in memory, such as an open breaker, that would delay the end.
    installation.restart("worker")
    assert judge_payouts(installation, load.told, orders, before=before) == []
    assert len(disasters.done) == 4


def test_the_judge_sees_a_product_that_sends_again_under_a_new_id(install: Install) -> None:
    """A worker that takes an expired sender for one who sent nothing is found guilty."""
    verdict = _after_a_killed_sender(install(pays=True, CHAOS_SABOTAGE="send_again"))
    assert "C0-0 was sent 2 times" in verdict
    assert "C0 was paid 2 times" in verdict


def test_the_judge_acquits_the_product_in_the_same_place(install: Install) -> None:
    installation = install(pays=True, INTEGRATIONS_NOT_FOUND_SECONDS="0.5")
    assert _after_a_killed_sender(installation) == []


def _after_a_killed_sender(installation: Installation) -> list[str]:
    """The web server is killed after M-Pesa took a payout and before it answered."""
    installation.start()
    before = held(installation)
    installation.sandbox.clear_faults()
    installation.sandbox.fault("slow", operation="b2c", seconds=30, times=1)
    order = PayoutOrder(0)
    push = order.push(0)
    caller = threading.Thread(target=_call, args=(f"{installation.web_url}/pay/{order.how}", push))
    caller.start()
    wait_until(lambda: installation.sandbox.book()["payouts"])
    installation.kill("web")
    caller.join()
    installation.start("web")
    payment = Payment.objects.get()
    data: dict[str, Any] = {
        "payment_id": str(payment.public_id), "state": "unknown", "retry_safe": False,
    }  # fmt: skip
    time.sleep(3)  # the sender's lease ends
    return judge_payouts(installation, [note(push, False, data)], [order], before=before)


def _call(url: str, push: dict[str, Any]) -> None:
    try:
        requests.post(url, json=push, timeout=30)
    except requests.RequestException:
        return
