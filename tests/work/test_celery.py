"""Celery carries rings; the database keeps the work."""

from __future__ import annotations

import itertools
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker as start_celery_thread
from celery.signals import before_task_publish, task_postrun
from django.db import connections

from bengoerp.celery import app
from integrations import tasks, work
from tests.conftest import wait_until
from tests.processes import ROOT, child_environment
from tests.work.app.models import Errand, Job, Trace

pytestmark = pytest.mark.django_db(transaction=True)

MakeQueue = Callable[..., work.Queue[Any]]
BROKER = os.environ.get("CELERY_BROKER_URL") or os.environ.get("REDIS_URL")


def celery_environment(broker: str) -> dict[str, str]:
    return child_environment(
        WORK_TEST_QUEUES="1", CELERY_BROKER_URL=broker, CELERY_TEST_QUEUE=f"test-{os.getpid()}"
    )


def ring_from_another_process(broker: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.work.celery_app", "tests.jobs", *options],
        cwd=ROOT,
        env=celery_environment(broker),
        capture_output=True,
        check=True,
        timeout=40,
        text=True,
    )


def test_the_settings_make_at_least_once_true() -> None:
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.task_ignore_result
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_time_limit < app.conf.broker_transport_options["visibility_timeout"]
    assert app.conf.get("CELERY_DB_REUSE_MAX") == 100
    assert app.conf.broker_connection_max_retries is None
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(app.tasks)
    assert {entry["schedule"] for entry in app.conf.beat_schedule.values()} == {5.0}


@pytest.mark.parametrize(
    ("broker", "options"),
    [
        ("amqp://guest@127.0.0.1//", {"confirm_publish": True}),
        ("amqps://guest@127.0.0.1//", {"confirm_publish": True}),
        (
            "rediss://127.0.0.1/0",
            {"visibility_timeout": 900, "socket_connect_timeout": 1, "socket_timeout": 5},
        ),
    ],
)
def test_each_kind_of_broker_gets_its_own_options(
    settings: Any, broker: str, options: dict[str, Any]
) -> None:
    settings.CELERY_BROKER_URL = broker
    configured = runpy.run_path(str(ROOT / "bengoerp" / "celeryconfig.py"))
    assert configured["broker_transport_options"] == options


def test_the_task_drains_the_queue_that_it_names(make_queue: MakeQueue) -> None:
    make_queue(name="jobs", model=Job, handle=lambda _row: None)
    make_queue(name="errands", model=Errand, handle=lambda _row: None)
    Job.objects.create()
    Errand.objects.create()
    tasks.run_queue("jobs")
    assert (Job.objects.get().work_state, Errand.objects.get().work_state) == ("done", "due")


def test_the_periodic_task_runs_what_is_due(make_periodic: Callable[..., Any]) -> None:
    runs: list[str] = []
    make_periodic(name="a", every_seconds=60, run=lambda: runs.append("a"))
    make_periodic(name="b", every_seconds=60, run=lambda: runs.append("b"))
    tasks.run_periodic()
    tasks.run_periodic()
    assert sorted(runs) == ["a", "b"]


@pytest.fixture(scope="module")
def own_celery_queue() -> Iterator[None]:
    """No other process takes this one's rings, and none that somebody left is in the way."""
    usual = app.conf.task_default_queue
    app.conf.task_default_queue = f"thread-{os.getpid()}"
    del app.amqp
    yield
    app.control.purge()
    app.conf.task_default_queue = usual
    del app.amqp


@pytest.fixture(scope="module")
def celery_thread(own_celery_queue: None) -> Iterator[None]:
    """A Celery worker in a thread, on whatever broker the stack has (memory without one)."""

    def close_connections(**_rest: Any) -> None:
        connections.close_all()

    task_postrun.connect(close_connections)
    with start_celery_thread(app, pool="solo", perform_ping_check=False, loglevel="ERROR"):
        yield
    task_postrun.disconnect(close_connections)


def test_a_ring_reaches_a_celery_worker(make_queue: MakeQueue, celery_thread: None) -> None:
    make_queue(name="jobs", model=Job, handle=lambda _row: None)
    work.set_doorbell(tasks.ring_celery)
    Job.objects.create()
    work.ring("jobs")
    wait_until(lambda: Job.objects.get().work_state == "done")


def test_the_tick_finds_work_that_nobody_rang_for(
    make_queue: MakeQueue, celery_thread: None
) -> None:
    make_queue(name="jobs", model=Job, handle=lambda _row: None)
    Job.objects.create()
    tasks.run_due_queues.apply_async()
    wait_until(lambda: Job.objects.get().work_state == "done")


@pytest.fixture
def published() -> Iterator[list[tuple[float, str]]]:
    """Every message that really leaves for the broker, with its time."""
    seen: list[tuple[float, str]] = []

    def note(body: Any = None, **_rest: Any) -> None:
        seen.append((time.monotonic(), body[0][0]))

    before_task_publish.connect(note)
    yield seen
    before_task_publish.disconnect(note)
    app.control.purge()


def test_rings_are_coalesced_and_none_is_lost(published: list[tuple[float, str]]) -> None:
    bell = tasks.CeleryBell()
    for _ in range(50):
        bell.ring("jobs")
        time.sleep(0.005)
    assert bell.flush(seconds=2)
    last_ring = time.monotonic()
    times = [at for at, _name in published]
    assert 2 <= len(times) <= 4
    assert all(later - earlier >= 0.19 for earlier, later in itertools.pairwise(times))
    bell.ring("jobs")
    bell.ring("errands")
    assert bell.flush(seconds=2)
    assert {name for at, name in published if at >= last_ring} == {"jobs", "errands"}


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
@pytest.mark.parametrize("is_silent", [False, True], ids=["refuses", "never answers"])
def test_a_broker_that_is_down_delays_nobody(is_silent: bool, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        broker = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/0"
        if not is_silent:
            server.close()
        ringing = ring_from_another_process(broker, "--flush")
    # The slowest may have met the bell's own thread while that loads what it publishes with; a
    # wait for the broker would be one of seconds.
    usual, slowest = map(float, ringing.stdout.split()[:2])
    assert (usual < 0.05, slowest < 0.5) == (True, True), ringing.stdout
    assert ringing.stderr.count("The broker takes no rings") == 1, ringing.stderr
    ended = float(ringing.stdout.rpartition("ended ")[2])
    assert ended < 15, "nor does it hold up the end of the process"


def test_a_process_that_ends_still_sends_its_last_rings() -> None:
    assert "published tests.jobs" in ring_from_another_process("memory://").stdout


def test_the_bell_works_in_a_forked_child() -> None:
    tasks.ring_celery("parent")
    before = tasks._bell
    child = os.fork()
    if child == 0:
        is_new = tasks._bell is not before and tasks._bell._thread is None
        os._exit(0 if is_new and not tasks._bell._waiting else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    tasks._bell.flush(seconds=5)
    app.control.purge()


if BROKER or os.environ.get("CI_STACK") == "full":

    def test_a_celery_worker_process_handles_a_ring_from_another_process() -> None:
        assert BROKER, "the full stack needs CELERY_BROKER_URL or REDIS_URL"
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "tests.work.celery_app", "worker",
             "--concurrency=1", "--loglevel=WARNING"],
            cwd=ROOT, env=celery_environment(BROKER),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            job = Job.objects.create()
            ring_from_another_process(BROKER, "--flush")
            wait_until(lambda: Trace.objects.filter(what="end", row=job.pk).exists())
            wait_until(lambda: Job.objects.get().work_state == "done")
            assert Trace.objects.exclude(pid=os.getpid()).count() == 2
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(timeout=20) == 0
        finally:
            worker.kill()
            print(worker.communicate()[0])
