"""The health endpoint: four slow providers side by side, and answers from what is remembered."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks.figures import Figure, amount, at_most, shown
from benchmarks.stage import run_alone

PATH = "/api/v1/integrations/health/"
SLOW = 4
SLOW_SECONDS = 2.0
# Every answer of a run must come from what was remembered before it.
ROUNDS = 100


def measure() -> list[Figure]:
    """Both figures, through the whole of the product's middleware and views."""
    with _caller() as get, _slow_tests() as recent:
        get()  # the first request imports and connects
        recent.forget()
        begin = time.perf_counter()
        get()
        side_by_side = time.perf_counter() - begin
        times = []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            get()
            times.append((time.perf_counter() - begin) * 1000)
    return [
        at_most(f"health, {SLOW} integrations that take 2 s each", side_by_side, "s", 2.5),
        at_most("health, from cache, median", median(times), "ms", 10),
        shown("  the slowest of them", amount(max(times), "ms")),
    ]


@contextmanager
def _caller() -> Iterator[Any]:
    """A function that asks as a logged-in user does; raises where the answer is not 200."""
    from django.contrib.auth.models import User
    from django.test import Client

    user = User.objects.create_user("bench-health")
    client = Client(headers={"host": "127.0.0.1", "x-forwarded-proto": "https"})
    client.force_login(user)

    def get() -> None:
        answer = client.get(PATH)
        if answer.status_code != 200:
            raise RuntimeError(f"{PATH} answered {answer.status_code}.")

    try:
        yield get
    finally:
        user.delete()


@contextmanager
def _slow_tests() -> Iterator[Any]:
    """The view's memory over tests of which four take two seconds each."""
    from integrations.api import recent as module
    from integrations.api import views
    from integrations.health import integration_status, known_slugs

    slow = set(known_slugs()[:SLOW])

    def check(slug: str, business: str) -> dict[str, Any]:
        if slug in slow:
            time.sleep(SLOW_SECONDS)
        return integration_status(slug, business)

    kept = views.recent
    views.recent = module.RecentStatus(check)
    try:
        yield views.recent
    finally:
        views.recent = kept


if __name__ == "__main__":
    run_alone(measure)
