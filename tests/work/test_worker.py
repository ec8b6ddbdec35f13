"""The worker inside one process: pools side by side, the doorbell, a database that goes away."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from integrations import work
from tests.conftest import wait_until
from tests.work.app.models import Errand, Job, Parcel, Street
from tests.work.conftest import in_own_connection

pytestmark = pytest.mark.django_db(transaction=True)

MakeQueue = Callable[..., work.Queue[Any]]


@contextmanager
def running(worker: work.Worker) -> Iterator[work.Worker]:
    thread = threading.Thread(target=lambda: in_own_connection(worker.run))
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(timeout=20)
        assert not thread.is_alive()


def count(model: Any, state: str) -> int:
    found: int = model.objects.filter(work_state=state).count()
    return found


def test_a_slow_queue_does_not_stall_another(make_queue: MakeQueue) -> None:
    release = threading.Event()
    make_queue(name="slow", model=Job, handle=lambda _row: release.wait(20) and None, concurrency=2)
    make_queue(name="quick", model=Errand, handle=lambda _row: None)
    Job.objects.bulk_create(Job() for _ in range(10))
    Errand.objects.bulk_create(Errand() for _ in range(10))
    with running(work.Worker()) as worker:
        wait_until(lambda: count(Errand, "done") == 10)
        wait_until(lambda: count(Job, "leased") == 2)
        time.sleep(0.6)  # two polls
        assert count(Job, "leased") == 2, "claims no more than there are free threads"
        assert worker._pools["slow"]._active == 2, "and piles nothing up behind them"
        assert count(Job, "done") == 0
        release.set()
        wait_until(lambda: count(Job, "done") == 10)


def test_a_queue_uses_all_its_threads_and_no_more(make_queue: MakeQueue) -> None:
    together = threading.Barrier(3, timeout=10)
    make_queue(name="jobs", model=Job, handle=lambda _row: together.wait() and None, concurrency=3)
    Job.objects.bulk_create(Job() for _ in range(6))
    assert work.Worker().run_once() == 6
    assert (count(Job, "done"), together.broken) == (6, False)


def test_a_ring_wakes_the_worker_long_before_its_poll(make_queue: MakeQueue, settings: Any) -> None:
    settings.INTEGRATIONS_POLL_SECONDS = 60
    handled = threading.Event()
    make_queue(name="jobs", model=Job, handle=lambda _row: handled.set())
    with running(work.Worker()) as worker:
        wait_until(lambda: worker._pools["jobs"]._active == 0)
        time.sleep(0.2)
        Job.objects.create()
        work.ring("jobs")
        assert handled.wait(5)


def test_without_a_ring_the_poll_finds_the_work(make_queue: MakeQueue) -> None:
    handled = threading.Event()
    make_queue(name="jobs", model=Job, handle=lambda _row: handled.set())
    with running(work.Worker()):
        time.sleep(0.1)
        Job.objects.create()
        assert handled.wait(5)


def test_stopping_finishes_what_is_in_hand_and_claims_nothing_more(make_queue: MakeQueue) -> None:
    begun, release = threading.Event(), threading.Event()

    def handle(_row: Job) -> None:
        begun.set()
        release.wait(10)

    make_queue(name="jobs", model=Job, handle=handle, concurrency=1, batch=2)
    Job.objects.bulk_create(Job() for _ in range(4))
    with running(work.Worker()) as worker:
        assert begun.wait(5)
        worker.stop()
        release.set()
    assert (count(Job, "done"), count(Job, "due"), count(Job, "leased")) == (1, 3, 0)


def test_a_worker_survives_the_database_being_away(
    make_queue: MakeQueue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.work.pool.FIRST_PAUSE", 0.05)
    caplog.set_level(logging.INFO, "integrations.work")
    make_queue(name="jobs", model=Job, handle=lambda _row: None)
    with running(work.Worker()):
        Job.objects.create()
        wait_until(lambda: count(Job, "done") == 1)
        with database_away():
            wait_until(lambda: "stopped, trying again" in caplog.text)
            time.sleep(0.5)
        Job.objects.create()
        wait_until(lambda: count(Job, "done") == 2)
        wait_until(lambda: "at work again" in caplog.text)
    assert caplog.text.count("stopped, trying again") == 1


@contextmanager
def database_away() -> Iterator[None]:
    """Take the table away and, where there is a server, cut everybody's connection."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE work_tests_job RENAME TO away")
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO work_tests_job")


def test_once_works_until_nothing_is_due(make_queue: MakeQueue) -> None:
    def run_errand(_row: Errand) -> None:
        Job.objects.create()

    # The queue that makes the work comes after the one that handles it.
    make_queue(name="a-jobs", model=Job, handle=lambda _row: None)
    make_queue(name="b-errands", model=Errand, handle=run_errand)
    make_queue(name="parcels", model=Parcel, handle=lambda _row: None, lane_field="street")
    Errand.objects.bulk_create(Errand() for _ in range(3))
    Parcel.objects.create(street=Street.objects.create(key="a"))
    work.Worker().run_once()
    assert (count(Errand, "done"), count(Job, "done"), count(Parcel, "done")) == (3, 3, 1)


def test_once_reports_a_database_that_fails(make_queue: MakeQueue) -> None:
    make_queue(name="jobs", model=Job, handle=lambda _row: None)
    with database_away(), pytest.raises(Exception, match="work_tests_job"):
        work.Worker().run_once()


def test_a_worker_leaves_no_connection_open(make_queue: MakeQueue) -> None:
    make_queue(name="jobs", model=Job, handle=lambda _row: None)
    Job.objects.bulk_create(Job() for _ in range(8))
    worker = work.Worker()
    worker.run_once()
    opened = worker._pools["jobs"]._connections
    assert opened
    assert all(wrapper.connection is None for wrapper in opened)


def test_the_command_refuses_an_unknown_queue() -> None:
    with pytest.raises(CommandError, match="nowhere"):
        call_command("worker", "--once", "--queues", "nowhere", skip_checks=True)
