"""Names looked up beside the transfers, so that a dead name server holds up only its own names.

libcurl's own lookups share twenty threads for all names, and closing it waits for those that hang.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from integrations.outbound.guard import is_forbidden
from integrations.outbound.resolver import look_up_now

# Lookups at a time, and of these for names that were slow the last time.
MOST = 128
MOST_SLOW = 32
# Seconds: how long an answer holds; how long it serves at most, while a new one can't be had; how
# long a failure is remembered; from when on a lookup counts as slow, and as hanging.
FRESH = 60.0
GOOD = 360.0
FAILED = 5.0
SLOW = 1.0
HANGING = 5.0
_KNOWN = 20_000

Name = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """The addresses of a host; none where the lookup failed. `forbidden` is the first bad one.

    Times are instants of `time.monotonic()`.
    """

    addresses: tuple[str, ...] = ()
    forbidden: str = ""
    fresh_until: float = 0.0
    good_until: float = 0.0


def _answer(name: Name, former: Answer | None) -> Answer:
    try:
        found = look_up_now(*name)
    except (OSError, UnicodeError):
        found = []
    addresses = tuple(dict.fromkeys(str(each.sockaddr[0]) for each in found))
    now = time.monotonic()
    if addresses:
        bad = next((each for each in addresses if is_forbidden(each)), "")
        return Answer(addresses, bad, now + FRESH, now + GOOD)
    if former is not None and former.addresses and now < former.good_until:
        return replace(former, fresh_until=min(now + FAILED, former.good_until))
    return Answer(fresh_until=now + FAILED)


class Lookups:
    """What is known of names in this process; `ring` is called, in any thread, at each answer."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._lock = threading.Lock()
        self._answers: dict[Name, Answer] = {}
        self._asked: dict[Name, float] = {}
        self._slow: set[Name] = set()
        self._queues: tuple[deque[Name], deque[Name]] = (deque(), deque())
        self._running = [0, 0]
        self._news: deque[tuple[Name, Answer]] = deque()

    def get(self, name: Name) -> Answer | None:
        """The answer for a (host, port); None while it is being looked up.

        A lookup that hangs already counts as failed.
        """
        answer, now = self._answers.get(name), time.monotonic()
        if answer is not None and now < answer.fresh_until:
            return answer
        with self._lock:
            since = self._asked.get(name)
            if since is None:
                self._ask(name, now)
        if answer is not None and now < answer.good_until:
            return answer
        return Answer() if since is not None and now - since > HANGING else None

    def news(self) -> Iterator[tuple[Name, Answer]]:
        """The answers that came since the last call."""
        with suppress(IndexError):
            while True:
                yield self._news.popleft()

    def _ask(self, name: Name, now: float) -> None:
        self._asked[name] = now
        lane = int(name in self._slow)
        self._queues[lane].append(name)
        if self._running[lane] < (MOST_SLOW if lane else MOST - MOST_SLOW):
            self._running[lane] += 1
            threading.Thread(
                target=self._work, args=(lane,), name="webhook-lookup", daemon=True
            ).start()

    def _work(self, lane: int) -> None:
        while True:
            with self._lock:
                if not self._queues[lane]:
                    self._running[lane] -= 1
                    return
                name = self._queues[lane].popleft()
            started = time.monotonic()
            answer = _answer(name, self._answers.get(name))
            self._store(name, answer, is_slow=time.monotonic() - started > SLOW)
            self._news.append((name, answer))
            self._ring()

    def _store(self, name: Name, answer: Answer, *, is_slow: bool) -> None:
        with self._lock:
            if len(self._answers) >= _KNOWN:
                self._answers.pop(next(iter(self._answers)))
                self._slow.clear()
            self._answers[name] = answer
            self._asked.pop(name, None)
            (self._slow.add if is_slow else self._slow.discard)(name)
