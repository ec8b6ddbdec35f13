"""The wire files: messages written by hand from the Daraja reference, one a file.

`cites` names the section; `body` is the JSON (or `text` the raw bytes); `status` or `method` and
`headers` say how it travels. `varies` maps a field, or an item's Name, to the pattern that its
value must match instead of being equal. Neither the emulator nor the client made these files.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import requests

FOLDER = Path(__file__).parent.parent / "wire" / "mpesa"


def load_wire(name: str) -> dict[str, Any]:
    """One wire file; numbers keep their digits (150.00 is Decimal("150.00"))."""
    message: dict[str, Any] = read_json((FOLDER / f"{name}.json").read_text())
    return message


def read_json(text: str | bytes) -> Any:
    return json.loads(text, parse_float=Decimal)


def assert_answer(response: requests.Response, name: str) -> None:
    """The response is the message of the wire file."""
    wire = load_wire(name)
    assert response.status_code == wire["status"], response.text
    if "text" in wire:
        assert response.text == wire["text"]
        return
    assert response.headers["Content-Type"].startswith("application/json")
    assert_body(read_json(response.content), wire)


def assert_body(actual: Any, wire: dict[str, Any]) -> None:
    """The body has the wire file's keys in its order, its types, and its values."""
    _compare(actual, wire["body"], wire.get("varies", {}), "body")


def _compare(actual: Any, expected: Any, varies: dict[str, str], name: str) -> None:
    assert type(actual) is type(expected), f"{name}: {actual!r} instead of {expected!r}"
    if name in varies:
        assert re.search(varies[name], str(actual)), f"{name}: {actual!r}"
    elif isinstance(expected, dict):
        assert list(actual) == list(expected), name
        for key, value in expected.items():
            # An item of a callback's list goes by its Name, or a result's entry by its Key.
            item = expected.get("Name") or expected.get("Key") if key == "Value" else key
            _compare(actual[key], value, varies, str(item))
    elif isinstance(expected, list):
        assert len(actual) == len(expected), name
        for one, other in zip(actual, expected, strict=True):
            _compare(one, other, varies, f"{name} item")
    else:
        assert str(actual) == str(expected), name
