"""The page of the events, from the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from integrations.events.catalogue import EventType, event_types
from integrations.management.reference.markdown import code, page, table

INTRO = """\
An event is stored in the transaction of the change it tells of, and delivered afterwards, at
least once: to Python listeners by the Django signal `integrations.signals.integration_event`, and
to every webhook endpoint that wants it. [Listen to events](../how-to/listen-to-events.md) shows
how, and what is promised.

The tables are made from the JSON Schema (2020-12) of each payload, which
`integrations.events.catalogue.find_event_type(name).schema` has. Keys may be added to a payload
without a new version: ignore those that you don't know."""


def events_page() -> str:
    """Every event type of the hub: its version, its payload and an example."""
    types = event_types()
    return page(
        "Events",
        INTRO,
        "## Types",
        table(
            ["type", "version", "when"],
            ([code(item.name), str(item.version), item.summary] for item in types),
        ),
        *(
            part
            for group, members in groupby(types, key=lambda item: item.group)
            for part in _group(group, list(members))
        ),
    )


def _group(group: str, members: Sequence[EventType]) -> Iterable[str]:
    yield f"## {group}"
    yield table(["key", "type", "meaning"], _rows(members))
    for item in members:
        yield f"### {code(item.name)}"
        yield item.summary
        yield f"```json\n{json.dumps(item.example, indent=2, ensure_ascii=False)}\n```"


def _rows(members: Sequence[EventType]) -> Iterable[list[str]]:
    keys: dict[str, Mapping[str, Any]] = {}
    for item in members:
        for name, schema in item.schema["properties"].items():
            keys.setdefault(name, schema)
    return (
        [code(name), _type(schema), str(schema.get("description", ""))]
        for name, schema in keys.items()
    )


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        words = [code(value) if value else "empty" for value in schema["enum"]]
        return "one of " + ", ".join(words)
    kinds = schema.get("type", "any")
    text = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    if text == "array":
        return f"array of {_type(schema.get('items', {}))}"
    return f"{text}, {schema['format']}" if "format" in schema else text
