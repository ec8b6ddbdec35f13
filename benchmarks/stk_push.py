"""STK push in steady state: requests, connections, time beside a bare POST, where it goes."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any

from benchmarks import stk_shares
from benchmarks.daraja import BarePush, Timer, pointed_at, push, sandbox
from benchmarks.figures import (
    Figure,
    at_most,
    beside,
    exactly,
    interleave,
    median_ratio,
    shown,
)
from benchmarks.stage import run_alone

WARM = 20
ROUNDS = 150
COUNTED = 50


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    with sandbox() as driver, pointed_at(driver.daraja_url):
        bare = BarePush(driver.daraja_url)
        for _ in range(WARM):
            push()
            bare.send()
        return [*_counters(driver), *_beside(bare), *stk_shares.measure()]


def _counters(driver: Any) -> list[Figure]:
    before = Counter(driver.counters())
    for _ in range(COUNTED):
        push()
    after = Counter(driver.counters())
    after.subtract(before)
    connections = after.pop("connections")
    requests_sent = sum(after.values())
    return [
        exactly(f"STK push, HTTP requests for {COUNTED} pushes", requests_sent, "", COUNTED),
        exactly(f"STK push, new connections for {COUNTED} pushes", connections, "", 0),
    ]


def _beside(bare: BarePush) -> list[Figure]:
    ours: list[float] = []
    floor: list[float] = []

    def service() -> float:
        with Timer() as timer:
            push()
        ours.append(timer.cpu)
        return timer.wall * 1000

    def post() -> float:
        wall, cpu = bare.send()
        floor.append(cpu)
        return wall * 1000

    wall, bare_wall = interleave(ROUNDS, service, post)
    wall_ratio = median_ratio(wall, bare_wall)
    floors = f"{median(ours) * 1000:.2f} ms beside {median(floor) * 1000:.2f} ms"
    return [
        beside(
            "STK push, wall time, plain HTTP on loopback",
            median(wall),
            "ms",
            f"bare POST {median(bare_wall):.2f} ms",
            wall_ratio,
        ),
        at_most(
            "STK push, CPU, times a bare POST", median_ratio(ours, floor), "times", 8, " (aim 5)"
        ),
        shown("  the two", floors),
    ]


if __name__ == "__main__":
    run_alone(measure)
