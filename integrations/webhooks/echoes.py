"""Takes our own secrets out of a receiver's answer, which is kept and shown to people.

Test receivers and error pages repeat the request's headers.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from integrations.outbound.echoes import HIDDEN, SHORTEST, credentials_in


def secrets_sent(values: Iterable[str]) -> tuple[str, ...]:
    """What is to be hidden where these values of headers are sent; the longest first."""
    found: set[str] = set()
    for value in values:
        for text in (value, *credentials_in(value)):
            # The padding of base64 is often left out.
            bare = text.rstrip("=")
            if len(bare) >= SHORTEST:
                found.update(_spellings(bare))
    return tuple(sorted(found, key=len, reverse=True))


def _spellings(text: str) -> set[str]:
    """As it is, and as JSON, HTML and addresses spell it."""
    as_json = json.dumps(text)[1:-1]
    return {text, as_json, as_json.replace("/", "\\/"), html.escape(text), quote(text, safe="")}


def hide(text: str, secrets: Sequence[str]) -> str:
    """The text without any of them."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text
