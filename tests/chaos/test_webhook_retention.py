"""Retention over a large table: short transactions, and deliveries that go on meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections

from integrations import work
from integrations.events import publish
from integrations.models import WebhookAttempt, WebhookEndpoint, WebhookEvent, WebhookMessage
from integrations.webhooks.retention import Run, purge_webhooks
from tests.chaos.disasters import IS_FULL, sized
from tests.outbound.servers import LoopbackServer, answer
from tests.webhooks.deliveries import make_delivery, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = sized(200_000)
# Seconds of the longest transaction; other work runs beside this in CI.
LONGEST = 1.0 if IS_FULL else 5.0
OLD_ON_SQLITE = "STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW', '-100 days')"
MESSAGE_COLUMNS = (
    "id, event_id, event_type, version, business, occurred_at, body, created_at, is_directed"
)
MESSAGE = "n, {uuid}, 'invoice.paid', 1, '', {old}, {body}, {old}, {false}"
EVENT_COLUMNS = (
    "id, work_state, attempts, next_attempt_at, claim_token, work_error, correlation_id, "
    "event_type, status, is_manual, created_at, updated_at, endpoint_id, message_id"
)
EVENT = (
    "n, 'done', 1, NULL, '', '', '', 'invoice.paid', 'delivered', {false}, {old}, {old}, "
    "{endpoint}, n"
)
ATTEMPT_COLUMNS = (
    "id, event_id, endpoint_id, number, trigger, outcome, started_at, duration_ms, error, "
    "request_headers, response_headers, response_body, response_bytes"
)
ATTEMPT = "n, n, {endpoint}, 1, 'auto', 'delivered', {old}, 12, '', '{{}}', '{{}}', '', 0"
COLUMNS = {
    WebhookMessage: (MESSAGE_COLUMNS, MESSAGE),
    WebhookEvent: (EVENT_COLUMNS, EVENT),
    WebhookAttempt: (ATTEMPT_COLUMNS, ATTEMPT),
}


def fill(endpoint: WebhookEndpoint) -> None:
    """ROWS old messages with a body of 500 bytes, each delivered in one attempt."""
    is_postgres = connection.vendor == "postgresql"
    values = {
        "endpoint": endpoint.pk,
        "old": "NOW() - INTERVAL '100 days'" if is_postgres else OLD_ON_SQLITE,
        "uuid": "gen_random_uuid()" if is_postgres else "LOWER(HEX(RANDOMBLOB(16)))",
        "body": "CONVERT_TO(REPEAT('x', 500), 'UTF8')" if is_postgres else "ZEROBLOB(500)",
        "false": "FALSE" if is_postgres else "0",
    }
    numbers = (
        f"(SELECT generate_series(1, {ROWS}) AS n) s" if is_postgres else
        f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {ROWS}) "
        "SELECT n FROM s) s"
    )  # fmt: skip
    with connection.cursor() as cursor:
        for model, (columns, chosen) in COLUMNS.items():
            table = model._meta.db_table
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT {chosen.format(**values)} FROM {numbers}"
            )
            if is_postgres:
                cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {ROWS})")


class Traffic:
    """Publishes and delivers in a thread of its own until it is told to stop."""

    def __init__(self) -> None:
        self.published = 0
        self.error: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                publish("invoice.sent", {"number": self.published})
                self.published += 1
                work.drain("webhooks", budget_seconds=5)
        except Exception as error:
            self.error = error
        finally:
            connections.close_all()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error


@pytest.fixture
def receiver(settings: Any) -> Iterator[LoopbackServer]:
    server = LoopbackServer(answer(200))
    settings.OUTBOUND_ALLOWED_HOSTS = [server.place]
    yield server
    server.stop()


def test_the_purge_of_a_large_table_holds_nobody_up(receiver: LoopbackServer) -> None:
    past = make_endpoint(is_active=False)
    fill(past)
    held = make_delivery(make_endpoint(is_paused=True), "pending", days=400)
    make_endpoint(receiver.url())
    traffic = Traffic()
    try:
        run, start = Run(seconds=600), time.monotonic()
        gone = purge_webhooks(run)
        took, seen = time.monotonic() - start, len(receiver.requests)
    finally:
        traffic.stop()
    work.drain("webhooks", budget_seconds=30)
    print(
        f"{ROWS:,} of each: {gone} in {took:.1f} s, the longest transaction {run.longest:.3f} s, "
        f"{seen} events delivered meanwhile"
    )
    assert (gone["bodies"], gone["attempts"], gone["deliveries"], gone["messages"]) == (ROWS,) * 4
    assert run.longest < LONGEST
    assert seen > took, "more than one in a second, at the very least"
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == (
        traffic.published
    )
    held.refresh_from_db()
    assert (held.status, held.message.body is not None) == ("pending", True)
