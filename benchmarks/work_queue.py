"""Durable work: claim and finish beside bare statements, and the wake-up after a ring.

Not named `queue`: a script's folder leads `sys.path`, and the standard library has that name.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from secrets import token_hex
from statistics import median
from typing import Any

from benchmarks.figures import Figure, beside, interleave, median_ratio, shown
from benchmarks.stage import run_alone

NAME = "bench"
BACKLOG = 10_000
ROUNDS = 60
# Rows of one leg in one round: small, so that the legs share the disk's good and bad moments.
CHUNK = 20
BATCH = 20
RINGS = 60
# Long enough that no wake-up below can be a poll's.
NO_POLL = 30.0

# A queue as one would write it by hand: the fewest columns, no ORM, the driver's own cursor.
_BARE_CLAIM = """
UPDATE {table} SET work_state = 'leased', next_attempt_at = {end}
WHERE id = (SELECT id FROM {table} WHERE next_attempt_at <= {now}
            ORDER BY next_attempt_at LIMIT 1 {lock})
RETURNING id
"""
_BARE_FINISH = "UPDATE {table} SET work_state = 'done', next_attempt_at = NULL WHERE id = {id}"


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    return [*claim_rates(BACKLOG), *_wake_up()]


def claim_rates(backlog: int) -> list[Figure]:
    """Rows claimed, handled by a handler that does nothing, and finished, per second."""
    fill(backlog)
    with queue_of(1, ignore) as single:
        one_by_one = _drain(single)
    with queue_of(BATCH, ignore) as batched:
        by_batch = _drain(batched)
    bare = _bare()
    for leg in (one_by_one, by_batch, bare):
        leg()
    singles, batches, bares = interleave(ROUNDS, one_by_one, by_batch, bare)
    title = f"claim + finish of {backlog:,} due rows"
    return [
        _rate(f"{title}, one by one", singles, bares),
        _rate(f"{title}, {BATCH} a claim", batches, bares),
    ]


def _rate(name: str, ours: list[float], bare: list[float]) -> Figure:
    floor = f"bare UPDATEs {median(bare):,.0f} rows/s"
    return beside(name, median(ours), "rows/s", floor, median_ratio(ours, bare))


def fill(backlog: int) -> None:
    """Put so many due rows, and nothing else, into the table of events."""
    from django.db import connection

    from integrations.models import DomainEvent

    DomainEvent.objects.all().delete()
    for start in range(0, backlog, 1000):
        size = min(1000, backlog - start)
        DomainEvent.objects.bulk_create(
            [DomainEvent(event_type="bench", payload={}) for _ in range(size)]
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def ignore(_row: Any) -> None:
    """The handler that does nothing."""


@contextmanager
def queue_of(batch: int, handle: Callable[[Any], None]) -> Iterator[Any]:
    """A queue on the table of events, registered inside the block."""
    from integrations import work
    from integrations.models import DomainEvent

    queue = work.Queue(
        name=NAME, model=DomainEvent, handle=handle, batch=batch, deadline_seconds=1.0
    )
    work.register(queue)
    try:
        yield queue
    finally:
        work.unregister(NAME)


def _drain(queue: Any) -> Callable[[], float]:
    from integrations.work.run import take_turn

    def run() -> float:
        started = time.perf_counter()
        for _ in range(CHUNK // queue.batch):
            if not take_turn(queue):
                raise RuntimeError("The backlog is used up.")
        return CHUNK / (time.perf_counter() - started)

    return run


def _bare() -> Callable[[], float]:
    from django.db import connection

    connection.ensure_connection()
    is_postgresql = connection.vendor == "postgresql"
    words = {
        "table": "integrations_domainevent",
        "now": "now()"
        if is_postgresql
        else "strftime('%Y-%m-%d %H:%M:%f', 'now', '+0.001 seconds')",
        "end": "now() + interval '60 s'"
        if is_postgresql
        else "strftime('%Y-%m-%d %H:%M:%f', 'now', '+60 seconds')",
        "lock": "FOR UPDATE SKIP LOCKED" if is_postgresql else "",
    }
    claim = _BARE_CLAIM.format(**words)

    def run() -> float:
        cursor = connection.connection.cursor()
        started = time.perf_counter()
        for _ in range(CHUNK):
            (found,) = cursor.execute(claim).fetchall()
            cursor.execute(_BARE_FINISH.format(table=words["table"], id=int(found[0])))
        seconds = time.perf_counter() - started
        cursor.close()
        return CHUNK / seconds

    return run


def _wake_up() -> list[Figure]:
    """Milliseconds from the ring of a committed row to its handler, in one process."""
    from django.conf import settings
    from django.test import override_settings

    from integrations.models import DomainEvent

    DomainEvent.objects.all().delete()
    woken = threading.Event()
    moments: list[float] = []

    def handle(_row: Any) -> None:
        moments.append(time.perf_counter())
        woken.set()

    poll = float(settings.INTEGRATIONS_POLL_SECONDS)
    with override_settings(INTEGRATIONS_POLL_SECONDS=NO_POLL), queue_of(1, handle), _worker():
        delays = [_ring(woken, moments) for _ in range(RINGS)][5:]
    return [
        beside(
            "wake-up, ring to handler, median",
            median(delays) * 1000,
            "ms",
            f"poll interval {poll * 1000:g} ms",
            median(delays) / poll,
        ),
        shown(f"  slowest of {len(delays)}", f"{max(delays) * 1000:.1f} ms"),
    ]


def _ring(woken: threading.Event, moments: list[float]) -> float:
    from integrations import work
    from integrations.models import DomainEvent

    time.sleep(random.uniform(0.01, 0.04))
    DomainEvent.objects.create(event_type=f"bench.{token_hex(2)}", payload={})
    woken.clear()
    started = time.perf_counter()
    work.ring(NAME)
    if not woken.wait(NO_POLL / 2):
        raise RuntimeError("A ring was not heard.")
    return moments[-1] - started


@contextmanager
def _worker() -> Iterator[None]:
    from integrations import work

    worker = work.Worker([NAME])
    thread = threading.Thread(target=worker.run, name="bench worker")
    thread.start()
    time.sleep(0.3)  # its first look at an empty queue
    try:
        yield
    finally:
        worker.stop()
        thread.join(30)


if __name__ == "__main__":
    run_alone(measure)
