"""Celery's part: rings that carry a queue's name, and ticks. The database is the queue.

A lost message costs at most one tick (five seconds), never work.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from typing import Any

from celery import Task, current_app, shared_task

from integrations import work
from integrations.correlation import correlated, current_id

logger = logging.getLogger("integrations.work")

# With a tick every five seconds, a backlog is served by about four processes.
DRAIN_SECONDS = 20.0
RING_EXPIRES_SECONDS = 30
# A broker that takes no message in two seconds gets none (RabbitMQ; Redis has limits of its own).
PUBLISHING: dict[str, Any] = {"retry": False, "timeout": 2.0, "confirm_timeout": 2.0}
COALESCE_SECONDS = 0.2
LOG_EVERY_SECONDS = 60.0
# How long a process that ends waits for its last rings: the first one also imports the client.
LAST_RINGS_SECONDS = 3.0
# Carries the correlation id of what rang. Each row has its own, which holds while it is handled.
CORRELATION_HEADER = "hub_correlation_id"


@shared_task(name="integrations.run_queue", bind=True)
def run_queue(self: Task[Any, Any], queue_name: str) -> None:
    """Handle what is due in one queue, for at most about twenty seconds."""
    with correlated((self.request.headers or {}).get(CORRELATION_HEADER, ""), task=self.request.id):
        work.drain(queue_name, budget_seconds=DRAIN_SECONDS)


@shared_task(name="integrations.run_due_queues")
def run_due_queues() -> None:
    """The tick that makes rings mere hints: ring every queue that has something due."""
    for queue in work.queues():
        if work.has_due_rows(queue):
            _publish(queue.name)


def _publish(queue_name: str, *, correlation_id: str = "", **options: Any) -> None:
    headers = {CORRELATION_HEADER: correlation_id} if correlation_id else {}
    run_queue.apply_async(
        (queue_name,), expires=RING_EXPIRES_SECONDS, headers=headers, **PUBLISHING, **options
    )


@shared_task(name="integrations.run_periodic")
def run_periodic() -> None:
    """Run the periodic jobs that are due, one after another."""
    while work.run_next_periodic():
        pass


class CeleryBell:
    """Publishes rings from a thread of its own, so that no caller ever waits for the broker.

    At most one ring per queue in 0.2 s: those that come meanwhile become one, published at the
    end of the pause, so none is lost. A broker that is down is logged once a minute.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        # Queue to the correlation id of its last ring.
        self._waiting: dict[str, str] = {}
        self._is_publishing = False
        self._thread: threading.Thread | None = None
        self._logged_at = -LOG_EVERY_SECONDS
        # Of the thread's own: those in Celery's pool go on being used by a forked child, and two
        # processes that write to one AMQP connection break it.
        self._connection: Any = None

    def ring(self, queue_name: str) -> None:
        """Ask for a ring of `queue_name`; returns at once and never raises."""
        with self._changed:
            self._waiting[queue_name] = current_id()
            if self._thread is None:
                self._thread = threading.Thread(target=self._publish_all, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, *, seconds: float) -> bool:
        """Wait until what was asked for is published, at most `seconds`; whether it was."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._waiting and not self._is_publishing, timeout=seconds
            )

    def _publish_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                rings, self._waiting = self._waiting, {}
                self._is_publishing = True
            for name in sorted(rings):
                self._publish(name, rings[name])
            with self._changed:
                self._is_publishing = False
                self._changed.notify_all()
            time.sleep(COALESCE_SECONDS)

    def _publish(self, queue_name: str, correlation_id: str) -> None:
        try:
            if self._connection is None:
                self._connection = current_app.connection_for_write()
            self._connection.ensure_connection(max_retries=0)
            _publish(queue_name, correlation_id=correlation_id, connection=self._connection)
        except Exception as error:  # noqa: BLE001  (whatever the broker's client raises)
            self._connection = None
            if time.monotonic() - self._logged_at >= LOG_EVERY_SECONDS:
                self._logged_at = time.monotonic()
                logger.warning("The broker takes no rings: %s", work.safe_error(error))


_bell = CeleryBell()


def ring_celery(queue_name: str) -> None:
    """The doorbell for Celery: `work.set_doorbell(ring_celery)` where a broker is configured."""
    _bell.ring(queue_name)


def _flush_bell() -> None:
    # A short command rings and exits; its ring should still leave.
    _bell.flush(seconds=LAST_RINGS_SECONDS)


def _renew_bell() -> None:
    # A forked child has the lock, the waiting names and the connection, but not the thread.
    global _bell
    _bell = CeleryBell()


atexit.register(_flush_bell)
os.register_at_fork(after_in_child=_renew_bell)
