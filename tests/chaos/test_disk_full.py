"""The SQLite file can grow no further for some seconds, while payments are made."""

from __future__ import annotations

import time

import pytest
from django.db import connection

from tests.chaos.conftest import Install
from tests.chaos.disasters import Disasters, sized
from tests.chaos.load import Load, while_busy
from tests.chaos.orders import Order
from tests.chaos.verdict import judge


def give_back_free_pages() -> None:
    """A file with free pages is not full."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")


def test_a_full_disk_is_answered_clearly_and_everything_is_reconciled_afterwards(
    install: Install,
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("this installation's database is not SQLite")
    installation = install()
    give_back_free_pages()
    installation.start()
    orders = [Order(number) for number in range(sized(500))]
    load = Load(installation.web_url, orders, per_second=10).start()

    def fill() -> None:
        installation.fill_disk()
        time.sleep(disasters.dice.uniform(1.0, 3.0))
        installation.free_disk()

    disasters = Disasters({"disk full": fill}, pauses=(0.5, 2.0))
    while_busy(load, disasters, at_most=sized(30))
    statuses = [
        delivery["status"]
        for prompt in installation.sandbox.prompts()
        for delivery in prompt["deliveries"]
    ]
    assert judge(installation, load.told, orders) == []
    assert 503 in statuses, "the disk was full enough to refuse callbacks"
    assert set(statuses) == {200, 503}
