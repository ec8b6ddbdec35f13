"""Which request or piece of work caused what is being done now: one id that travels along.

It is bound to structlog's context, so every log line carries it; rows of durable work keep it from
their insert to their handling, and calls to providers send it as `X-Correlation-ID`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from structlog.contextvars import bound_contextvars, get_contextvars

LONGEST = 64
# Safe in headers, log lines, columns and pages, whoever sent it.
_WELL_FORMED = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{{0,{LONGEST - 1}}}")


def new_id() -> str:
    """A random id, 32 characters."""
    return uuid4().hex


def well_formed(text: object) -> str:
    """The text if it may serve as an id (at most 64 harmless characters), else ""."""
    return text if isinstance(text, str) and _WELL_FORMED.fullmatch(text) else ""


def current_id() -> str:
    """The correlation id of what is being done now; "" outside any request or work.

    A host project that binds only a `request_id` (django-structlog does) is understood as well.
    """
    bound = get_contextvars()
    return well_formed(bound.get("correlation_id")) or well_formed(bound.get("request_id"))


@contextmanager
def correlated(correlation_id: str = "", **fields: Any) -> Iterator[str]:
    """Bind the id (a new one where it is not well formed) and `fields` inside the block.

    Yields the id. `fields` stand in every log line of the block: ids and names of ours, nothing
    personal.
    """
    chosen = well_formed(correlation_id) or new_id()
    with bound_contextvars(correlation_id=chosen, **fields):
        yield chosen
