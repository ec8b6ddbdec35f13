"""Endpoints and messages for tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from integrations.models import WebhookEndpoint, WebhookMessage
from integrations.outbound import host_port
from integrations.webhooks.plan import Prepared
from tests.webhooks.vectors import A

OCCURRED = datetime(2026, 1, 1, tzinfo=UTC)
PAYLOAD = {"invoice": "INV-1"}
URL = "https://receiver.example.com/hooks"


def make_endpoint(**values: Any) -> WebhookEndpoint:
    """A stored endpoint whose secrets were typed for its hosts."""
    values = {"name": "shop", "url": URL, "secret": A, **values}
    urls = [values["url"], *filter(None, [values.get("token_url")])]
    values.setdefault("secret_hosts", [host_port(url) for url in urls])
    return WebhookEndpoint.objects.create(**values)


def make_message(payload: Any = PAYLOAD, **values: Any) -> WebhookMessage:
    """A message that is not stored, its body as `publish` would store it."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    values = {"event_type": "invoice.paid", "occurred_at": OCCURRED, "body": body, **values}
    return WebhookMessage(**values)


def headers_of(prepared: Prepared) -> dict[str, str]:
    """The request's headers; a name that comes twice fails."""
    pairs = [line.split(": ", 1) for line in prepared.headers]
    assert len({name.lower() for name, _ in pairs}) == len(pairs)
    return {pair[0]: pair[1] for pair in pairs}
