"""When a delivery that failed is tried again (webhook reference, sections 3 and 4)."""

from __future__ import annotations

import email.utils
import random
import re
from collections.abc import Callable, Sequence
from datetime import UTC

from integrations.conf import hub_settings
from integrations.work import delay_after

# A receiver that is overwhelmed, or did not answer in time, is left alone for this long at least.
OVERLOAD_SECONDS = 60.0
# A receiver may ask for no more than this, or twice the schedule's own step where that is longer.
LONGEST_ASKED_SECONDS = 36_000.0
_WHOLE_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_uniform = random.SystemRandom().uniform


def delays() -> Sequence[float]:
    """Seconds between the tries; one more try than entries."""
    return hub_settings.webhook_schedule


def longest_series() -> int:
    """The number of automatic tries."""
    return len(delays()) + 1


def next_delay(
    tries: int,
    *,
    is_overload: bool = False,
    asked: float | None = None,
    uniform: Callable[[float, float], float] = _uniform,
) -> float | None:
    """Seconds from the end of try number `tries` (from 1) to the next; None after the last.

    The schedule's step with up to a fifth added. `asked` is what the receiver wants (Retry-After):
    it may only lengthen the wait, up to LONGEST_ASKED_SECONDS or twice the step.
    """
    steps = delays()
    if tries > len(steps):
        return None
    wait = delay_after(tries, backoff=steps, uniform=uniform)
    if is_overload:
        wait = max(wait, OVERLOAD_SECONDS * uniform(1.0, 1.2))
    if asked is not None:
        step = steps[tries - 1]
        wait = max(wait, min(asked, max(2 * step, LONGEST_ASKED_SECONDS)))
    return wait


def retry_after(text: str, *, now: float) -> float | None:
    """Seconds that a Retry-After header asks for: whole seconds, or an HTTP date after `now`.

    `now` is Unix time. None where it is absent, zero, negative, past or unreadable.
    """
    text = text.strip()
    if _WHOLE_SECONDS.fullmatch(text):
        return float(text) or None
    try:
        moment = email.utils.parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        wait = moment.timestamp() - now
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return wait if wait > 0 else None
