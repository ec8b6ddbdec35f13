"""django-webhook with a Celery worker of its own, whose backlog can be held back and let go."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.stage import ROOT
from benchmarks.webhook_stage import PAYLOAD

START_SECONDS = 60.0
PATIENCE = 300.0
# An INSERT tells of the row that it made; its own event rows say what became of it.
TOPIC = "peers.Invoice/create"


class Peer:
    """One webhook of django-webhook, and the worker that serves it."""

    def __init__(self, app: Any, log: Path) -> None:
        self._app, self._log = app, log

    def drain(self, count: int) -> float:
        """Deliveries a second of a backlog of so many events, the publishing left out."""
        from django_webhook.models import WebhookEvent

        from benchmarks.peers.models import Invoice

        before = WebhookEvent.objects.filter(status="SUCCESS").count()
        self._tell("cancel_consumer")
        for number in range(count):
            Invoice.objects.create(number=f"INV-{number:06}", note=PAYLOAD["note"])
        started = time.perf_counter()
        self._tell("add_consumer")
        while WebhookEvent.objects.filter(status="SUCCESS").count() < before + count:
            if time.perf_counter() - started > PATIENCE:
                raise RuntimeError(f"django-webhook is not done after {PATIENCE:.0f} s.")
            time.sleep(0.05)
        return count / (time.perf_counter() - started)

    def _tell(self, what: str) -> None:
        from benchmarks.peers.celery_app import QUEUE

        if not getattr(self._app.control, what)(QUEUE, reply=True, timeout=10, limit=1):
            raise RuntimeError(f"The Celery worker did not answer: {self._log.read_text()[-1500:]}")

    def wait_until_up(self, process: subprocess.Popen[bytes]) -> None:
        """Return when the worker answers."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and process.poll() is None:
            if self._app.control.ping(timeout=1.0, limit=1):
                return
        raise RuntimeError(f"The Celery worker did not start: {self._log.read_text()[-1500:]}")


@contextmanager
def django_webhook(url: str) -> Iterator[Peer]:
    """django-webhook with its own defaults, sending to `url`."""
    from django_webhook.models import Webhook, WebhookSecret, WebhookTopic

    from benchmarks.peers.celery_app import app

    topic, _ = WebhookTopic.objects.get_or_create(name=TOPIC)
    webhook = Webhook.objects.create(url=url)
    webhook.topics.add(topic)
    WebhookSecret.objects.create(webhook=webhook, token="bench-webhook-secret")
    log = Path(os.environ["BENCH_FOLDER"]) / "celery.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "benchmarks.peers.celery_app", "worker",
             "--loglevel", "WARNING"],
            cwd=ROOT, stdout=output, stderr=output,
        )  # fmt: skip
        peer = Peer(app, log)
        try:
            peer.wait_until_up(process)
            yield peer
        finally:
            process.terminate()
            process.wait(60)
