"""What the tests of durable work share: queues for a test, worker processes, moved leases."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models import QuerySet
from django.db.models.functions import Now

from integrations import work
from integrations.models.periodic import PeriodicLease
from tests.processes import ROOT, child_environment


@pytest.fixture(autouse=True)
def nothing_else_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The product's own queues, jobs and doorbell step aside for a test."""
    monkeypatch.setattr("integrations.work.queue._queues", {})
    monkeypatch.setattr("integrations.work.periodic._jobs", {})
    monkeypatch.setattr("integrations.work.periodic._model", PeriodicLease)
    monkeypatch.setattr("integrations.work.doorbell._remote", None)


@pytest.fixture
def make_queue() -> Iterator[Callable[..., work.Queue[Any]]]:
    """Registers a queue for one test, with short times unless the test says otherwise."""
    names: list[str] = []

    def make(**options: Any) -> work.Queue[Any]:
        defaults = {"name": f"test-{len(names)}", "lease_seconds": 30.0, "deadline_seconds": 1.0}
        queue = work.Queue(**{**defaults, **options})
        work.register(queue)
        names.append(queue.name)
        return queue

    yield make
    for name in names:
        work.unregister(name)


@pytest.fixture
def make_periodic() -> Iterator[Callable[..., work.Periodic]]:
    names: list[str] = []

    def make(**options: Any) -> work.Periodic:
        job = work.Periodic(**options)
        work.register_periodic(job)
        names.append(job.name)
        return job

    yield make
    for name in names:
        work.unregister_periodic(name)


@pytest.fixture
def start_worker() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `manage.py worker` on the test database and returns once it has said so."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker", *arguments],
            cwd=ROOT,
            env=child_environment(WORK_TEST_QUEUES="1"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Worker "), process.communicate()[1]
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.communicate()


def run_out(rows: QuerySet[Any]) -> None:
    """End the leases of `rows` as time would."""
    past = Now() - timedelta(seconds=1)
    rows.update(lease_until=past, next_attempt_at=past)


def in_own_connection(run: Callable[[], Any]) -> Any:
    """Call `run` in a thread and close the connections that the thread opened."""
    try:
        return run()
    finally:
        connections.close_all()
