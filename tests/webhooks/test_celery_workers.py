"""Two Celery workers claim webhooks from one database, rung by RabbitMQ: each arrives once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import kombu
import pytest

from integrations.models import WebhookAttempt, WebhookEvent
from tests.conftest import wait_until
from tests.outbound.servers import LoopbackServer, answer
from tests.processes import ROOT
from tests.webhooks.deliveries import make_delivery, make_endpoint
from tests.work.celery_cluster import Cluster
from tests.work.test_celery_processes import AMQP_URL, require_rabbitmq

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        os.environ.get("CI_STACK") == "embedded", reason="the embedded stack has no broker"
    ),
]
ENDPOINTS, EVENTS = 8, 10


class ProductCluster(Cluster):
    """With the product's own queues instead of those of the tests of durable work."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "WORK_TEST_QUEUES": ""}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    server = LoopbackServer(answer(200))
    monkeypatch.setenv("OUTBOUND_ALLOWED_HOSTS", server.place)
    yield server
    server.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    require_rabbitmq()
    made = ProductCluster(AMQP_URL, tmp_path)
    yield made
    made.stop()
    with kombu.Connection(AMQP_URL) as connection:
        connection.default_channel.queue_delete(made.queue)
        connection.default_channel.exchange_delete(made.queue)


def publish(url: str) -> list[WebhookEvent]:
    endpoints = [make_endpoint(url) for _ in range(ENDPOINTS)]
    return [make_delivery(one, "pending") for one in endpoints for _ in range(EVENTS)]


def test_two_workers_on_rabbitmq_deliver_each_event_once(
    cluster: Cluster, receiver: LoopbackServer
) -> None:
    cluster.start("worker-1", "worker-2")
    events = publish(receiver.url("/in"))
    for _ in range(2):
        subprocess.run(
            [sys.executable, "-m", "tests.work.celery_app", "webhooks", "--flush"],
            cwd=ROOT, env=cluster.environment(), capture_output=True, check=True, timeout=60,
        )  # fmt: skip
    # What no ring brought, the tick does.
    cluster.start("beat")
    waiting = WebhookEvent.objects.exclude(status="delivered")
    wait_until(lambda: not waiting.exists(), seconds=60)
    sent = Counter(request.headers["webhook-id"] for request in receiver.requests)
    assert set(sent.values()) == {1}
    assert len(sent) == len(events) == WebhookAttempt.objects.count()
    for worker in ("worker-1", "worker-2"):
        assert "run_queue" in cluster.log(worker)
