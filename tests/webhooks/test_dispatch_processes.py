"""The dispatcher where it really runs: workers, Celery, a database that goes away."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection

from integrations.models import WebhookAttempt, WebhookEvent, WebhookLane
from integrations.tasks import run_queue
from integrations.webhooks.dispatch import close_desk
from tests.outbound.servers import LoopbackServer, answer
from tests.processes import ROOT, child_environment
from tests.webhooks.receivers import (
    dispatch,
    endpoint_at,
    make_due,
    publish_many,
    receiver,
    slowly,
    wait_for,
)

pytestmark = pytest.mark.django_db(transaction=True)

StartWorker = Callable[[LoopbackServer], "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def own_desk() -> Iterator[None]:
    yield
    close_desk()


@pytest.fixture
def start_worker() -> Iterator[StartWorker]:
    started: list[subprocess.Popen[str]] = []

    def start(server: LoopbackServer) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "worker", "--queues", "webhooks"],
            cwd=ROOT,
            env=child_environment(OUTBOUND_ALLOWED_HOSTS=server.place),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def is_all_delivered() -> bool:
    return not WebhookEvent.objects.exclude(status="delivered").exists()


def test_two_workers_deliver_each_event_once_and_stop_cleanly(
    settings: Any, start_worker: StartWorker
) -> None:
    with receiver(settings, slowly(0.01)) as server:
        for _ in range(4):
            endpoint_at(server)
        publish_many(40)
        workers = [start_worker(server) for _ in range(2)]
        wait_for(is_all_delivered, 60)
        publish_many(40)
        wait_for(lambda: len(server.requests) > 200, 60)
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(30) for worker in workers] == [0, 0]
        sent = len(server.requests)
        signatures = Counter(request.headers["webhook-signature"] for request in server.requests)
        assert sum(signatures.values()) == sent
    assert WebhookEvent.objects.filter(status="delivered").count() == sent
    assert WebhookAttempt.objects.count() == sent
    assert not WebhookEvent.objects.filter(work_state="leased").exists()
    assert not WebhookLane.objects.exclude(claim_token="").exists()


def test_a_celery_message_delivers_what_is_due(settings: Any) -> None:
    with receiver(settings) as server:
        endpoint_at(server)
        publish_many(20)
        run_queue.apply(args=("webhooks",)).get()
        assert len(server.requests) == 20
    assert is_all_delivered()


def test_results_outlive_a_database_connection_that_breaks(settings: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connection that breaks")
    have = connection.settings_dict
    cut: list[int] = []

    def reply(handler: Any, request: Any) -> None:
        if len(cut) < 3:
            with psycopg.connect(
                host=have["HOST"], port=have["PORT"], user=have["USER"], dbname=have["NAME"],
                password=have["PASSWORD"] or None,
            ) as other:  # fmt: skip
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            cut.append(1)
        answer(200)(handler, request)

    with receiver(settings, reply) as server:
        endpoint_at(server, max_concurrency=2)
        publish_many(60)
        dispatch(30)
        # What was claimed by a statement whose answer never came waits for the end of its lease.
        make_due(work_state="leased")
        dispatch(30)
        assert len(server.requests) == 60
    assert is_all_delivered()
    assert WebhookAttempt.objects.count() == 60
