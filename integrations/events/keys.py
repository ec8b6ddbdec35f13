"""Payloads declared key by key: from it come schema, example and the documentation's table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.events.catalogue import DIALECT, EventType


@dataclass(frozen=True)
class Key:
    """One key of a payload: what it means, its JSON Schema, an example of it.

    `only` says with which event types it comes; empty: with all of the group.
    """

    meaning: str
    example: Any
    schema: Mapping[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] = ()


def text(meaning: str, example: str = "", *, only: tuple[str, ...] = ()) -> Key:
    """Any text."""
    return Key(meaning, example, {"type": "string"}, only)


def amount(meaning: str, example: str, *, only: tuple[str, ...] = ()) -> Key:
    """Money as text with two decimals."""
    return Key(meaning, example, {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2}$"}, only)


def choice(meaning: str, values: Iterable[str], example: str) -> Key:
    """One of several words."""
    return Key(meaning, example, {"type": "string", "enum": [str(value) for value in values]})


def count(meaning: str, example: int) -> Key:
    """A whole number from 0 on."""
    return Key(meaning, example, {"type": "integer", "minimum": 0})


def flag(meaning: str, *, example: bool) -> Key:
    """True or false."""
    return Key(meaning, example, {"type": "boolean"})


def moment(meaning: str, example: str = "2026-01-31T09:30:00+00:00") -> Key:
    """An instant in ISO 8601 with its offset."""
    return Key(meaning, example, {"type": "string", "format": "date-time"})


def names(meaning: str, example: list[str]) -> Key:
    """A list of texts."""
    return Key(meaning, example, {"type": "array", "items": {"type": "string"}})


def declare(
    group: str,
    summaries: Mapping[str, str],
    keys: Mapping[str, Key],
    *,
    examples: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[EventType]:
    """The event types of one group, all of version 1.

    `examples` are values that differ from those of the keys, by event type.
    """
    return [
        _declare(group, name, summary, keys, (examples or {}).get(name, {}))
        for name, summary in summaries.items()
    ]


def _declare(
    group: str, name: str, summary: str, keys: Mapping[str, Key], values: Mapping[str, Any]
) -> EventType:
    used = {key: item for key, item in keys.items() if not item.only or name in item.only}
    # No `additionalProperties: false`: keys are added without a new version.
    schema = {
        "$schema": DIALECT,
        "title": name,
        "type": "object",
        "properties": {
            key: {"description": item.meaning, **item.schema} for key, item in used.items()
        },
        "required": list(used),
    }
    example = {key: values.get(key, item.example) for key, item in used.items()}
    return EventType(name, 1, summary, schema, example, group)
