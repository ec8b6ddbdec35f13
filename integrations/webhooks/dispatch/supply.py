"""What comes in during a turn: lanes, their endpoints' plans, rows; and keeping what is held."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import Error as DatabaseError

from integrations import work
from integrations.conf import hub_settings
from integrations.webhooks.dispatch.clerk import Clerk
from integrations.webhooks.dispatch.desk import Desk, Planned
from integrations.webhooks.dispatch.hold import MOST_WAITING, Hold
from integrations.webhooks.dispatch.intake import Held, Intake, Wish
from integrations.webhooks.dispatch.records import Delivery
from integrations.webhooks.dispatch.track import Track

logger = logging.getLogger("integrations.webhooks")

LANES_AT_ONCE, LANES_WHEN_FULL, MOST_LANES = 32, 4, 256
# An idle lane is kept this long while others are busy; a busy one at least so long, where others
# wait to be served.
IDLE_SECONDS, SERVED_SECONDS = 1.0, 1.0
REFRESH_SECONDS = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
# An endpoint whose plan can't be made (a key that does not fit) is looked at again after this.
UNPLANNED_SECONDS = 30.0


@dataclass(slots=True)
class _Kept:
    """What a refresh found."""

    lease_end: float = 0.0
    lost: frozenset[int] = frozenset()
    resting: frozenset[int] = frozenset()
    planned: tuple[Planned, ...] = ()


class Supply:
    """Asks the clerk for what the hold needs."""

    def __init__(self, hold: Hold, intake: Intake, clerk: Clerk, desk: Desk) -> None:
        self.hold = hold
        self.intake = intake
        self.clerk = clerk
        self.desk = desk
        self.is_rung = False
        self.is_closing = False
        self.failure: Exception | None = None
        self._poll = hub_settings.poll_seconds
        self._is_asking = self._is_looking = self._is_refreshing = False
        now = time.monotonic()
        self._look_at = now
        self._poll_at = now + self._poll
        self._refresh_at = now + REFRESH_SECONDS
        self._pause, self._resume_at = 0.0, 0.0

    def step(self, now: float) -> None:
        """Ask for what is needed now."""
        if self.is_closing or now < self._resume_at:
            return
        if now >= self._poll_at or self.is_rung:
            self._ask_idle_lanes(now)
        if self.hold.hungry and not self._is_asking:
            self._ask(now)
        if now >= self._look_at and not self._is_looking:
            self._look(now)
        if now >= self._refresh_at and not self._is_refreshing and self.hold.tracks:
            self._refresh(now)

    def close(self) -> None:
        """Ask for nothing more."""
        self.is_closing = True

    def give_back(self, rows: Iterable[Delivery]) -> None:
        """Make due again what was not sent."""
        unsent = list(rows)
        if unsent:
            self.clerk.do(lambda: self.intake.give_back(unsent), _forget)

    # Rows

    def _ask_idle_lanes(self, now: float) -> None:
        self.is_rung = False
        self._poll_at = now + self._poll
        self._look_at = min(self._look_at, now)
        for track in list(self.hold.tracks.values()):
            if not track.is_idle:
                track.idle_since = now
            elif now - track.idle_since > IDLE_SECONDS:
                self.hold.leave(track)
            if not (track.waiting or track.is_claiming or track.is_leaving):
                self.hold.hungry.add(track)

    def _ask(self, now: float) -> None:
        room = self.hold.room
        wishes = []
        for track in self.hold.hungry:
            # A lane whose lease ran out while the database was away may be another's by now.
            is_ours = track.is_planned and track.lease_end > now
            is_able = is_ours and not (track.is_leaving or track.is_claiming)
            many = track.wanted(now, room) if is_able else 0
            if many:
                track.is_claiming = True
                wishes.append(Wish(track.endpoint_id, many, track.is_ordered))
        self.hold.hungry.clear()
        if wishes:
            self._is_asking = True
            self.clerk.do(
                lambda: self.intake.rows(wishes),
                lambda rows, error: self._came(wishes, rows, error),
            )

    def _came(
        self, wishes: list[Wish], rows: list[Delivery] | None, error: Exception | None
    ) -> None:
        self._is_asking = False
        self._note(error)
        now = time.monotonic()
        found: dict[int, list[Delivery]] = {wish.endpoint_id: [] for wish in wishes}
        for row in rows or ():
            found[row.endpoint_id].append(row)
        for wish in wishes:
            # A lane that is being asked for is never let go.
            track = self.hold.tracks[wish.endpoint_id]
            track.is_claiming = False
            if track.is_leaving:
                self.give_back(found[wish.endpoint_id])
                self.hold.let_go(track)
            elif error is not None:
                self.hold.hungry.add(track)
            else:
                self._add(track, found[wish.endpoint_id], wish.many, now)

    def _add(self, track: Track, rows: list[Delivery], asked: int, now: float) -> None:
        is_first = not track.claimed_at
        track.add(rows, asked, now)
        self.hold.waiting += len(rows)
        self.hold.queue(track)
        if is_first and track.is_ordered and not rows:
            # Due rows, and yet none to send: the oldest waits for its retry.
            track.health.pace.hold(now + 1.0)
            self.hold.leave(track)

    # Lanes

    def _look(self, now: float) -> None:
        self._look_at = now + self._poll
        tracks = self.hold.tracks
        if len(tracks) >= MOST_LANES:
            served = [t for t in tracks.values() if now - t.held_since > SERVED_SECONDS]
            served.sort(key=lambda track: track.held_since)
            for track in served[: MOST_LANES // 4]:
                self.hold.leave(track)
        is_full = self.hold.waiting > MOST_WAITING // 2
        limit = min(MOST_LANES - len(tracks), LANES_WHEN_FULL if is_full else LANES_AT_ONCE)
        if limit > 0:
            self._is_looking = True
            self.clerk.do(
                lambda: self.take_lanes(limit), lambda found, error: self._saw(found, limit, error)
            )

    def take_lanes(self, limit: int = LANES_AT_ONCE) -> list[tuple[Held, Planned]]:
        """Take lanes, and make their endpoints' plans. Queries."""
        held = self.intake.take(limit)
        return [(lane, self.desk.plan(lane.endpoint)) for lane in held]

    def _saw(
        self, found: list[tuple[Held, Planned]] | None, limit: int, error: Exception | None
    ) -> None:
        self._is_looking = False
        self._note(error)
        if found:
            self.accept(found)
        if found and len(found) == limit:
            self._look_at = time.monotonic()

    def accept(self, found: list[tuple[Held, Planned]]) -> None:
        """Hold these lanes from now on."""
        now = time.monotonic()
        for held, planned in found:
            track = Track(held.endpoint.pk, self.intake.token, held.lease_end, now)
            track.health = self.desk.health(track.endpoint_id)
            track.health.times_opened, track.health.open_until = held.times_opened, 0.0
            track.health.pace.resume(now)
            self.hold.tracks[track.endpoint_id] = track
            self._plan(track, planned, now)
            if self.is_closing:
                self.hold.leave(track)

    def _plan(self, track: Track, planned: Planned, now: float) -> None:
        if planned.plan is not None:
            track.configure(planned.endpoint, planned.plan)
            self.hold.hungry.add(track)
            return
        track.cannot(planned.error)
        track.health.pace.hold(now + UNPLANNED_SECONDS)
        self.hold.leave(track)

    # Keeping

    def _refresh(self, now: float) -> None:
        """Once a second: lengthen leases; hear of changed, paused and deleted endpoints."""
        self._refresh_at = now + REFRESH_SECONDS
        known = {pk: track.updated_at for pk, track in self.hold.tracks.items()}
        first_end = min(track.lease_end for track in self.hold.tracks.values())
        is_renewal = first_end - now < self.intake.queue.lease * 2 / 3
        self._is_refreshing = True
        self.clerk.do(lambda: self._keep(known, is_renewal=is_renewal), self._kept)

    def _keep(self, known: dict[int, Any], *, is_renewal: bool) -> _Kept:
        kept = _Kept()
        if is_renewal:
            ours, kept.lease_end = self.intake.renew(list(known))
            kept.lost = frozenset(set(known) - ours)
        resting, changed = self.intake.changed(known)
        kept.resting = frozenset(resting)
        kept.planned = tuple(self.desk.plan(endpoint) for endpoint in changed)
        return kept

    def _kept(self, kept: _Kept | None, error: Exception | None) -> None:
        self._is_refreshing = False
        self._note(error)
        if kept is None:
            return
        now = time.monotonic()
        for track in list(self.hold.tracks.values()):
            if track.endpoint_id in kept.lost or track.endpoint_id in kept.resting:
                self.hold.leave(track)
            elif kept.lease_end:
                track.lease_end = max(track.lease_end, kept.lease_end)
        for planned in kept.planned:
            changed = self.hold.tracks.get(planned.endpoint.pk)
            if changed is not None:
                self._plan(changed, planned, now)

    def _note(self, error: Exception | None) -> None:
        """After an error of the database: rest, and say so once. Any other ends the turn."""
        if error is None:
            if self._pause:
                logger.info("Webhooks: the database is back")
            self._pause, self._resume_at = 0.0, 0.0
        elif isinstance(error, DatabaseError):
            if not self._pause:
                logger.error("Webhooks: waiting for the database: %s", work.safe_error(error))
            self._pause = min(max(self._pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
            self._resume_at = time.monotonic() + self._pause
        else:
            self.failure = self.failure or error


def _forget(_result: Any, error: Exception | None) -> None:
    """What could not be given back is due when its lease ends."""
    if error is not None:
        logger.warning("Webhooks: deliveries not given back: %s", work.safe_error(error))
