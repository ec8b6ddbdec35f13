"""Which event types an endpoint wants: names, `prefix.*`, or `*`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from integrations.events.encoding import EVENT_TYPE, MAX_NAME
from integrations.exceptions import InvalidInput

MAX_PATTERNS = 100


def matches(patterns: Any, event_type: str) -> bool:
    """Whether one of `patterns` fits; no patterns at all fit every type.

    `payment.*` fits whatever is below `payment`, however deep. Never raises: it runs in the
    transactions of payments, and what a column holds may be anything.
    """
    if not patterns:
        return True
    if not isinstance(patterns, Iterable):
        return False
    return any(_fits(pattern, event_type) for pattern in patterns)


def _fits(pattern: object, event_type: str) -> bool:
    if not isinstance(pattern, str):
        return False
    if pattern in ("*", event_type):
        return True
    return pattern.endswith(".*") and event_type.startswith(pattern[:-1])


def check_event_patterns(patterns: object) -> None:
    """Raise InvalidInput for what is no list of patterns; names that nobody knows are allowed."""
    if not isinstance(patterns, list | tuple):
        raise InvalidInput("event_types", "must be a list of event types.")
    if len(patterns) > MAX_PATTERNS:
        raise InvalidInput("event_types", f"has more than {MAX_PATTERNS} entries.")
    for pattern in patterns:
        if not isinstance(pattern, str) or len(pattern) > MAX_NAME or not _is_pattern(pattern):
            raise InvalidInput(
                "event_types",
                f"{str(pattern)[:40]!r} is no event type such as payment.succeeded, and no "
                "pattern such as payment.* or *.",
            )


def _is_pattern(text: str) -> bool:
    return text == "*" or EVENT_TYPE.fullmatch(text.removesuffix(".*")) is not None
