"""The lanes that a dispatcher holds, and whose turn each is. No statements and no requests here."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count

from integrations.webhooks.dispatch.records import Delivery
from integrations.webhooks.dispatch.track import Track

# A wait longer than this gives the lane back.
LONGEST_WAIT = 2.0
# Rows that may wait in memory, all lanes together.
MOST_WAITING = 4000


class Hold:
    """Lanes in hand. `give_back` takes rows that were not sent, `release` a lane that is left."""

    def __init__(
        self,
        give_back: Callable[[Iterable[Delivery]], None],
        release: Callable[[Track], None],
    ) -> None:
        self.tracks: dict[int, Track] = {}
        self.ring: deque[Track] = deque()
        # Those that need rows.
        self.hungry: set[Track] = set()
        self.waiting = 0
        self._give_back = give_back
        self._release = release
        self._timers: list[tuple[float, int, Track]] = []
        self._numbers = count()

    @property
    def room(self) -> int:
        """Rows that each lane may have waiting."""
        return max(1, (MOST_WAITING - self.waiting) // max(1, len(self.tracks)))

    @property
    def is_idle(self) -> bool:
        """Whether no lane has anything left."""
        return all(track.is_idle for track in self.tracks.values())

    def queue(self, track: Track) -> None:
        """Let the lane have its turn, if it has something to send."""
        if track.waiting and not (track.is_queued or track.is_delayed or track.is_leaving):
            track.is_queued = True
            self.ring.append(track)

    def next(self) -> Track:
        """The lane whose turn it is."""
        track = self.ring.popleft()
        track.is_queued = False
        return track

    def delay(self, track: Track, seconds: float, now: float) -> None:
        """Let the lane have its turn later; one that would wait long is left."""
        if seconds > LONGEST_WAIT:
            self.leave(track)
        elif not track.is_delayed:
            track.is_delayed = True
            heapq.heappush(self._timers, (now + seconds, next(self._numbers), track))

    def next_timer(self) -> float | None:
        """When the next delayed lane is to be looked at."""
        return self._timers[0][0] if self._timers else None

    def fire(self, now: float) -> None:
        """Let those have their turn whose delay is over."""
        while self._timers and self._timers[0][0] <= now:
            track = heapq.heappop(self._timers)[2]
            track.is_delayed = False
            self.queue(track)

    def take(self, track: Track) -> Delivery:
        """The lane's next delivery; the lane asks for more in time."""
        self.waiting -= 1
        row = track.take()
        if len(track.waiting) * 2 <= track.want and not track.is_empty:
            self.hungry.add(track)
        return row

    def put_back(self, track: Track, row: Delivery) -> None:
        """The delivery can't leave yet."""
        self.waiting += 1
        track.waiting.appendleft(row)
        track.waiting_bytes += row.message.size if row.message else 0

    def leave(self, track: Track) -> None:
        """Send nothing more here: what waits goes back, what is under way is awaited."""
        if not track.is_leaving:
            track.is_leaving = True
            rows = track.clear()
            self.waiting -= len(rows)
            self._give_back(rows)
        self.let_go(track)

    def let_go(self, track: Track) -> None:
        """Release a lane that is being left, once nothing of it is under way."""
        if track.in_flight or track.is_claiming or self.tracks.get(track.endpoint_id) is not track:
            return
        del self.tracks[track.endpoint_id]
        self.hungry.discard(track)
        self._release(track)

    def leave_all(self) -> None:
        """Leave every lane."""
        for track in list(self.tracks.values()):
            self.leave(track)
