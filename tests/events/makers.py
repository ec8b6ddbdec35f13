"""Endpoints as the tests of events and webhooks need them, and the judge of what was published."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

from integrations.events.catalogue import find_event_type
from integrations.models import DomainEvent, WebhookEndpoint, WebhookEvent, WebhookLane
from tests.hunt.plants import planted


def make_endpoint(name: str = "accounting", **values: Any) -> WebhookEndpoint:
    """An active endpoint with its lane."""
    endpoint = WebhookEndpoint.objects.create(
        **{
            "name": name,
            "url": f"https://{name}.example.ke/hooks",
            "secret": f"whsec_{planted('posted secret')}",
            **values,
        }
    )
    WebhookLane.objects.create(endpoint=endpoint, key=str(endpoint.pk))
    return endpoint


def deliveries(event_type: str = "") -> list[tuple[str, str]]:
    """(event type, name of the endpoint) of every delivery, in order."""
    rows = WebhookEvent.objects.order_by("pk")
    if event_type:
        rows = rows.filter(event_type=event_type)
    return list(rows.values_list("event_type", "endpoint__name"))


def judge_events() -> set[str]:
    """The types of all stored events, each of which fits its schema and adds nothing to it."""
    rows = list(DomainEvent.objects.all())
    checker = Draft202012Validator.FORMAT_CHECKER
    for row in rows:
        item = find_event_type(row.event_type)
        assert item is not None, row.event_type
        strict = {**item.schema, "additionalProperties": False}
        Draft202012Validator(strict, format_checker=checker).validate(row.payload)
    return {row.event_type for row in rows}
