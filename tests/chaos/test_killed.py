"""Web, worker and sandbox killed at random points while payments are made."""

from __future__ import annotations

from tests.chaos.conftest import Install
from tests.chaos.disasters import Disasters, sized
from tests.chaos.load import Load, while_busy
from tests.chaos.orders import Order
from tests.chaos.verdict import judge


def test_kills_at_random_points_prompt_nobody_twice_and_lose_no_payment(install: Install) -> None:
    # Payers who take one to two seconds: many leases of killed senders end before the callback.
    installation = install(speed=0.15)
    installation.start()
    orders = [Order(number) for number in range(sized(500))]
    load = Load(installation.web_url, orders, per_second=8).start()
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
    while_busy(load, disasters, at_most=sized(70))
    # A fresh worker holds nothing in memory, such as an open breaker, that would delay the end.
    installation.restart("worker")
    assert judge(installation, load.told, orders) == []
    assert len(disasters.done) == 4
