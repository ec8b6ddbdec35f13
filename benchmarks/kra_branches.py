"""Invoices of 20 branches side by side, beside one branch, where KRA takes 200 ms to answer."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.figures import Figure, at_least, shown
from benchmarks.kra import queue_up, taxpayer
from benchmarks.stage import run_alone, workers

BRANCHES = 20
LATENCY = 0.2
# Processes, as many as a machine of two processors runs.
WORKERS = 2
PATIENCE = 300.0
# Invoices of a branch in one round.
EACH = 40
BOUND = 15.0
TITLE = f"KRA, {BRANCHES} branches by one, {LATENCY * 1000:.0f} ms latency, {WORKERS} workers"


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    with taxpayer(BRANCHES, latency=LATENCY) as rows, workers(WORKERS):
        _rate(rows, 2, "warm")
        # One branch before and after, so that a machine that grows slow meanwhile shows.
        early = _rate(rows[:1], EACH, "one")
        many = _rate(rows, EACH, "many")
        late = _rate(rows[:1], EACH, "late")
    one = (early + late) / 2
    told = f"{many:,.1f} beside {early:,.2f} before and {late:,.2f} after, invoices/s"
    return [at_least(TITLE, many / one, "", BOUND), shown("  the two", told)]


def _rate(rows: list[Any], each: int, prefix: str) -> float:
    """Invoices a second while all branches have some: from when the last one's are handed in to
    when the first one's are through."""
    from django.db.models import Max

    from integrations.models import KRAInvoice
    from integrations.work.clock import database_now

    for number, row in enumerate(rows):
        queue_up(row, each, prefix=f"{prefix}-{number}")
    began = database_now()
    waits = KRAInvoice.objects.filter(trader_number__startswith=prefix).exclude(state="signed")
    deadline = time.perf_counter() + PATIENCE
    while waits.exists():
        if time.perf_counter() > deadline:
            raise RuntimeError(f"{waits.count()} invoices were not signed.")
        time.sleep(0.1)
    signed = KRAInvoice.objects.filter(trader_number__startswith=prefix)
    ends = signed.values("branch").annotate(last=Max("completed_at")).values_list("last", flat=True)
    ended = min(ends)
    done = signed.filter(completed_at__gt=began, completed_at__lte=ended).count()
    return done / float((ended - began).total_seconds())


if __name__ == "__main__":
    run_alone(measure)
