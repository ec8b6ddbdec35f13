"""What may be published: names, sizes, and the bytes that a payload is sent as."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from integrations.conf import hub_settings
from integrations.exceptions import InvalidInput

EVENT_TYPE = re.compile(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*")
MAX_NAME = 100
_MAX_BUSINESS = 64
# U+0000 as JSON writes it; an even number of backslashes before it are a text of their own.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def check_event_type(name: object) -> str:
    """The name of an event type: dotted segments of letters, digits and `_`; else InvalidInput."""
    if not isinstance(name, str) or len(name) > MAX_NAME or not EVENT_TYPE.fullmatch(name):
        raise InvalidInput(
            "event_type",
            f"must be dotted segments of letters, digits and _, such as invoice.sent, with "
            f"{MAX_NAME} characters at most.",
        )
    return name


def check_business(business: object) -> str:
    """A business key as it is stored; else InvalidInput."""
    if not isinstance(business, str) or len(business) > _MAX_BUSINESS or "\x00" in business:
        raise InvalidInput("business", f"must be text of {_MAX_BUSINESS} characters at most.")
    return business


def encode(payload: Mapping[str, Any]) -> bytes:
    """The payload as compact JSON in UTF-8, keys in the given order: what receivers get.

    Raises InvalidInput that names `payload` and says why, before anything is stored: a value that
    JSON or the database can't carry would break the caller's transaction.
    """
    if not isinstance(payload, Mapping):
        raise InvalidInput("payload", "must be a JSON object.")
    try:
        text = json.dumps(dict(payload), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        body = text.encode()
    except UnicodeEncodeError:
        raise InvalidInput("payload", "holds text that is no Unicode (a lone surrogate).") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput("payload", f"can't be written as JSON: {_why(error)}.") from None
    if "\\u0000" in text and _NUL.search(text):
        raise InvalidInput("payload", "holds the character U+0000, which PostgreSQL can't store.")
    limit = hub_settings.event_max_bytes
    if len(body) > limit:
        raise InvalidInput(
            "payload", f"is {len(body):,} bytes of JSON; INTEGRATIONS_EVENT_MAX_BYTES is {limit:,}."
        )
    return body


def _why(error: Exception) -> str:
    """In words that hold no value of the payload."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, TypeError):
        return str(error).rstrip(".")
    if "ircular" in str(error):
        return "it contains itself"
    return "a number is too long" if "digits" in str(error) else "NaN and infinity are no JSON"
