"""The rate of delivery while 1,000,000 deliveries are pending, beside the same with 10,000."""

from __future__ import annotations

import os
from datetime import timedelta
from statistics import median

from benchmarks.figures import Figure, at_least, shown
from benchmarks.receivers import Address, receiver
from benchmarks.stage import run_alone
from benchmarks.webhook_stage import (
    CONCURRENCY,
    delivered,
    drain,
    fill,
    forget_all,
    make_endpoint,
    settle,
)

ENDPOINTS = 100
SHORT, LONG = 10_000, int(os.environ.get("BENCH_PENDING", "1000000"))
ROUNDS = 4
# So short that a drain never comes to the end of the short backlog. What begins in the first half
# second, while lanes are taken and claims grow, is left out.
SECONDS, FIRST = 1.75, 0.5
BOUND = 0.8
TITLE = f"webhooks, rate with {LONG:,} pending by that with {SHORT:,}"


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    with receiver() as address:
        # The short one before and after, so that a machine that grows slow meanwhile shows.
        early = _rates(address, SHORT)
        long = _rates(address, LONG)
        late = _rates(address, SHORT)
    forget_all()
    short = [*early, *late]
    told = f"{median(long):,.0f} beside {median(early):,.0f} before and {median(late):,.0f} after"
    return [
        at_least(TITLE, median(long) / median(short), "", BOUND),
        shown("  the three", f"{told} /s"),
    ]


def _rates(address: Address, pending: int) -> list[float]:
    """Deliveries a second of several rounds; the backlog is made up to its size before each."""
    forget_all()
    for number in range(ENDPOINTS):
        make_endpoint(address.url(f"/ok/{number}"), max_concurrency=CONCURRENCY // 10)
    fill(pending // ENDPOINTS)
    settle()
    _round(pending)
    return [_round(pending) for _ in range(ROUNDS)]


def _round(pending: int) -> float:
    from django.utils import timezone

    from integrations.models import WebhookAttempt

    before, begin = delivered(), timezone.now()
    drain(budget_seconds=SECONDS)
    done = delivered() - before
    if done >= pending:
        raise RuntimeError("The backlog is used up.")
    fill(-(-done // ENDPOINTS))
    window = [begin + timedelta(seconds=at) for at in (FIRST, SECONDS)]
    begun = WebhookAttempt.objects.filter(started_at__gte=window[0], started_at__lt=window[1])
    return begun.count() / (SECONDS - FIRST)


if __name__ == "__main__":
    run_alone(measure)
