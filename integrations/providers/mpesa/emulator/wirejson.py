"""JSON whose numbers keep their digits: 150.00 stays 150.00, without a float in between."""

from __future__ import annotations

import json
import re
from typing import Any

# A private-use character that no text of the wire has; around digits it marks a bare number.
_MARK = "\ue000"
_MARKED = re.compile(r'"\\ue000(-?[0-9]+(?:\.[0-9]+)?)\\ue000"')


def number(digits: str) -> str:
    """The digits, to be written as a number by `dump`."""
    return f"{_MARK}{digits}{_MARK}"


def dump(body: Any) -> bytes:
    """The body as JSON, with the marked numbers bare."""
    return _MARKED.sub(r"\1", json.dumps(body)).encode()
