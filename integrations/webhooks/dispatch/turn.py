"""One turn of the dispatcher: lanes and rows come in, requests go out, results are stored.

One thread runs this loop and curl; the clerk's runs the statements. Every structure here belongs
to the first.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections import deque
from itertools import count
from typing import Any

from integrations import work
from integrations.conf import hub_settings
from integrations.models import AttemptOutcome
from integrations.webhooks.classify import Fate
from integrations.webhooks.dispatch.clerk import Clerk
from integrations.webhooks.dispatch.desk import Desk
from integrations.webhooks.dispatch.intake import Held, Intake, Wish
from integrations.webhooks.dispatch.ledger import Ledger
from integrations.webhooks.dispatch.records import Delivery
from integrations.webhooks.dispatch.sending import Sender
from integrations.webhooks.dispatch.track import Track
from integrations.work.shift import Shift

logger = logging.getLogger("integrations.webhooks")

LANES_AT_ONCE = 32
MOST_LANES = 256
# Rows that may wait in memory, all lanes together.
MOST_WAITING = 4000
# An idle lane is kept this long while others are busy; a busy one at least, when lanes wait.
IDLE_SECONDS, SERVED_SECONDS = 1.0, 1.0
REFRESH_SECONDS = 1.0
# A wait longer than this gives the lane back.
LONGEST_WAIT = 2.0
# An ordered lane whose oldest row waits for its retry is looked at again after this, at most.
ORDERED_LOOK = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
_TICK = 0.02


class Turn:
    """Works until nothing is due or the shift is over."""

    def __init__(
        self, queue: work.Queue[Any], shift: Shift, intake: Intake, clerk: Clerk, desk: Desk
    ) -> None:
        self.queue = queue
        self.shift = shift
        self.intake = intake
        self.clerk = clerk
        self.desk = desk
        self.handles = hub_settings.webhook_handles
        self.poll = hub_settings.poll_seconds
        self.ledger = Ledger(clerk)
        self.sender = Sender(desk, self.ledger)
        self.tracks: dict[int, Track] = {}
        self.ring: deque[Track] = deque()
        self.timers: list[tuple[float, int, Track]] = []
        self.hungry: set[Track] = set()
        self.waiting = 0
        self.is_asking = self.is_looking = self.is_refreshing = False
        self.is_rung = False
        self.is_closing = False
        self.failure: Exception | None = None
        now = time.monotonic()
        self._look_at = now
        self._poll_at = now + self.poll
        self._refresh_at = now + REFRESH_SECONDS
        self._pause = 0.0
        self._resume_at = 0.0
        self._numbers = count()

    def run(self, first: list[Held]) -> None:
        """Serve these lanes and those that turn up. Raises what went wrong, after tidying up."""
        self._take_lanes(first, time.monotonic())
        while not self._is_finished():
            self._step()
        if self.failure is not None:
            raise self.failure

    def _step(self) -> None:
        now = time.monotonic()
        if self.shift.is_over():
            self._close()
        self.clerk.collect()
        self._fire_timers(now)
        self._feed(now)
        self._collect()
        now = time.monotonic()
        self._poll(now)
        self._ask(now)
        self._look(now)
        self._refresh(now)
        if self.tracks and all(track.is_idle for track in self.tracks.values()):
            self._leave_all()
        self.ledger.flush(now, is_quiet=not self.desk.courier.in_flight)

    def _is_finished(self) -> bool:
        return not (
            self.tracks or self.desk.courier.in_flight or self.ledger.is_busy or self.clerk.pending
        )

    # Sending

    def _feed(self, now: float) -> None:
        """Start requests, lane by lane in turn, while there are handles."""
        courier, ring = self.desk.courier, self.ring
        is_tight = courier.in_flight * 2 > self.handles
        share = max(1, self.handles // max(1, len(self.tracks)))
        while ring and self.ledger.has_room(courier.in_flight, self.handles):
            track = ring.popleft()
            track.is_queued = False
            limit = min(track.limit, share) if is_tight else track.limit
            if track.is_leaving or not track.waiting or track.in_flight >= limit:
                continue
            wait = track.health.pace.wait(now)
            if wait > 0 or track.blocked_until > now:
                self._delay(track, max(wait, track.blocked_until - now), now)
                continue
            self._send(track, now)
            self._queue(track)

    def _send(self, track: Track, now: float) -> None:
        row = track.take()
        self.waiting -= 1
        if not self.sender.send(track, row, now):
            # Its lease ends too soon, or its token is still being fetched.
            if row.lease_end - now < self.sender.needed(track):
                self._give_back([row])
            else:
                track.waiting.appendleft(row)
                self.waiting += 1
                self._delay(track, 0.05, now)
        if len(track.waiting) * 2 <= track.want and not track.is_empty:
            self.hungry.add(track)

    def _queue(self, track: Track) -> None:
        if not track.is_queued and track.waiting and not track.is_leaving and not track.is_delayed:
            track.is_queued = True
            self.ring.append(track)

    def _delay(self, track: Track, seconds: float, now: float) -> None:
        if seconds > LONGEST_WAIT:
            self._leave(track)
        elif not track.is_delayed:
            track.is_delayed = True
            heapq.heappush(self.timers, (now + seconds, next(self._numbers), track))

    def _fire_timers(self, now: float) -> None:
        while self.timers and self.timers[0][0] <= now:
            track = heapq.heappop(self.timers)[2]
            track.is_delayed = False
            self._queue(track)

    def _collect(self) -> None:
        """Wait for answers, or for the clerk where nothing is under way."""
        timeout = _TICK
        if self.timers:
            timeout = min(timeout, max(0.0, self.timers[0][0] - time.monotonic()))
        if not self.desk.courier.in_flight:
            if self.clerk.pending:
                self.clerk.collect(timeout)
            elif self.timers:
                time.sleep(timeout)
            self._finish(self.sender.failed)
            return
        is_free = self.ring and self.ledger.has_room(self.desk.courier.in_flight, self.handles)
        self._finish(self.sender.failed)
        for reply in self.desk.courier.collect(0.0 if is_free else timeout):
            self._settle(*self.sender.read(reply))

    def _finish(self, failed: list[Any]) -> None:
        for track, result in failed:
            self._settle(track, result)
        failed.clear()

    def _settle(self, track: Track, result: Any) -> None:
        now = time.monotonic()
        track.in_flight -= 1
        track.note(result, now)
        self.ledger.add(track, result)
        if track.is_ordered and result.verdict.fate is Fate.AGAIN:
            track.health.pace.hold(now + min(result.verdict.delay, ORDERED_LOOK))
            self._leave(track)
        if result.verdict.is_gone or track.blocked_until > now + LONGEST_WAIT:
            self._leave(track)
        if track.is_leaving:
            self._let_go(track)
        elif track.waiting:
            self._queue(track)
        elif not track.is_empty:
            self.hungry.add(track)

    # Taking rows and lanes

    def _poll(self, now: float) -> None:
        """Lanes that were empty are asked again at each poll, and when the bell rang."""
        if now < self._poll_at and not self.is_rung:
            return
        self.is_rung = False
        self._poll_at = now + self.poll
        self._look_at = min(self._look_at, now)
        for track in list(self.tracks.values()):
            if not track.is_idle:
                track.idle_since = now
            elif now - track.idle_since > IDLE_SECONDS:
                self._leave(track)
            if not track.waiting and not track.is_claiming and not track.is_leaving:
                self.hungry.add(track)

    def _ask(self, now: float) -> None:
        if self.is_asking or not self.hungry or now < self._resume_at or self.is_closing:
            return
        room = max(1, (MOST_WAITING - self.waiting) // max(1, len(self.tracks)))
        wishes = []
        for track in self.hungry:
            many = 0 if track.is_leaving or track.is_claiming else track.wanted(now, room)
            if many:
                track.is_claiming = True
                wishes.append(Wish(track.endpoint_id, many, track.is_ordered))
        self.hungry.clear()
        if not wishes:
            return
        self.is_asking = True
        asked = {wish.endpoint_id: wish.many for wish in wishes}
        self.clerk.do(
            lambda: self.intake.rows(wishes), lambda rows, error: self._came(asked, rows, error)
        )

    def _came(
        self, asked: dict[int, int], rows: list[Delivery] | None, error: Exception | None
    ) -> None:
        self.is_asking = False
        now = time.monotonic()
        by_lane: dict[int, list[Delivery]] = {}
        for row in rows or ():
            by_lane.setdefault(row.endpoint_id, []).append(row)
        for endpoint_id, many in asked.items():
            track, found = self.tracks.get(endpoint_id), by_lane.get(endpoint_id, [])
            if track is None:
                self._give_back(found)
                continue
            track.is_claiming = False
            if error is not None:
                self.hungry.add(track)
            elif track.is_leaving:
                self._give_back(found)
                self._let_go(track)
            else:
                self._add(track, found, many, now)
        self._note_answer(error)

    def _add(self, track: Track, rows: list[Delivery], asked: int, now: float) -> None:
        is_first = not track.claimed_at
        track.add(rows, asked, now)
        self.waiting += len(rows)
        if rows:
            self._queue(track)
        elif is_first and track.is_ordered:
            # Due rows, and yet none to send: the oldest waits for its retry.
            track.health.pace.hold(now + 1.0)
            self._leave(track)

    def _look(self, now: float) -> None:
        """Take lanes that have become due; where too many are held, let the longest held go."""
        if self.is_looking or now < max(self._look_at, self._resume_at) or self.is_closing:
            return
        self._look_at = now + self.poll
        if len(self.tracks) >= MOST_LANES:
            held = [t for t in self.tracks.values() if now - t.held_since > SERVED_SECONDS]
            for track in sorted(held, key=lambda t: t.held_since)[: MOST_LANES // 4]:
                self._leave(track)
        room = MOST_LANES - len(self.tracks)
        if room <= 0:
            return
        is_full = self.waiting > MOST_WAITING // 2
        limit = min(room, 4 if is_full else LANES_AT_ONCE)
        self.is_looking = True
        self.clerk.do(lambda: self._seek(limit), lambda found, error: self._saw(found, error))

    def _seek(self, limit: int) -> tuple[list[Held], bool]:
        found = self.intake.lanes(limit)
        return found, len(found) == limit

    def _saw(self, found: tuple[list[Held], bool] | None, error: Exception | None) -> None:
        self.is_looking = False
        if found is not None:
            lanes, is_full = found
            now = time.monotonic()
            if is_full:
                self._look_at = now
            self._take_lanes(lanes, now)
        self._note_answer(error)

    def _take_lanes(self, lanes: list[Held], now: float) -> None:
        for held in lanes:
            track = Track(held.endpoint.pk, self.intake.token, held.lease_end, now)
            track.health = self.desk.health(track.endpoint_id)
            track.health.times_opened = held.times_opened
            track.health.open_until = 0.0
            self.tracks[track.endpoint_id] = track
            track.configure(held.endpoint)
            self._plan(track, held)
            if self.is_closing:
                self._leave(track)

    def _plan(self, track: Track, held: Held) -> None:
        """The plan is made by the clerk, who may query; rows are asked for after it."""
        track.is_claiming = True
        self.clerk.do(
            lambda: self.desk.plan(held.endpoint),
            lambda plan, error: self._planned(track, plan, error),
        )

    def _planned(self, track: Track, plan: Any, error: Exception | None) -> None:
        track.is_claiming = False
        if error is not None:
            self.sender.cannot(track, error)
            self._leave(track)
        else:
            track.plan = plan
            self.hungry.add(track)
        if track.is_leaving:
            self._let_go(track)

    # Leaving

    def _leave(self, track: Track) -> None:
        """Send nothing more here; what waits goes back, what is under way is awaited."""
        if not track.is_leaving:
            track.is_leaving = True
            rows = track.clear()
            self.waiting -= len(rows)
            self._give_back(rows)
        self._let_go(track)

    def _let_go(self, track: Track) -> None:
        if track.in_flight or track.is_claiming or self.tracks.get(track.endpoint_id) is not track:
            return
        del self.tracks[track.endpoint_id]
        self.hungry.discard(track)
        self.ledger.release(track, time.monotonic())

    def _leave_all(self) -> None:
        for track in list(self.tracks.values()):
            self._leave(track)

    def _close(self) -> None:
        if not self.is_closing:
            self.is_closing = True
            self.ledger.is_closing = True
            self._leave_all()

    def _give_back(self, rows: list[Delivery]) -> None:
        if rows:
            self.clerk.do(lambda: self.intake.give_back(rows), _forget)

    # Keeping

    def _refresh(self, now: float) -> None:
        """Once a second: lengthen leases, hear of changed, paused and deleted endpoints."""
        if self.is_refreshing or now < self._refresh_at or not self.tracks:
            return
        self._refresh_at = now + REFRESH_SECONDS
        self.ledger.tell(self.tracks.values(), now)
        if now < self._resume_at:
            return
        pks = list(self.tracks)
        ends = min(track.lease_end for track in self.tracks.values())
        is_renewed = ends - now < self.queue.lease * 2 / 3
        self.is_refreshing = True
        self.clerk.do(lambda: self._keep(pks, is_renewed), self._kept)

    def _keep(self, pks: list[int], is_renewed: bool) -> tuple[Any, Any]:
        return (
            self.intake.renew(pks) if is_renewed else None,
            self.intake.endpoints(pks, self._known(pks)),
        )

    def _known(self, pks: list[int]) -> dict[int, Any]:
        return {pk: track.updated_at for pk in pks if (track := self.tracks.get(pk))}

    def _kept(self, answer: tuple[Any, Any] | None, error: Exception | None) -> None:
        self.is_refreshing = False
        self._note_answer(error)
        if answer is None:
            return
        renewed, endpoints = answer
        for track in list(self.tracks.values()):
            if renewed is not None and track.endpoint_id in renewed[0]:
                track.lease_end = renewed[1]
            elif renewed is not None and track.lease_end < renewed[1] - self.queue.lease:
                self._leave(track)
        self._adapt(endpoints)

    def _adapt(self, endpoints: dict[int, Any]) -> None:
        pass

    def _note_answer(self, error: Exception | None) -> None:
        pass


def _forget(_result: Any, error: Exception | None) -> None:
    """What could not be given back is due when its lease ends."""
    if error is not None:
        logger.warning("Deliveries not given back: %s", work.safe_error(error))
