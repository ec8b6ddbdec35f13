"""PostgreSQL breaks all its connections, again and again, while payments are made."""

from __future__ import annotations

from tests.chaos.conftest import Install
from tests.chaos.disasters import Disasters, sized
from tests.chaos.load import Load, while_busy
from tests.chaos.orders import Order
from tests.chaos.verdict import judge
from tests.private_services import PrivatePostgres


def test_a_restarted_postgresql_prompts_nobody_twice_and_loses_no_payment(
    on_own_postgres: PrivatePostgres, install: Install
) -> None:
    installation = install()
    installation.start()
    orders = [Order(number) for number in range(sized(500))]
    load = Load(installation.web_url, orders, per_second=10).start()
    disasters = Disasters({"restarted": on_own_postgres.restart}, pauses=(0.5, 3.0))
    while_busy(load, disasters, at_most=sized(40), each=2)
    assert judge(installation, load.told, orders) == []
    assert disasters.done["restarted"] >= 2
