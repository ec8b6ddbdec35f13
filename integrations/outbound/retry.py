"""When a call is made again, and after how long."""

from __future__ import annotations

import email.utils
import random
import re
import time
from datetime import UTC, datetime

from integrations.exceptions import TransportError
from integrations.outbound.call import Call, Response

BASE_SECONDS = 0.2
CAP_SECONDS = 5.0
MAX_RETRY_AFTER = 10.0

# Retrying can't help against the others: our own refusals, a passed deadline, a huge answer.
_TRANSIENT = frozenset({"dns", "connect", "tls", "timeout", "connection_lost"})
_UNSENT = frozenset({"dns", "connect", "tls"})


def is_retryable_error(call: Call, error: TransportError) -> bool:
    """Whether the call may and should be made again after this failure.

    What may have reached the provider is repeated only for idempotent calls.
    """
    if not error.sent:
        return error.code in _UNSENT
    return call.idempotent and error.code in _TRANSIENT


def is_retryable_response(call: Call, response: Response, outcome: str) -> bool:
    """Whether this answer to an idempotent call is worth another try.

    A 5xx that the provider layer reads as a decided answer (`outcome` ok or refused) is not:
    Daraja says "still being processed" with status 500.
    """
    if not call.idempotent:
        return False
    if response.status == 429:
        return True
    return response.status >= 500 and outcome not in ("ok", "refused")


def backoff(attempt: int, response: Response | None = None) -> float:
    """Seconds to wait after attempt number `attempt` (from 1): full jitter, doubling bound.

    A 429 or 503 can ask for longer with Retry-After, up to MAX_RETRY_AFTER.
    """
    bound = min(CAP_SECONDS, BASE_SECONDS * 2 ** min(attempt - 1, 16))
    wait = random.uniform(0, bound)  # noqa: S311 - spreads load, protects nothing
    if response is not None and response.status in (429, 503):
        wait = max(wait, retry_after(response.headers.get("Retry-After", "")))
    return wait


def retry_after(text: str) -> float:
    """Seconds that a Retry-After header asks for, in whole seconds or as an HTTP date.

    0 where it is absent, unreadable or past; never more than MAX_RETRY_AFTER.
    """
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(float(text), MAX_RETRY_AFTER)
    try:
        moment = email.utils.parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, TypeError):
        return 0.0
    wait = (moment - datetime.fromtimestamp(time.time(), UTC)).total_seconds()
    return min(max(wait, 0.0), MAX_RETRY_AFTER)
