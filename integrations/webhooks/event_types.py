"""The events about webhooks themselves, and what they carry: the catalogue is made from this."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from integrations.events.catalogue import EventType
from integrations.events.keys import Key, choice, count, declare, flag, moment, text
from integrations.models import DisabledReason, WebhookEndpoint, WebhookLane, host_of

FAILING = "webhook.endpoint.failing"
DISABLED = "webhook.endpoint.disabled"
RECOVERED = "webhook.endpoint.recovered"
TEST = "webhook.test"

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        FAILING: "An endpoint does nothing but fail; if it goes on, it is switched off.",
        DISABLED: "An endpoint was switched off by the hub. Its events wait until it is switched "
        "on again.",
        RECOVERED: "An endpoint that failed, or was switched off, takes events again.",
    }
)
# Told to the other endpoints of its business.
PAYLOAD: Mapping[str, Key] = MappingProxyType(
    {
        "endpoint_id": count("The endpoint's key.", 7),
        "name": text("Its name.", "Accounting"),
        "host": text(
            "Host and port it is at; the rest of its address may be secret.", "erp.example.ke:443"
        ),
        "business": text("Whose endpoint it is; empty: the installation's.", "branch-7"),
        "is_active": flag("Whether events are sent to it.", example=True),
        "reason": choice(
            "Why it was switched off: `gone` (it answered 410) or `failing`; else empty.",
            ["", DisabledReason.GONE, DisabledReason.FAILING],
            "",
        ),
        "failing_since": Key(
            "The first failure since its last success (ISO 8601); null where there is none.",
            "2026-01-31T08:30:00+00:00",
            {"type": ["string", "null"], "format": "date-time"},
        ),
        "failures": count("Failures in a row.", 12),
        "last_status": Key(
            "The HTTP status of the last answer; null where none came.",
            503,
            {"type": ["integer", "null"]},
        ),
        "last_error": text("What the last failure was, in words.", "HTTP 503"),
        "message": text(
            "What happened and what to do, in words.",
            "Accounting has done nothing but fail since 31 January 2026, 08:30 UTC.",
        ),
    }
)
_EXAMPLES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        DISABLED: {
            "is_active": False, "reason": "failing",
            "message": "Accounting was switched off: it did nothing but fail for 5 days. Repair "
            "it, then switch it on again: its events wait.",
        },
        RECOVERED: {
            "failing_since": None, "failures": 0, "last_status": 200, "last_error": "",
            "message": "Accounting takes events again.",
        },
    }
)  # fmt: skip
TEST_PAYLOAD: Mapping[str, Key] = MappingProxyType(
    {
        "endpoint_id": count("The endpoint that is tested.", 7),
        "message": text("A greeting.", "A test of BengoERP Integrations. Nothing happened."),
        "sent_at": moment("When it was asked for (ISO 8601)."),
        "requested_by": text("Who asked, by name.", "wanjiku"),
    }
)


def event_types() -> list[EventType]:
    """All of them as the catalogue has them."""
    return [
        *declare("Webhook endpoints", EVENTS, PAYLOAD, examples=_EXAMPLES),
        *declare("Tests", {TEST: "Somebody tests an endpoint; only it gets this."}, TEST_PAYLOAD),
    ]


def describe(endpoint: WebhookEndpoint, lane: WebhookLane, message: str) -> dict[str, Any]:
    """An endpoint's condition as its events tell it."""
    since = lane.failing_since
    return {
        "endpoint_id": endpoint.pk,
        "name": endpoint.name,
        "host": host_of(endpoint.url),
        "business": endpoint.business,
        "is_active": endpoint.is_active,
        "reason": "" if endpoint.is_active else str(endpoint.disabled_reason),
        "failing_since": since.isoformat() if since else None,
        "failures": lane.consecutive_failures,
        "last_status": lane.last_status,
        "last_error": lane.last_error,
        "message": message,
    }
