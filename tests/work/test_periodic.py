"""Periodic jobs: in one process at a time and no more often than asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from integrations import work
from integrations.exceptions import ConfigurationError
from integrations.models.periodic import PeriodicLease
from tests.work.conftest import in_own_connection

pytestmark = pytest.mark.django_db(transaction=True)

MakePeriodic = Callable[..., work.Periodic]


def let_time_pass(**fields: Any) -> None:
    past = Now() - timedelta(seconds=1)
    PeriodicLease.objects.update(next_run_at=past, **fields)


def run_all() -> int:
    turns = 0
    while work.run_next_periodic():
        turns += 1
    return turns


def test_a_job_runs_at_once_and_then_only_after_its_interval(make_periodic: MakePeriodic) -> None:
    runs: list[int] = []
    make_periodic(name="sweep", every_seconds=60, run=lambda: runs.append(1))
    assert (run_all(), run_all(), len(runs)) == (1, 0, 1)
    let_time_pass()
    assert (run_all(), len(runs)) == (1, 2)


def test_a_job_that_a_fast_clock_made_known_runs_at_once(make_periodic: MakePeriodic) -> None:
    runs: list[int] = []
    make_periodic(name="sweep", every_seconds=60, run=lambda: runs.append(1))
    with time_machine.travel(timezone.now() + timedelta(hours=5)):
        assert run_all() == 1


def test_a_failing_job_is_logged_and_comes_again(
    make_periodic: MakePeriodic, caplog: pytest.LogCaptureFixture
) -> None:
    make_periodic(name="sweep", every_seconds=60, run=lambda: 1 / 0)
    assert run_all() == 1
    assert "Periodic job sweep failed" in caplog.text
    assert PeriodicLease.objects.get().lease_until is None
    let_time_pass()
    assert run_all() == 1


def test_a_crashed_run_is_repeated_when_its_lease_ends(make_periodic: MakePeriodic) -> None:
    runs: list[int] = []
    make_periodic(name="sweep", every_seconds=60, run=lambda: runs.append(1), lease_seconds=300)
    run_all()
    let_time_pass(lease_until=Now() + timedelta(seconds=100))
    assert run_all() == 0
    let_time_pass(lease_until=Now() - timedelta(seconds=1))
    assert run_all() == 1


def test_of_many_that_see_a_due_job_one_runs_it(make_periodic: MakePeriodic) -> None:
    runs: list[int] = []
    all_have_seen_it = threading.Barrier(4, timeout=10)
    make_periodic(name="sweep", every_seconds=60, run=lambda: runs.append(1))
    PeriodicLease.objects.create(name="sweep")

    def wait_before_taking(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("UPDATE") and not taking.is_set:
            taking.is_set = True
            all_have_seen_it.wait()
        return execute(sql, *rest)

    def race() -> int:
        taking.is_set = False
        with connection.execute_wrapper(wait_before_taking):
            return run_all()

    taking = threading.local()
    with ThreadPoolExecutor(4) as pool:
        turns = list(pool.map(lambda _n: in_own_connection(race), range(4)))
    assert (sum(turns), len(runs)) == (1, 1)


def test_a_long_job_does_not_hold_up_the_next(make_periodic: MakePeriodic) -> None:
    seen: list[str] = []

    def long_run() -> None:
        run_all()
        seen.append("long")

    make_periodic(name="a-long", every_seconds=60, run=long_run)
    make_periodic(name="b-short", every_seconds=60, run=lambda: seen.append("short"))
    PeriodicLease.objects.create(name="a-long")
    run_all()
    assert seen == ["short", "long"]


def test_one_name_means_one_job(make_periodic: MakePeriodic) -> None:
    make_periodic(name="sweep", every_seconds=60, run=print)
    with pytest.raises(ConfigurationError, match="sweep"):
        work.register_periodic(work.Periodic(name="sweep", every_seconds=61, run=print))
