"""A committed backlog of webhooks worked off, beside its floors and beside django-webhook."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks import peers
from benchmarks.callbacks import database_cpu
from benchmarks.figures import (
    Figure,
    at_least,
    beside,
    interleave,
    left_out,
    median_ratio,
    shown,
)
from benchmarks.receivers import Address, receiver
from benchmarks.stage import has_redis, run_alone
from benchmarks.webhook_floors import bare_claims, bare_posts
from benchmarks.webhook_peer import Peer, django_webhook
from benchmarks.webhook_shares import shares
from benchmarks.webhook_stage import (
    check_delivered,
    drain,
    fill,
    forget_all,
    make_endpoint,
    publish_all,
    publish_many,
    sample_headers,
    settle,
)

EVENTS = int(os.environ.get("BENCH_WEBHOOKS", "2000"))
ROUNDS = int(os.environ.get("BENCH_WEBHOOK_ROUNDS", "5"))
PUBLISHED, PUBLISHING_ROUNDS = 200, 5
# Deliveries a second, and times django-webhook's, by database.
BOUNDS = {"postgresql": (2500.0, 8.0), "sqlite": (2000.0, 4.0)}
PEER = "webhooks, drain by that of django-webhook + Celery"


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    with receiver() as address:
        ours = _Ours(address)
        ours.leg()
        floors: list[Callable[[], float]] = [ours.bare_posts, ours.bare_claims]
        missing = _missing()
        if missing:
            rates = interleave(ROUNDS, ours.leg, *floors)
        else:
            with django_webhook(address.url()) as peer:
                _warm(peer)
                rates = interleave(ROUNDS, ours.leg, *floors, lambda: peer.drain(EVENTS))
        return [*_figures(rates, address, missing), *ours.more()]


def _missing() -> str:
    if not peers.are_installed():
        return "needs requirements-bench.txt"
    return "" if has_redis() else "needs REDIS_URL, Celery's broker"


def _warm(peer: Peer) -> None:
    peer.drain(100)


class _Ours:
    """Our legs: each puts its backlog in first, which is not counted."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._endpoint: Any = None

    def _backlog(self) -> None:
        forget_all()
        self._endpoint = make_endpoint(self._address.url())
        fill(EVENTS)
        settle()

    def leg(self) -> float:
        """Deliveries a second, from the first claim to the last stored result."""
        self._backlog()
        seconds = drain()
        check_delivered(EVENTS)
        return EVENTS / seconds

    def bare_posts(self) -> float:
        """The same requests by libcurl alone."""
        headers, body = sample_headers(self._endpoint)
        return bare_posts(self._address.url(), headers, body, EVENTS)

    def bare_claims(self) -> float:
        """The same rows claimed and finished, and nothing sent."""
        self._backlog()
        return bare_claims()

    def more(self) -> list[Figure]:
        """What is told beside the rates."""
        self._backlog()
        spent = _cpu_beside(self._address, drain)
        self._backlog()
        parts = shares("  of its busy time, by a profiler:", drain)
        headers, body = sample_headers(self._endpoint)
        size = len(body) + sum(len(header) + 2 for header in headers)
        return [
            *parts,
            shown("  one request, headers and body", f"{size:,} bytes"),
            shown("  CPU of a delivery", spent),
            *_publishing(),
        ]


def _publishing() -> list[Figure]:
    legs = {
        "publish, 1 a transaction": lambda: publish_all(PUBLISHED, at_once=1),
        "publish, 100 a transaction": lambda: publish_all(PUBLISHED, at_once=100),
        "publish_many, 100 a transaction": lambda: publish_many(PUBLISHED, at_once=100),
    }
    rates = interleave(PUBLISHING_ROUNDS, *legs.values())
    return [
        shown(f"webhooks, {name}", f"{median(rate):,.0f} events/s")
        for name, rate in zip(legs, rates, strict=True)
    ]


def _cpu_beside(address: Address, act: Callable[[], object]) -> str:
    """Microseconds of CPU a delivery: the dispatcher's process, the database's, the receiver's."""
    meters = {
        "dispatcher": time.process_time,
        "database": database_cpu,
        address.what.partition(" (")[0]: address.cpu_seconds,
    }
    before = [meter() for meter in meters.values()]
    act()
    spent = [meter() - start for meter, start in zip(meters.values(), before, strict=True)]
    return ", ".join(
        f"{name} {seconds / EVENTS * 1e6:.0f} µs"
        for name, seconds in zip(meters, spent, strict=True)
        if seconds
    )


def _figures(rates: list[list[float]], address: Address, missing: str) -> list[Figure]:
    from django.db import connection

    rate, times = BOUNDS[connection.vendor]
    ours, posts, claims, *others = rates
    title = f"webhooks, drain of {EVENTS:,} signed 1 KB events, attempts stored"
    figures = [
        at_least(title, median(ours), "/s", rate),
        beside("  beside libcurl alone", median(ours), "/s", f"bare posts {median(posts):,.0f} /s",
               median_ratio(ours, posts)),
        beside("  beside the claims alone", median(ours), "/s",
               f"bare claims {median(claims):,.0f} /s", median_ratio(ours, claims)),
        shown("  the receiver", address.what),
    ]  # fmt: skip
    if not others:
        return [*figures, left_out(PEER, missing, f">= {times:g}")]
    return [
        *figures,
        at_least(PEER, median_ratio(ours, others[0]), "times", times),
        shown("  django-webhook", f"{median(others[0]):,.0f} /s"),
    ]


if __name__ == "__main__":
    run_alone(measure)
