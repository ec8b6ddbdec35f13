"""The catalogue: every event the hub publishes has a schema, and an example that fits it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from integrations.events import catalogue, publish
from integrations.events.catalogue import (
    EventType,
    event_types,
    find_event_type,
    register_event_type,
    version_of,
)
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.models import WebhookMessage
from tests.events.makers import make_endpoint

OWN = EventType("invoice.sent", 3, "Sent.", {"type": "object"}, {"number": "INV001"})


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """Types that a test registers are gone after it."""
    before = dict(catalogue._types)
    yield
    catalogue._types.clear()
    catalogue._types.update(before)


@pytest.mark.parametrize("item", event_types(), ids=lambda item: item.name)
def test_every_example_fits_its_schema(item: EventType) -> None:
    Draft202012Validator.check_schema(item.schema)
    assert item.schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    # Formats are asserted too, and a key that the schema lacks would be a mistake of ours.
    strict = {**item.schema, "additionalProperties": False}
    checker = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator(strict, format_checker=checker).validate(item.example)
    assert (item.version, item.summary[-1:]) == (1, ".")
    assert all(schema["description"] for schema in item.schema["properties"].values())


def test_an_example_that_lies_would_be_found() -> None:
    item = find_event_type("payment.succeeded")
    assert item is not None
    validator = Draft202012Validator(item.schema)
    for change in ({"amount": 1000}, {"amount": "1000"}, {"state": "paid"}, {"late": "no"}):
        assert not validator.is_valid({**item.example, **change})
    assert not validator.is_valid({k: v for k, v in item.example.items() if k != "receipt"})
    # Keys are added without a new version.
    assert validator.is_valid({**item.example, "new_key": 1})


def test_the_examples_of_different_ends_differ() -> None:
    states = {
        item.name: item.example["state"]
        for item in event_types()
        if item.name
        in {"payment.failed", "payment.pending", "expectation.paid", "approval.expired"}
    }
    assert states == {
        "payment.failed": "failed", "payment.pending": "pending", "expectation.paid": "paid",
        "approval.expired": "expired",
    }  # fmt: skip


@pytest.mark.django_db
def test_a_host_registers_its_own_and_its_version_is_stored() -> None:
    make_endpoint()
    register_event_type(OWN)
    register_event_type(replace(OWN))
    assert find_event_type("invoice.sent") == event_types()[-1] == OWN
    publish("invoice.sent", {})
    publish("invoice.unknown", {})
    assert list(WebhookMessage.objects.order_by("pk").values_list("version", flat=True)) == [3, 1]
    assert (find_event_type("invoice.unknown"), version_of("invoice.unknown")) == (None, 1)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"version": 4}, ConfigurationError),
        ({"name": "invoice sent"}, InvalidInput),
        ({"name": "new.one", "example": {"n": float("nan")}}, InvalidInput),
        ({"name": "new.one", "version": 0}, ConfigurationError),
        ({"name": "payment.failed"}, ConfigurationError),
    ],
)
def test_a_type_that_contradicts_is_refused(
    changes: dict[str, Any], error: type[Exception]
) -> None:
    register_event_type(OWN)
    with pytest.raises(error):
        register_event_type(replace(OWN, **changes))
    assert find_event_type("invoice.sent") == OWN
    assert find_event_type("new.one") is None
