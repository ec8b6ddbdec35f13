"""The lines that the product would write, as objects."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bengoerp.logging import line_formatter
from integrations.crypto.masking import RedactingFilter

Lines = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """`lines(event)` are the JSON lines of this event so far; without one, all of them."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    handler.setFormatter(line_formatter(as_json=True))
    handler.setLevel(logging.INFO)
    logging.root.addHandler(handler)

    def read(event: str = "") -> list[dict[str, Any]]:
        found = [json.loads(line) for line in stream.getvalue().splitlines()]
        return [line for line in found if not event or line["event"] == event]

    yield read
    logging.root.removeHandler(handler)
