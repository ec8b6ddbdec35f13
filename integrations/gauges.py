"""What is read at each scrape: the queues from the database, the circuits from the gate."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, Min, Q
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from integrations.exceptions import ConfigurationError
from integrations.logs import log_event
from integrations.models import WebhookEvent
from integrations.outbound.breaker import BreakerState
from integrations.outbound.redis_link import Sharing
from integrations.outbound.states import ProviderStates, provider_states
from integrations.webhooks.figures import WebhookFigures, read_webhooks
from integrations.work import Queue, WorkState, queues
from integrations.work.clock import database_now

logger = logging.getLogger(__name__)

# A scrape waits no longer for the database, in seconds.
LIMIT = 3.0

# Name, meaning and labels of each; docs/how-to/observe.md has the same.
DATABASE_UP = ("integrations_database_up", "1 if the queues could be read within three seconds.")
QUEUE_ROWS = (
    "integrations_queue_rows",
    "Rows of a queue: due now, waiting for later, leased by a worker, or dead.",
)
QUEUE_AGE = (
    "integrations_queue_oldest_due_seconds",
    "How long the oldest due row has been due; 0 where none is.",
)
CIRCUITS = (
    "integrations_circuits",
    "Credentials of a provider whose circuit is closed, open or half open.",
)
WEBHOOK_ENDPOINTS = (
    "integrations_webhook_endpoints",
    "Webhook endpoints that are active, failing, paused, held by their breaker, or off and why.",
)
WEBHOOK_AGE = (
    "integrations_webhook_oldest_due_seconds",
    "How long the oldest due delivery has been due, of endpoints that are on and not paused.",
)
REDIS_UP = (
    "integrations_redis_up",
    "1 while Redis shares the outbound state; absent without a REDIS_URL.",
)
_ALL = (
    DATABASE_UP, QUEUE_ROWS, QUEUE_AGE, WEBHOOK_ENDPOINTS, WEBHOOK_AGE, CIRCUITS, REDIS_UP,
)  # fmt: skip
NAMES = tuple(name for name, _ in _ALL)


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """One queue now; `oldest_due` in seconds."""

    name: str
    rows: dict[str, int]
    oldest_due: float


@dataclass(frozen=True, slots=True)
class Figures:
    """All that a scrape reads from the database."""

    queues: list[QueueFigures]
    webhooks: WebhookFigures


class _Reader(threading.Thread):
    """Reads in a thread with a connection of its own, which a scrape can stop waiting for."""

    figures: Figures | None = None

    def __init__(self) -> None:
        super().__init__(name="metrics-reader", daemon=True)

    def run(self) -> None:
        try:
            self.figures = Figures([read_queue(queue) for queue in queues()], _read_webhooks())
        except Exception as error:  # noqa: BLE001 - whatever it is, the scrape says "down"
            log_event(logger, logging.WARNING, "queues_not_read", error=type(error).__name__)
        finally:
            connections.close_all()


_reader: _Reader | None = None


def database_figures(limit: float = LIMIT) -> Figures | None:
    """What the database says; None where it does not answer within `limit` seconds."""
    global _reader
    reader = _reader
    # One that hangs is waited for again instead of being given company.
    if reader is None or not reader.is_alive():
        reader = _reader = _Reader()
        reader.start()
    reader.join(limit)
    return reader.figures


def read_queue(queue: Queue[Any]) -> QueueFigures:
    """One queue's figures, from indexes that hold unfinished and dead rows only.

    Raises DatabaseError.
    """
    using = router.db_for_read(queue.model)
    connection = connections[using]
    with transaction.atomic(using=using):
        _bound_statements(connection)
        now = database_now(using)
        is_due, is_later = Q(next_attempt_at__lte=now), Q(next_attempt_at__gt=now)
        unfinished = queue.model._base_manager.using(using).filter(next_attempt_at__isnull=False)
        found = unfinished.aggregate(
            due=Count("pk", filter=is_due),
            waiting=Count("pk", filter=is_later & ~Q(work_state=WorkState.LEASED)),
            leased=Count("pk", filter=is_later & Q(work_state=WorkState.LEASED)),
            oldest=Min("next_attempt_at"),
        )
        dead = _count_dead(queue, connection)
    oldest = found.pop("oldest")
    age = max(0.0, (now - oldest).total_seconds()) if found["due"] else 0.0
    return QueueFigures(queue.name, {**found, "dead": dead}, age)


def _read_webhooks() -> WebhookFigures:
    using = router.db_for_read(WebhookEvent)
    with transaction.atomic(using=using):
        _bound_statements(connections[using])
        return read_webhooks()


def _bound_statements(connection: BaseDatabaseWrapper) -> None:
    """Have the server give up as well; SQLite has no such limit."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {int(LIMIT * 1000)}")


def _count_dead(queue: Queue[Any], connection: BaseDatabaseWrapper) -> int:
    # The state as a literal: SQLite uses a partial index for no parameter.
    table = connection.ops.quote_name(queue.model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {table} WHERE work_state = 'dead'")  # noqa: S608 - our own name
        return int(cursor.fetchone()[0])


class Gauges(Collector):
    """The figures of this moment, for a registry that is made for one scrape."""

    def collect(self) -> Iterable[Metric]:
        """Read them; never raises for a database or a Redis that is away."""
        figures = database_figures()
        yield GaugeMetricFamily(*DATABASE_UP, value=0 if figures is None else 1)
        yield from _queue_metrics(figures.queues if figures else [])
        yield from _webhook_metrics(figures.webhooks if figures else None)
        try:
            yield from _outbound_metrics(provider_states())
        except ConfigurationError as error:
            log_event(logger, logging.ERROR, "circuits_not_read", code=error.code)


def _queue_metrics(figures: list[QueueFigures]) -> Iterable[Metric]:
    rows = GaugeMetricFamily(*QUEUE_ROWS, labels=("queue", "state"))
    ages = GaugeMetricFamily(*QUEUE_AGE, labels=("queue",))
    for queue in figures:
        ages.add_metric((queue.name,), queue.oldest_due)
        for state, number in queue.rows.items():
            rows.add_metric((queue.name, state), number)
    return rows, ages


def _webhook_metrics(figures: WebhookFigures | None) -> Iterable[Metric]:
    endpoints = GaugeMetricFamily(*WEBHOOK_ENDPOINTS, labels=("state",))
    age = GaugeMetricFamily(*WEBHOOK_AGE)
    if figures is not None:
        for state, number in figures.endpoints.items():
            endpoints.add_metric((state,), number)
        age.add_metric((), figures.oldest_due)
    return endpoints, age


def _outbound_metrics(states: ProviderStates) -> Iterable[Metric]:
    circuits = GaugeMetricFamily(*CIRCUITS, labels=("provider", "state"))
    numbers = Counter((one.provider, one.circuit) for one in states.providers)
    for provider in sorted({one.provider for one in states.providers}):
        for state in BreakerState:
            circuits.add_metric((provider, state.value), numbers[provider, state])
    yield circuits
    if states.sharing is not Sharing.LOCAL:
        yield GaugeMetricFamily(*REDIS_UP, value=int(states.sharing is Sharing.REDIS))
