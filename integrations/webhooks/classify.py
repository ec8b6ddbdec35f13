"""What the outcome of a try means for the delivery, for its endpoint and for the breaker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from integrations.models import AttemptOutcome
from integrations.webhooks import schedule

GONE = 410
# Says "too fast" (429), "too early" (425) or "you were too slow" (408): the receiver is loaded.
_OVERLOAD = frozenset({408, 425, 429})
_MAY_ASK = frozenset({429, 502, 503, 504})
# Another try can't help: the address is not allowed, or the endpoint can't be sent to as it is.
_HOPELESS = frozenset({AttemptOutcome.BLOCKED, AttemptOutcome.CONFIGURATION})
_UNWELL = frozenset(
    {
        AttemptOutcome.TIMEOUT,
        AttemptOutcome.DNS,
        AttemptOutcome.CONNECT,
        AttemptOutcome.LOST,
        AttemptOutcome.TLS,
        AttemptOutcome.AUTH,
    }
)


class Fate(Enum):
    """What becomes of a delivery."""

    DELIVERED = "delivered"
    AGAIN = "again"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`delay` in seconds from the end of the try, where it is made again.

    `is_unwell` counts for the breaker: the receiver as a whole seems unable to answer. `slow_down`
    asks for a lower rate, for `pause` seconds at least not at all.
    """

    fate: Fate
    delay: float = 0.0
    error: str = ""
    is_gone: bool = False
    is_unwell: bool = False
    slow_down: bool = False
    pause: float = 0.0


DELIVERED = Verdict(Fate.DELIVERED)


def judge(
    outcome: AttemptOutcome,
    *,
    status: int | None,
    error: str,
    headers: Mapping[str, str],
    tries: int,
    is_manual: bool,
    ended_at: float,
) -> Verdict:
    """The verdict on try number `tries` (from 1), which ended at `ended_at` (Unix time).

    2xx is success, whatever the body says. 410 ends the delivery and its endpoint. Every other
    answer is tried again by the schedule: a deployment gone wrong answers 401 or 404 for an hour.
    A refused address is not, until somebody corrects the URL. A try by hand begins no series.
    """
    if outcome == AttemptOutcome.DELIVERED:
        return DELIVERED
    text = describe(outcome, status=status, error=error, headers=headers)
    if status == GONE:
        return Verdict(Fate.DEAD, error=text, is_gone=True)
    if outcome in _HOPELESS:
        return Verdict(Fate.DEAD, error=text)
    asked = None
    if status in _MAY_ASK:
        asked = schedule.retry_after(headers.get("retry-after", ""), now=ended_at)
    is_slow = status in _OVERLOAD
    is_unwell = outcome in _UNWELL or is_slow or (status or 0) >= 500
    is_overload = is_slow or outcome == AttemptOutcome.TIMEOUT
    delay = None
    if not is_manual:
        delay = schedule.next_delay(tries, is_overload=is_overload, asked=asked)
    return Verdict(
        Fate.DEAD if delay is None else Fate.AGAIN,
        delay=delay or 0.0,
        error=text,
        is_unwell=is_unwell,
        slow_down=status == 429,
        pause=(asked or 0.0) if status in (429, 503) else 0.0,
    )


def describe(
    outcome: AttemptOutcome, *, status: int | None, error: str, headers: Mapping[str, str]
) -> str:
    """The failure in a few words, as operators and tenants see it; names no internal address."""
    if error:
        return error
    if outcome == AttemptOutcome.REDIRECT:
        target = headers.get("location", "")[:200]
        return f"HTTP {status}: redirects to {target or 'nowhere'}, which is not followed"
    return f"HTTP {status}" if status is not None else str(outcome.label)
