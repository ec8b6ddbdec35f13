"""Real worker processes: killed, paused, stopped, racing. Nothing is lost, nobody shares a row."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable

import pytest

from integrations import work
from tests.conftest import wait_until
from tests.work.app.models import Job, Parcel, Street, Trace
from tests.work.app.queues import JOBS
from tests.work.conftest import run_out

pytestmark = pytest.mark.django_db(transaction=True)

StartWorker = Callable[..., "subprocess.Popen[str]"]


def add_jobs(count: int, *, note: str = "") -> None:
    Job.objects.bulk_create(Job(note=note) for _ in range(count))


def traced(what: str) -> list[int]:
    return list(Trace.objects.filter(what=what).values_list("row", flat=True))


def is_all_done() -> bool:
    return not Job.objects.exclude(work_state="done").exists()


def test_a_killed_worker_loses_nothing_and_repeats_at_most_what_it_held(
    start_worker: StartWorker,
) -> None:
    add_jobs(40, note="wait 0.05")
    worker = start_worker("--queues", "tests.jobs")
    wait_until(lambda: len(traced("end")) >= 6)
    worker.kill()
    worker.wait()
    held = set(Job.objects.filter(work_state="leased").values_list("pk", flat=True))
    assert 1 <= len(held) <= JOBS.concurrency * JOBS.batch

    start_worker("--queues", "tests.jobs")
    wait_until(is_all_done)
    begun = Counter(traced("start"))
    assert set(traced("end")) == set(Job.objects.values_list("pk", flat=True))
    assert {row for row, times in begun.items() if times > 1} <= held
    assert max(begun.values()) <= 2


def test_two_live_workers_never_take_the_same_row(start_worker: StartWorker) -> None:
    workers = [start_worker("--queues", "tests.jobs") for _ in range(2)]
    add_jobs(60, note="wait 0.02")
    wait_until(is_all_done)
    assert max(Counter(traced("start")).values()) == 1
    pids = set(Trace.objects.values_list("pid", flat=True))
    assert pids == {worker.pid for worker in workers}, "both had a part in it"


def test_a_worker_paused_past_its_lease_neither_sends_nor_finishes(
    start_worker: StartWorker,
) -> None:
    add_jobs(1, note="wait 0.3")
    worker = start_worker("--queues", "tests.jobs")
    wait_until(lambda: traced("start") != [])
    os.kill(worker.pid, signal.SIGSTOP)
    run_out(Job.objects.all())
    (taken,) = work.claim_rows(JOBS, limit=1).rows
    # Longer than the paused worker's deadline (0.4 s), which goes on while it stands still.
    time.sleep(0.5)
    os.kill(worker.pid, signal.SIGCONT)

    wait_until(lambda: traced("late") == [taken.pk])
    worker.terminate()
    assert worker.wait(timeout=10) == 0
    stored = Job.objects.get()
    assert (stored.work_state, stored.claim_token) == ("leased", taken.claim_token)
    assert traced("end") == []
    assert work.finish(taken, work.Done())


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_worker_finishes_what_it_has_in_hand(
    start_worker: StartWorker, signum: signal.Signals
) -> None:
    add_jobs(8, note="wait 0.3")
    worker = start_worker("--queues", "tests.jobs")
    wait_until(lambda: traced("start") != [])
    worker.send_signal(signum)
    assert worker.wait(timeout=10) == 0
    # On a slow machine what was in hand ended late; it ended all the same.
    assert sorted(traced("start")) == sorted(traced("end") + traced("late"))
    states = Counter(Job.objects.values_list("work_state", flat=True))
    assert states["leased"] == 0
    assert 1 <= states["done"] <= JOBS.concurrency


def test_a_second_signal_stops_at_once(start_worker: StartWorker) -> None:
    add_jobs(1, note="wait 30")
    worker = start_worker("--queues", "tests.jobs")
    wait_until(lambda: traced("start") != [])
    worker.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        worker.wait(timeout=0.3)
    worker.terminate()
    assert worker.wait(timeout=5) == 128 + signal.SIGTERM


def test_workers_share_lanes_but_never_one_lane(start_worker: StartWorker) -> None:
    streets = [Street.objects.create(key=str(number)) for number in range(4)]
    workers = [start_worker("--queues", "tests.parcels") for _ in range(2)]
    Parcel.objects.bulk_create(Parcel(street=street) for _ in range(12) for street in streets)
    wait_until(lambda: not Parcel.objects.exclude(work_state="done").exists())
    for street in streets:
        steps = list(Trace.objects.filter(lane=street.pk).order_by("id").values_list("what", "row"))
        rows = Parcel.objects.filter(street=street).order_by("id").values_list("pk", flat=True)
        assert steps == [(what, row) for row in rows for what in ("start", "end")]
    assert set(Trace.objects.values_list("pid", flat=True)) <= {worker.pid for worker in workers}


def test_a_periodic_job_runs_once_among_several_workers(start_worker: StartWorker) -> None:
    for _ in range(2):
        start_worker("--queues", "tests.errands")
    wait_until(lambda: Trace.objects.filter(what="chime").exists())
    third = start_worker("--queues", "tests.errands", "--once")
    assert third.wait(timeout=20) == 0
    assert Trace.objects.filter(what="chime").count() == 1


def test_the_worker_says_what_it_runs_and_once_exits(start_worker: StartWorker) -> None:
    add_jobs(3)
    worker = start_worker("--once")
    _out, errors = worker.communicate(timeout=20)
    assert worker.returncode == 0, errors
    assert is_all_done()
