"""What the webhook figures share: endpoints, a committed backlog, and draining it."""

from __future__ import annotations

import json
import os
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

QUEUE = "webhooks"
EVENT_TYPE = "bench.invoice.paid"
# With its envelope and the headers of one key, a kilobyte.
PAYLOAD = {"invoice": "INV-000001", "amount": "1500.00", "currency": "KES", "note": "n" * 850}
# Far above what a receiver on loopback would ever ask for: its limit is not what is measured.
CONCURRENCY = 100
PATIENCE = 600.0

# As `publish` leaves them: `share` messages, each once for every endpoint.
_FILL_MESSAGES = """
INSERT INTO integrations_webhookmessage (event_id, event_type, version, business, occurred_at, body)
SELECT {uuid}, '{event_type}', 1, '', {now}, {body} FROM {numbers}
"""
_FILL_EVENTS = """
INSERT INTO integrations_webhookevent
    (endpoint_id, message_id, event_type, status, is_manual, work_state, attempts, claim_token,
     work_error, next_attempt_at)
SELECT e.id, m.id, '{event_type}', 'pending', {no}, 'due', 0, '', '', {now}
FROM integrations_webhookmessage m CROSS JOIN integrations_webhookendpoint e
WHERE m.id > {last} ORDER BY m.id, e.id
"""


def forget_all() -> None:
    """Empty the tables of webhooks, quickly however many rows they hold."""
    from django.db import connection

    tables = [
        "webhookattempt", "webhookevent", "webhookmessage", "webhookformersecret", "webhooklane",
        "webhookreplay", "webhookendpoint", "domainevent",
    ]  # fmt: skip
    names = [f"integrations_{name}" for name in tables]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {', '.join(names)} CASCADE")
            return
        for name in names:
            cursor.execute(f"DELETE FROM {name}")


def make_endpoint(url: str, *, event_type: str = EVENT_TYPE, **values: Any) -> Any:
    """An endpoint with a secret, for events of one type."""
    from urllib.parse import urlsplit

    from integrations.models import WebhookEndpoint, WebhookLane

    values = {"max_concurrency": CONCURRENCY, **values}
    endpoint = WebhookEndpoint.objects.create(
        name=url[-100:],
        url=url,
        secret=f"whsec_{b64encode(os.urandom(32)).decode()}",
        secret_hosts=[urlsplit(url).netloc],
        event_types=[event_type],
        **values,
    )
    WebhookLane.objects.get_or_create(endpoint=endpoint, defaults={"key": str(endpoint.pk)})
    return endpoint


def publish_all(count: int, *, at_once: int) -> float:
    """Publish so many events, `at_once` of them in a transaction; events a second."""
    from django.db import transaction

    from integrations.events import publish

    started = time.perf_counter()
    for start in range(0, count, at_once):
        with transaction.atomic():
            for _ in range(min(at_once, count - start)):
                publish(EVENT_TYPE, PAYLOAD)
    return count / (time.perf_counter() - started)


def publish_many(count: int, *, at_once: int) -> float:
    """The same by one call for each transaction."""
    from integrations import events

    started = time.perf_counter()
    for start in range(0, count, at_once):
        many = min(at_once, count - start)
        events.publish_many([events.NewEvent(EVENT_TYPE, PAYLOAD)] * many)
    return count / (time.perf_counter() - started)


def fill(messages: int) -> None:
    """Put so many messages, and one delivery for each endpoint there is, into the tables."""
    from django.db import connection

    is_postgresql = connection.vendor == "postgresql"
    body = json.dumps(PAYLOAD, separators=(",", ":")).encode().hex()
    words = {
        "event_type": EVENT_TYPE,
        "uuid": "gen_random_uuid()" if is_postgresql else "lower(hex(randomblob(16)))",
        "now": "now()" if is_postgresql else "strftime('%Y-%m-%d %H:%M:%f', 'now')",
        "no": "false" if is_postgresql else "0",
        "body": f"'\\x{body}'::bytea" if is_postgresql else f"x'{body}'",
        "numbers": f"generate_series(1, {messages}) AS n" if is_postgresql else
        f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {messages}) "
        "SELECT i FROM n)",
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT COALESCE(MAX(id), 0) FROM integrations_webhookmessage")
        (last,) = cursor.fetchone()
        cursor.execute(_FILL_MESSAGES.format(**words))
        cursor.execute(_FILL_EVENTS.format(**words, last=last))


def settle() -> None:
    """What time would do to tables that were not filled a moment ago."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.execute("ANALYZE")
            return
        for name in ("webhookevent", "webhookmessage", "webhookattempt"):
            cursor.execute(f"VACUUM ANALYZE integrations_{name}")
        cursor.execute("SELECT pg_has_role(current_user, 'pg_checkpoint', 'USAGE')")
        if cursor.fetchone()[0]:
            cursor.execute("CHECKPOINT")


def drain(*, budget_seconds: float = PATIENCE) -> float:
    """Work off what is due, in this thread; the seconds it took."""
    from integrations import work

    started = time.perf_counter()
    work.drain(QUEUE, budget_seconds=budget_seconds)
    return time.perf_counter() - started


def delivered() -> int:
    """How many deliveries are stored as made."""
    from integrations.models import WebhookEvent

    return WebhookEvent.objects.filter(status="delivered").count()


def check_delivered(count: int) -> None:
    """RuntimeError unless so many are delivered, each with an attempt row."""
    from integrations.models import WebhookAttempt, WebhookEvent

    made, rows = delivered(), WebhookAttempt.objects.count()
    if (made, rows) != (count, count):
        left = WebhookEvent.objects.exclude(status="delivered").values("status", "last_error")[:3]
        raise RuntimeError(f"{made} of {count} delivered, {rows} attempt rows: {list(left)}")


def sample_headers(endpoint: Any) -> tuple[Sequence[str], bytes]:
    """The headers and the body that the product sends for one of these events."""
    from integrations.models import WebhookMessage
    from integrations.webhooks.plan import EndpointPlan

    message = WebhookMessage.objects.order_by("-id").first()
    prepared = EndpointPlan.load(endpoint).build(message, at=time.time())
    return prepared.headers, prepared.body
