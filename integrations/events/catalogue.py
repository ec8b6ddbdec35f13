"""The catalogue: every event type with its version, the schema of its payload and an example.

The hub's own are registered by `integrations.wiring`; a host project registers its own in its
app's `ready()`. Publishing an unregistered type is allowed: it has version 1 and no schema.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.events.encoding import check_event_type, encode
from integrations.exceptions import ConfigurationError

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class EventType:
    """One type. `schema` is the JSON Schema (2020-12) of the payload, `example` fits it.

    `version` grows when what receivers rely on changes: a key taken away, another meaning. New
    keys are no new version. `group` is the heading under which the documentation shows it.
    """

    name: str
    version: int
    summary: str
    schema: dict[str, Any]
    example: dict[str, Any]
    group: str = "Other events"


_types: dict[str, EventType] = {}


def register_event_type(event_type: EventType) -> None:
    """Add a type; the same one again changes nothing.

    Raises InvalidInput for a name or an example that could not be published, and
    ConfigurationError where another type has the name.
    """
    check_event_type(event_type.name)
    encode(event_type.example)
    if not 1 <= event_type.version <= 32767:
        raise ConfigurationError(f"{event_type.name} has no version from 1 on.")
    present = _types.setdefault(event_type.name, event_type)
    if present != event_type:
        raise ConfigurationError(f"Event type {event_type.name} is declared twice.")


def event_types() -> list[EventType]:
    """Every registered type, in the order of registration."""
    return list(_types.values())


def find_event_type(name: str) -> EventType | None:
    """The registered type of this name, if any."""
    return _types.get(name)


def version_of(name: str) -> int:
    """The version of a type; 1 for one that nobody registered."""
    found = _types.get(name)
    return found.version if found else 1
