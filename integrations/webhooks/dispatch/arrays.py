"""Lists as PostgreSQL's array literals. The driver's own way costs several times as much."""

from __future__ import annotations

from collections.abc import Sequence


def numbers(values: Sequence[float | None]) -> str:
    """Numbers, None as NULL."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def words(values: Sequence[str]) -> str:
    """Words of our own: letters, digits and underscores, at least one."""
    return "{" + ",".join(values) + "}"


def texts(values: Sequence[str]) -> str:
    """Any texts without NUL."""
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in values]
    return '{"' + '","'.join(quoted) + '"}'
