"""100 endpoints of which 10 hang, each with a backlog: how long the events of the others wait."""

from __future__ import annotations

import random
import time
from statistics import quantiles
from typing import Any

from benchmarks.figures import Figure, at_most, exactly, shown
from benchmarks.receivers import allowed, recording_receiver
from benchmarks.stage import run_alone
from benchmarks.webhook_stage import PAYLOAD, delivered, forget_all, make_endpoint
from benchmarks.webhook_worker import webhook_worker

ENDPOINTS, HANGING = 100, 10
# Of each hanging endpoint, due before anything else is.
BACKLOG = 200
SECONDS = 30.0
PER_SECOND = 100.0
# Events of one transaction: one writer that commits all the time would leave SQLite to nobody.
AT_ONCE = 10
BOUND = 2.0
PATIENCE = 60.0
TITLE = f"webhooks, {ENDPOINTS} endpoints of which {HANGING} hang"


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    forget_all()
    with recording_receiver() as receiver, allowed(receiver.place):
        for number in range(ENDPOINTS):
            path = f"/{'hang' if number < HANGING else 'ok'}/{number}"
            # Its own defaults: ten requests at a time, fifteen seconds each.
            make_endpoint(receiver.url(path), event_type=_type(number), max_concurrency=10)
        for number in range(HANGING):
            _tell([number] * BACKLOG)
        with webhook_worker():
            told = _tell_for_a_while()
            _wait_for(len(told))
        came = {each.message_id: each.at for each in receiver.arrivals() if "/ok/" in each.path}
    forget_all()
    waits = [came[message] - at for message, at in told.items() if message in came]
    cuts = quantiles(waits, n=100)
    return [
        at_most(f"{TITLE}: p95 of the others, published to received", cuts[94], "s", BOUND),
        shown("  p50, p99, longest", f"{cuts[49]:.2f}, {cuts[98]:.2f}, {max(waits):.2f} s"),
        exactly("  delivered of those published meanwhile", len(waits), "", len(told)),
    ]


def _type(number: int) -> str:
    return f"bench.endpoint_{number}"


def _tell(numbers: list[int]) -> list[Any]:
    from django.db import transaction

    from integrations.events import publish

    with transaction.atomic():
        return [publish(_type(number), PAYLOAD) for number in numbers]


def _tell_for_a_while() -> dict[str, float]:
    """Publish for the endpoints that work, at a steady rate: message id to its instant."""
    dice = random.Random(1)
    told: dict[str, float] = {}
    begin = time.monotonic()
    for number in range(0, int(SECONDS * PER_SECOND), AT_ONCE):
        time.sleep(max(0.0, begin + number / PER_SECOND - time.monotonic()))
        now = time.time()
        events = _tell([dice.randrange(HANGING, ENDPOINTS) for _ in range(AT_ONCE)])
        told |= {f"msg_{event.event_id.hex}": now for event in events}
    return told


def _wait_for(count: int) -> None:
    end = time.monotonic() + PATIENCE
    while delivered() < count and time.monotonic() < end:
        time.sleep(0.1)


if __name__ == "__main__":
    run_alone(measure)
