"""Where a delivery's time goes: one drain under the profiler, its own times summed by kind."""

from __future__ import annotations

import contextlib
import cProfile
import pstats
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from benchmarks.figures import Figure, shown

# The first that a function's file or name holds names its kind; the order matters.
KINDS = (
    ("waiting", ("'select' of", "'poll' of", "SimpleQueue", "'acquire' of", "'wait' of")),
    ("libcurl and its wrapping", ("curl", "/courier")),
    ("driver and database", ("psycopg", "sqlite3")),
    ("signing, bodies, JSON", ("/plan.py", "/signing.py", "hashlib", "hmac", "binascii", "json")),
    ("Django", ("/django/",)),
    ("the dispatcher's own", ("/integrations/",)),
)
WAITING = KINDS[0][0]
REST = "the rest of Python"


def shares(title: str, act: Callable[[], object]) -> list[Figure]:
    """What share of the busy time of `act` and its threads each kind took, a line each.

    Waiting for sockets and for the other thread is left out. The profiler costs every call
    something, so what makes many small calls looks larger than it is.
    """
    seconds: Counter[str] = Counter()
    for profile in _profiled(act):
        stats: dict[Any, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
        for (file, _line, name), (_calls, _all, own, *_rest) in stats.items():
            seconds[_kind(f"{file} {name}")] += own
    seconds.pop(WAITING, None)
    total = sum(seconds.values())
    return [shown(f"{title} {kind}", f"{own / total:.0%}") for kind, own in seconds.most_common()]


def _profiled(act: Callable[[], object]) -> list[cProfile.Profile]:
    """The profiles of this thread and of those that `act` starts."""
    profiles = [cProfile.Profile()]

    def begin(*_event: object) -> None:
        # The first event of a new thread: from here on its own profiler takes over.
        profile = cProfile.Profile()
        with contextlib.suppress(ValueError):  # Python 3.12 allows one for all threads
            profile.enable()
            profiles.append(profile)

    threading.setprofile(begin)
    try:
        profiles[0].runcall(act)
    finally:
        threading.setprofile(None)
    return profiles


def _kind(where: str) -> str:
    return next((kind for kind, parts in KINDS if any(part in where for part in parts)), REST)
