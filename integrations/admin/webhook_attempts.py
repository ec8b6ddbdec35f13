"""What a delivery's page shows of its message and its attempts; everything as harmless text."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, NamedTuple

from django.utils import timezone

from integrations.admin.badges import Badge
from integrations.admin.webhook_words import outcome_badge, status_in_words, tell_attempt
from integrations.models import AttemptTrigger, WebhookAttempt, WebhookEvent

# A delivery has ten attempts; one that was sent by hand all day must not break its page.
ATTEMPTS_SHOWN = 50
# What a page has room for; the rest is said to be there.
BODY_SHOWN = 4_000
PAYLOAD_SHOWN = 60_000
TRIGGERS = {AttemptTrigger.MANUAL: "by hand", AttemptTrigger.TEST: "a test"}


class Excerpt(NamedTuple):
    """A text as far as a page has room for it, and how many characters more there are."""

    text: str
    more: int


class Try(NamedTuple):
    """One attempt, as the page shows it."""

    number: int
    at: str
    badge: Badge
    words: str
    status: str
    took: str
    trigger: str
    request_headers: list[tuple[str, str]]
    response_headers: list[tuple[str, str]]
    body: Excerpt
    received: str


def attempts_of(event: WebhookEvent) -> list[Try]:
    """The newest attempts first."""
    return [_try(row) for row in event.attempt_rows.order_by("-pk")[:ATTEMPTS_SHOWN]]


def _try(row: WebhookAttempt) -> Try:
    return Try(
        number=row.number,
        at=f"{timezone.localtime(row.started_at):%d %b %Y, %H:%M:%S.%f}"[:-3],
        badge=outcome_badge(row.outcome),
        words=tell_attempt(row),
        status=status_in_words(row.status_code) or "no answer",
        took=f"{row.duration_ms:,} ms",
        trigger=TRIGGERS.get(AttemptTrigger(row.trigger), ""),
        request_headers=_pairs(row.request_headers),
        response_headers=_pairs(row.response_headers),
        body=excerpt(row.response_body, BODY_SHOWN),
        received=f"{row.response_bytes:,} bytes" if row.response_bytes else "",
    )


def _pairs(headers: Any) -> list[tuple[str, str]]:
    found = headers.items() if isinstance(headers, dict) else headers or ()
    return [(str(name), str(value)) for name, value in found]


def payload_of(event: WebhookEvent) -> Excerpt | None:
    """The payload with line breaks; None once retention has dropped it."""
    stored = event.message.body
    if stored is None:
        return None
    text = bytes(stored).decode("utf-8", "replace")
    # What is no JSON is shown as it is.
    with suppress(ValueError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return excerpt(text, PAYLOAD_SHOWN)


def excerpt(text: str, limit: int) -> Excerpt:
    """The beginning of a text. Invisible characters would hide what it says: they are named."""
    shown = "".join(_visible(character) for character in text[:limit])
    return Excerpt(shown, max(0, len(text) - limit))


def _visible(character: str) -> str:
    is_fine = character.isprintable() or character in "\n\t"
    return character if is_fine else f"\\u{ord(character):04x}" if character != "\r" else ""
