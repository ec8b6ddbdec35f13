"""Claims while 100,000 invoices wait, beside the same with few: lane and row, as a worker does."""

from __future__ import annotations

import time
from statistics import median

from benchmarks.figures import Figure, at_least, shown
from benchmarks.kra import queue_up, taxpayer
from benchmarks.stage import run_alone

BRANCHES = 20
FEW, MANY = 10, 5_000
ROUNDS = 40
CHUNK = 10
BOUND = 0.8
TITLE = f"KRA, claims a second with {BRANCHES * MANY:,} invoices by that with {BRANCHES * FEW:,}"


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    with taxpayer(2 * BRANCHES, latency=0.0) as rows:
        for number, row in enumerate(rows[:BRANCHES]):
            queue_up(row, FEW, prefix=f"few-{number}")
        few = _rates()
        for number, row in enumerate(rows[BRANCHES:]):
            queue_up(row, MANY, prefix=f"many-{number}")
        _settle()
        many = _rates()
    told = f"{median(many):,.0f} beside {median(few):,.0f} claims/s"
    return [at_least(TITLE, median(many) / median(few), "", BOUND), shown("  the two", told)]


def _rates() -> list[float]:
    """Claims a second of several rounds; what was claimed waits again afterwards."""
    for _ in range(3):
        _round()
    return [_round() for _ in range(ROUNDS)]


def _round() -> float:
    from integrations.kra.outbox import QUEUE
    from integrations.work import Again, finish, get_queue
    from integrations.work.lanes import claim_lane, claim_next, release_lane

    queue = get_queue(QUEUE)
    started = time.perf_counter()
    for _ in range(CHUNK):
        lane = claim_lane(queue)
        if lane is None:
            raise RuntimeError("No branch is free.")
        claim = claim_next(queue, lane)
        if len(claim.rows) != 1:
            raise RuntimeError("Nothing was claimed.")
        finish(claim.rows[0], Again(delay_seconds=0, count_attempt=False))
        release_lane(queue, lane)
    return CHUNK / (time.perf_counter() - started)


def _settle() -> None:
    """What time would do to tables that were not filled a moment ago."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE integrations_krainvoice")
        else:
            cursor.execute("ANALYZE")


if __name__ == "__main__":
    run_alone(measure)
