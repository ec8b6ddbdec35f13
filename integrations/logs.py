"""Log lines with fields: readable text for any handler, real fields for one that knows them."""

from __future__ import annotations

import logging
import re
from typing import Any


def word(value: object) -> str:
    """A value without anything that could look like another field or line."""
    return re.sub(r"[^\w.:/+-]", "_", str(value))[:120]


def log_event(
    logger: logging.Logger, level: int, event: str, /, *, exc_info: Any = None, **fields: object
) -> None:
    """Log `event` with its fields: `event=name field=value ...` as text.

    The record carries them as `event_name` and `event_fields` too, from which the project's JSON
    lines are made. None stands for "not known" and is left out of both. Fields must hold no
    secrets, names or phone numbers.
    """
    if not logger.isEnabledFor(level):
        return
    known = {name: value for name, value in fields.items() if value is not None}
    text = " ".join((f"event={event}", *(f"{name}={word(value)}" for name, value in known.items())))
    extra = {"event_name": event, "event_fields": known}
    logger.log(level, "%s", text, exc_info=exc_info, extra=extra, stacklevel=2)
