"""Workers killed at random points while a payout file goes out: each row is paid once."""

from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal
from typing import Any

from django.db import OperationalError, connections

from integrations.models import BatchState, MpesaSettings, PayoutBatch
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.chaos.conftest import Install
from tests.chaos.disasters import Disasters, sized
from tests.chaos.verdict import half_written, held
from tests.conftest import wait_until
from tests.payments.batches.conftest import file_of, text_of

PATIENCE = 240.0


def test_killed_workers_pay_no_row_of_a_file_twice_and_lose_none(
    install: Install, settings: Any
) -> None:
    installation = install(pays=True, speed=0.02, INTEGRATIONS_NOT_FOUND_SECONDS="0.5")
    installation.start("sandbox", "web", "worker", "worker2")
    installation.sandbox.clear_faults()
    settings.PUBLIC_BASE_URL = installation.web_url
    rows = sized(1000)
    # Long enough on the way for some kills, whatever its size.
    MpesaSettings.objects.update(requests_per_second=max(8, rows // 25))
    before = held(installation)
    success, message, data = MpesaPaymentService.pay_out_file(file_of(text_of(rows)))
    assert success, message
    assert data is not None
    connections.close_all()
    disasters = Disasters(
        {
            "a worker killed": lambda: installation.restart("worker"),
            "another worker killed": lambda: installation.restart("worker2"),
            "a web worker killed": installation.kill_web_worker,
        },
        pauses=(0.2, 1.0),
    )
    end = time.monotonic() + PATIENCE
    while (not is_all_out() or len(disasters.done) < 3) and time.monotonic() < end:
        if sum(disasters.done.values()) < sized(60):
            disasters.strike()
        else:
            time.sleep(0.5)
    wait_until(is_over, PATIENCE)
    batch = PayoutBatch.objects.get()
    paid = Counter(entry["originator_id"] for entry in installation.sandbox.book()["payouts"])
    states = Counter(batch.rows.values_list("state", flat=True))
    print(f"{rows} rows, {len(paid)} in the book, {dict(states)}, {dict(disasters.done)}")
    for row in batch.rows.exclude(state="succeeded"):
        print(row.state, row.result_code, row.message, [event.text for event in row.events.all()])
    assert states == {"succeeded": rows}
    assert set(paid) == set(batch.rows.values_list("originator_id", flat=True))
    assert set(paid.values()) == {1}
    assert before - held(installation) == Decimal(str(data["total"]))
    assert batch.state == BatchState.FINISHED
    assert half_written() == []
    assert len(disasters.done) == 3


def is_all_out() -> bool:
    return not is_any("awaiting_approval", "created", "sending")


def is_any(*states: str) -> bool:
    try:
        return PayoutBatch.objects.get().rows.filter(state__in=states).exists()
    except OperationalError:
        return True  # every connection is in use at this moment: nobody knows
    finally:
        connections.close_all()


def is_over() -> bool:
    try:
        return PayoutBatch.objects.get().is_over
    except OperationalError:
        return False
    finally:
        connections.close_all()
