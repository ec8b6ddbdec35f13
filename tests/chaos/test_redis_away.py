"""Redis forgets everything, dies or stands still while payments are made."""

from __future__ import annotations

import os
import time

import pytest

from tests.chaos.conftest import Install
from tests.chaos.disasters import Disasters, sized
from tests.chaos.load import Load, while_busy
from tests.chaos.orders import Order
from tests.chaos.verdict import judge
from tests.private_services import PrivateRedis


@pytest.mark.skipif(
    os.environ.get("CI_STACK") == "embedded", reason="the embedded stack has no Redis"
)
def test_a_redis_that_forgets_dies_or_stands_still_costs_no_payment(
    own_redis: PrivateRedis, install: Install
) -> None:
    installation = install(REDIS_URL=own_redis.url)
    installation.start()
    orders = [Order(number) for number in range(sized(500))]
    load = Load(installation.web_url, orders, per_second=10).start()

    def flush() -> None:
        held.append(own_redis.client().dbsize())
        own_redis.flush()

    def die() -> None:
        held.append(own_redis.client().dbsize())
        own_redis.kill()
        time.sleep(disasters.dice.uniform(0.0, 1.5))
        own_redis.start()

    def stand_still() -> None:
        own_redis.pause()
        time.sleep(disasters.dice.uniform(0.1, 1.5))
        own_redis.resume()

    def reject_tokens() -> None:
        installation.sandbox.tokens(invalidate=True)

    held: list[int] = []
    disasters = Disasters(
        {
            "flushed": flush,
            "killed": die,
            "stood still": stand_still,
            "tokens forgotten by M-Pesa": reject_tokens,
        },
        pauses=(0.2, 1.0),
    )
    while_busy(load, disasters, at_most=sized(80))
    assert judge(installation, load.told, orders) == []
    assert len(disasters.done) == 4
    assert max(held) > 0, "it was in use"
