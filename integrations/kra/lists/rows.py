"""How the rows of a page are read: what can't be stored is left out and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from integrations.providers.kra.payloads.values import clean_text

Made = TypeVar("Made")
# Well below the number of parameters that SQLite takes in one statement.
BATCH = 500


class Unreadable(Exception):
    """A row of KRA's that has no usable key."""


def rows_of(data: object, name: str) -> list[Mapping[str, Any]]:
    """The rows of an answer under `name`; an answer without them has none."""
    found = data.get(name) if isinstance(data, Mapping) else None
    if not isinstance(found, list):
        return []
    return [row for row in found if isinstance(row, Mapping)]


def key_of(row: Mapping[str, Any], name: str, limit: int) -> str:
    """A row's own code, never cut: raises Unreadable where it is missing or too long."""
    text = clean_text(row.get(name), limit + 1)
    if not text or len(text) > limit:
        raise Unreadable
    return text


def read_rows(
    rows: Iterable[Mapping[str, Any]], make: Callable[[Mapping[str, Any]], tuple[Any, Made]]
) -> tuple[list[Made], int]:
    """What `make` makes of each row, one for each key (the last), and how many it could not read.

    `make` answers (key, made) and raises Unreadable.
    """
    made: dict[Any, Made] = {}
    bad = 0
    for row in rows:
        try:
            key, value = make(row)
        except Unreadable:
            bad += 1
        else:
            made[key] = value
    return list(made.values()), bad


def as_json(value: object, *, depth: int = 6) -> Any:
    """KRA's row as it may be stored: no NUL, no lone surrogates, amounts as text."""
    if isinstance(value, Mapping) and depth:
        return {
            clean_text(key, 60): as_json(inner, depth=depth - 1) for key, inner in value.items()
        }
    if isinstance(value, list | tuple) and depth:
        return [as_json(inner, depth=depth - 1) for inner in value]
    if value is None or isinstance(value, bool | int):
        return value
    return clean_text(value, 2000)
