"""Receivers on loopback, and deliveries to them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.utils import timezone

from integrations import work
from integrations.events import publish
from integrations.models import WebhookEndpoint, WebhookEvent, WebhookLane
from tests.outbound.servers import LoopbackServer, Reply, answer
from tests.webhooks.endpoints import make_endpoint

EVENT = "payment.succeeded"


@contextmanager
def receiver(settings: Any, reply: Reply | None = None) -> Iterator[LoopbackServer]:
    """A receiver that may be sent to."""
    server = LoopbackServer(reply or answer(200))
    settings.OUTBOUND_ALLOWED_HOSTS = [*settings.OUTBOUND_ALLOWED_HOSTS, server.place]
    try:
        yield server
    finally:
        server.stop()


def endpoint_at(server: LoopbackServer, **values: Any) -> WebhookEndpoint:
    """An endpoint of that receiver."""
    return make_endpoint(url=server.url("/hook"), secret_hosts=[server.place], **values)


def publish_many(count: int, business: str = "") -> None:
    """Events for every endpoint of the business."""
    for number in range(count):
        publish(EVENT, {"number": number}, business)


def dispatch(seconds: float = 20.0) -> int:
    """Deliver what is due, in this thread."""
    return work.drain("webhooks", budget_seconds=seconds)


def make_due(**which: Any) -> None:
    """Let retries, leases and pauses be over."""
    past = timezone.now() - timezone.timedelta(hours=1)
    rows = WebhookEvent.objects.filter(next_attempt_at__isnull=False, **which)
    rows.update(next_attempt_at=past)
    WebhookLane.objects.filter(next_send_at__isnull=False).update(next_send_at=past)


def close_breakers() -> None:
    """Let the breakers' pauses be over; the next delivery is the probe."""
    past = timezone.now() - timezone.timedelta(hours=1)
    WebhookLane.objects.filter(open_until__isnull=False).update(open_until=past)


def numbers(server: LoopbackServer) -> list[int]:
    """The numbers of the events that a receiver got, in their order."""
    import json

    return [json.loads(request.body)["data"]["number"] for request in list(server.requests)]


def slowly(seconds: float) -> Reply:
    """A receiver that takes its time."""

    def reply(handler: Any, request: Any) -> None:
        handler.server.stopping.wait(seconds)
        answer(200)(handler, request)

    return reply


def wait_for(happens: Any, seconds: float = 20.0) -> None:
    """Until it is true."""
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
