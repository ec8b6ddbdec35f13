"""Invoices of 20 branches side by side, beside one branch, where KRA takes 200 ms to answer."""

from __future__ import annotations

import time

from benchmarks.figures import Figure, at_least, shown
from benchmarks.kra import queue_up, taxpayer
from benchmarks.stage import run_alone

BRANCHES = 20
LATENCY = 0.2
# Invoices of a branch in one round.
EACH = 40
BOUND = 15.0
TITLE = f"KRA, rate of {BRANCHES} branches by that of one, {LATENCY * 1000:.0f} ms latency"


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    with taxpayer(BRANCHES, latency=LATENCY) as rows:
        _leave_out_periodic_jobs()
        _rate(rows, 2, "warm")
        # One branch before and after, so that a machine that grows slow meanwhile shows.
        early = _rate(rows[:1], EACH, "one")
        many = _rate(rows, EACH, "many")
        late = _rate(rows[:1], EACH, "late")
    one = (early + late) / 2
    told = f"{many:,.1f} beside {early:,.2f} before and {late:,.2f} after, invoices/s"
    return [at_least(TITLE, many / one, "", BOUND), shown("  the two", told)]


def _leave_out_periodic_jobs() -> None:
    """A worker that has just started fetches KRA's lists, of each branch: not what is measured."""
    from integrations.work import periodic_jobs, unregister_periodic

    for job in periodic_jobs():
        unregister_periodic(job.name)


def _rate(rows: list[object], each: int, prefix: str) -> float:
    """Invoices a second of a worker, until all are signed."""
    from integrations.kra.outbox import QUEUE
    from integrations.models import KRAInvoice
    from integrations.work import Worker

    for number, row in enumerate(rows):
        queue_up(row, each, prefix=f"{prefix}-{number}")
    worker = Worker([QUEUE])
    started = time.perf_counter()
    worker.run_once()
    seconds = time.perf_counter() - started
    if KRAInvoice.objects.exclude(state="signed").exists():
        raise RuntimeError("Not every invoice was signed.")
    return len(rows) * each / seconds


if __name__ == "__main__":
    run_alone(measure)
