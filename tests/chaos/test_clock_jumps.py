"""Wall clocks of single processes jump by hours while payments are made.

Leases and ages count on the database's clock, deadlines on the monotonic one. So a wrong clock
may spoil what people read, and nothing else.
"""

from __future__ import annotations

import time
from datetime import timedelta

from django.db.models.functions import Now

from integrations.models import DomainEvent, InboundCallback, Payment
from integrations.outbound.breaker import OPEN_SECONDS
from integrations.payments.sending import RESEND_PAUSE
from tests.chaos.conftest import Install
from tests.chaos.disasters import Disasters, sized
from tests.chaos.load import Load, while_busy
from tests.chaos.orders import Order
from tests.chaos.verdict import judge
from tests.conftest import wait_until

HOURS = (-5.0, 0.0, 5.0)


def far_off() -> list[str]:
    """Work that waits longer than the longest pause after a fresh payment, in words."""
    later = Now() + timedelta(minutes=5)
    return [
        f"{row} waits until {row.next_attempt_at}"
        for model in (Payment, InboundCallback, DomainEvent)
        for row in model.objects.filter(next_attempt_at__gt=later)
    ]


def test_clocks_that_jump_by_hours_prompt_nobody_twice_and_hold_nothing_up(
    install: Install,
) -> None:
    installation = install()
    names = ["web", "worker", "worker-2"]
    for name in names:
        installation.set_clock(name, hours=0)
    installation.start("sandbox", *names)
    orders = [Order(number) for number in range(sized(500))]
    load = Load(installation.web_url, orders, per_second=10).start()

    def jump(name: str) -> None:
        installation.set_clock(name, hours=disasters.dice.choice(HOURS))

    disasters = Disasters(
        {f"{name}'s clock jumped": lambda name=name: jump(name) for name in names},
        pauses=(0.1, 0.8),
    )
    while_busy(load, disasters, at_most=sized(120))
    time.sleep(1.0)
    assert far_off() == []
    # So many lost answers may open the circuit: what is queued then waits for it, and its turn.
    patience = OPEN_SECONDS + RESEND_PAUSE + 15
    wait_until(lambda: not Payment.objects.filter(state="created").exists(), patience)
    assert judge(installation, load.told, orders) == []
    assert not Payment.objects.filter(result_code="too_old").exists()
    assert len(disasters.done) == 3
