"""The memory of one worker over 200,000 deliveries."""

from __future__ import annotations

import os
import time

from benchmarks.figures import Figure, at_most, shown
from benchmarks.receivers import receiver
from benchmarks.stage import run_alone
from benchmarks.webhook_stage import (
    CONCURRENCY,
    check_delivered,
    delivered,
    fill,
    forget_all,
    make_endpoint,
    settle,
)
from benchmarks.webhook_worker import megabytes, webhook_worker

ENDPOINTS = 20
DELIVERIES = int(os.environ.get("BENCH_MEMORY_DELIVERIES", "200000"))
# Megabytes between the first tenth, when every pool is filled, and the end.
GROWTH = 5.0
PATIENCE = 1200.0


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    with receiver() as address:
        forget_all()
        for number in range(ENDPOINTS):
            make_endpoint(address.url(f"/ok/{number}"), max_concurrency=CONCURRENCY // 10)
        fill(DELIVERIES // ENDPOINTS)
        settle()
        with webhook_worker() as pid:
            sizes = _follow(pid)
    check_delivered(DELIVERIES)
    forget_all()
    tenths = ", ".join(f"{size:.1f}" for size in sizes)
    title = f"webhooks, memory that a worker grows by over {DELIVERIES:,} deliveries"
    return [
        at_most(title, max(sizes[-1] - sizes[0], 0.0), "MB", GROWTH),
        shown("  after each tenth", f"{tenths} MB"),
    ]


def _follow(pid: int) -> list[float]:
    """Megabytes after each tenth of the deliveries."""
    sizes: list[float] = []
    end = time.monotonic() + PATIENCE
    while len(sizes) < 10:
        if time.monotonic() > end:
            raise RuntimeError(f"{delivered()} of {DELIVERIES} were delivered in {PATIENCE:.0f} s.")
        time.sleep(0.25)
        if delivered() >= DELIVERIES * (len(sizes) + 1) // 10:
            sizes.append(megabytes(pid))
    return sizes


if __name__ == "__main__":
    run_alone(measure)
