"""Celery for real: workers and beats as processes, on a Redis that may be killed, and RabbitMQ."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import kombu
import pytest

from tests.conftest import wait_until
from tests.private_services import PrivateRedis
from tests.processes import ROOT
from tests.work.app.models import Job, Trace
from tests.work.celery_cluster import Cluster

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        os.environ.get("CI_STACK") == "embedded", reason="the embedded stack has no broker"
    ),
]

AMQP_URL = os.environ.get("CI_AMQP_URL") or "amqp://guest:guest@127.0.0.1:5672//"
# What a caller may notice of a ring. The machine's scheduler makes a thread wait now and then, so
# one in a hundred may take longer, yet never as long as any wait for a broker would take.
UNNOTICED, LONGEST = 0.05, 0.5


def started(what: str = "start") -> Counter[int | None]:
    return Counter(Trace.objects.filter(what=what).values_list("row", flat=True))


def is_all_done() -> bool:
    return not Job.objects.exclude(work_state="done").exists()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRedis]:
    server = PrivateRedis(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.kill()


@pytest.fixture
def cluster(broker: PrivateRedis, tmp_path: Path) -> Iterator[Cluster]:
    """Nothing of it runs yet."""
    made = Cluster(broker.url, tmp_path)
    yield made
    made.stop()


def test_a_row_that_nobody_rang_for_is_done_after_a_tick(cluster: Cluster) -> None:
    cluster.start("worker", "beat")
    job = Job.objects.create()
    wait_until(is_all_done)
    assert started() == {job.pk: 1}
    assert cluster.terminate("beat") == 0
    assert cluster.terminate("worker") == 0


def test_two_beats_and_two_workers_run_a_periodic_job_once(cluster: Cluster) -> None:
    cluster.start("worker-1", "worker-2", "beat-1", "beat-2")
    wait_until(lambda: started("chime").total() > 0)
    for beat in ("beat-1", "beat-2"):
        wait_until(lambda beat=beat: cluster.log(beat).count("Sending due task") >= 8)  # type: ignore[misc]
    assert started("chime").total() == 1


@pytest.fixture
def callers(cluster: Cluster) -> Iterator[subprocess.Popen[str]]:
    """A process whose threads make rows and ring; it reports when its input closes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.work.celery_callers"],
        cwd=ROOT, env=cluster.environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "calling\n"
    yield process
    process.kill()
    process.communicate()


def test_a_broker_that_stands_still_and_dies_under_load_loses_nothing_and_blocks_nobody(
    broker: PrivateRedis, cluster: Cluster, callers: subprocess.Popen[str]
) -> None:
    cluster.start("worker-1", "worker-2", "beat")
    wait_until(lambda: len(started("end")) > 20)
    broker.pause()
    time.sleep(1.5)
    broker.resume()
    broker.kill()
    before = Job.objects.count()
    wait_until(lambda: Job.objects.count() > before + 50)
    last = Trace.objects.order_by("-id").values_list("id", flat=True)[0]
    broker.start()
    # Both workers come back by themselves, while the callers go on.
    back = Trace.objects.filter(id__gt=last).values_list("pid", flat=True)
    wait_until(lambda: len(set(back.all())) == 2)
    report, _ = callers.communicate(timeout=60)
    wait_until(is_all_done)

    assert set(started().values()) == {1}, "exactly once"
    assert set(started()) == set(Job.objects.values_list("pk", flat=True))
    rings = sorted(json.loads(report)["rings"])
    ninety_nine = rings[len(rings) * 99 // 100]
    print(f"{len(rings)} rings, the longest {rings[-1]:.4f} s, 99 % within {ninety_nine:.4f} s")
    assert len(rings) == Job.objects.count()
    assert ninety_nine < UNNOTICED
    assert rings[-1] < LONGEST


def require_rabbitmq() -> None:
    try:
        with kombu.Connection(AMQP_URL, connect_timeout=2) as connection:
            connection.connect()
    except OSError as error:
        if os.environ.get("CI_STACK") == "full":
            pytest.fail(f"the full stack needs RabbitMQ at CI_AMQP_URL: {error}")
        pytest.skip("RabbitMQ does not answer")


def test_rabbitmq_carries_rings_and_ticks_too(tmp_path: Path) -> None:
    require_rabbitmq()
    cluster = Cluster(AMQP_URL, tmp_path)
    try:
        cluster.start("worker")
        rung = Job.objects.create()
        ringing = subprocess.run(
            [sys.executable, "-m", "tests.work.celery_app", "tests.jobs", "--flush"],
            cwd=ROOT, env=cluster.environment(), capture_output=True, check=True, timeout=40,
            text=True,
        )  # fmt: skip
        wait_until(is_all_done)
        assert float(ringing.stdout.split()[0]) < UNNOTICED
        assert "The broker takes no rings" not in ringing.stderr
        cluster.start("beat")
        unrung = Job.objects.create()
        wait_until(is_all_done)
        assert started() == {rung.pk: 1, unrung.pk: 1}
        assert cluster.terminate("worker") == 0
    finally:
        cluster.stop()
        with kombu.Connection(AMQP_URL) as connection:
            connection.default_channel.queue_delete(cluster.queue)
            connection.default_channel.exchange_delete(cluster.queue)
