"""One turn of the dispatcher: lanes and rows come in, requests go out, results are stored.

One thread runs this loop and curl; the clerk's runs the statements. What is held in memory belongs
to the first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from integrations.conf import hub_settings
from integrations.webhooks.classify import Fate
from integrations.webhooks.dispatch.clerk import Clerk
from integrations.webhooks.dispatch.desk import Desk, Planned
from integrations.webhooks.dispatch.hold import LONGEST_WAIT, Hold
from integrations.webhooks.dispatch.intake import Held, Intake
from integrations.webhooks.dispatch.ledger import Ledger
from integrations.webhooks.dispatch.records import Delivery, Result
from integrations.webhooks.dispatch.sending import Sender
from integrations.webhooks.dispatch.supply import Supply
from integrations.webhooks.dispatch.track import Track
from integrations.work.shift import Shift

# An ordered lane whose oldest row waits for its retry is looked at again after this, at most.
ORDERED_LOOK = 5.0
TOKEN_LOOK = 0.05
# How long the loop waits at most, seconds.
_TICK = 0.05


class Turn:
    """Works until nothing is due or the shift is over."""

    def __init__(self, shift: Shift, intake: Intake, clerk: Clerk, desk: Desk) -> None:
        self._shift = shift
        self._clerk = clerk
        self._courier = desk.courier
        self._handles = hub_settings.webhook_handles
        self._ledger = Ledger(clerk)
        self._sender = Sender(desk)
        self._hold = Hold(self._give_back, self._release)
        self._supply = Supply(self._hold, intake, clerk, desk)

    def ring(self, queue_name: str) -> None:
        """Hear the doorbell, in any thread."""
        if queue_name == self._supply.intake.queue.name:
            self._supply.is_rung = True
            self._courier.wake()

    def run(self, first: list[tuple[Held, Planned]]) -> None:
        """Serve these lanes and those that turn up. Raises what went wrong, after tidying up."""
        self._supply.accept(first)
        while not self._is_finished():
            self._step()
        if self._supply.failure is not None:
            raise self._supply.failure

    def _step(self) -> None:
        now = time.monotonic()
        if self._shift.is_over() or self._supply.failure is not None:
            self._close(now)
        self._clerk.collect()
        # Before the wait, and after it.
        self._flush(now)
        self._hold.fire(now)
        self._feed(now)
        self._collect()
        now = time.monotonic()
        if not self._ledger.is_waiting:
            self._supply.step(now)
        if self._hold.is_idle:
            self._hold.leave_all()
        self._flush(now)

    def _flush(self, now: float) -> None:
        self._ledger.flush(now, is_quiet=not self._courier.in_flight)

    def _is_finished(self) -> bool:
        return not (
            self._hold.tracks
            or self._courier.in_flight
            or self._ledger.is_busy
            or self._clerk.pending
        )

    def _close(self, now: float) -> None:
        if not self._supply.is_closing:
            self._supply.close()
            self._ledger.close(now)
            self._hold.leave_all()

    def _feed(self, now: float) -> None:
        """Begin requests, lane by lane in turn, while there are handles."""
        courier, hold = self._courier, self._hold
        while hold.ring and courier.in_flight < self._handles and self._ledger.has_room:
            track = hold.next()
            if track.is_leaving or not track.waiting or track.in_flight >= self._limit(track):
                continue
            wait = max(track.health.pace.wait(now), track.blocked_until - now)
            if wait > 0:
                hold.delay(track, wait, now)
            else:
                self._send(track, now)
                hold.queue(track)

    def _limit(self, track: Track) -> int:
        """Where handles run short, no lane has more than its share."""
        if self._courier.in_flight * 2 <= self._handles:
            return track.limit
        return min(track.limit, max(1, self._handles // len(self._hold.tracks)))

    def _send(self, track: Track, now: float) -> None:
        delivery = self._hold.take(track)
        if not self._sender.has_time(track, delivery, now):
            self._supply.give_back([delivery])
        elif self._sender.send(track, delivery):
            track.health.pace.take(now)
        else:
            self._hold.put_back(track, delivery)
            self._hold.delay(track, TOKEN_LOOK, now)

    def _collect(self) -> None:
        """Take answers in; where there are none, wait for one, for the clerk or for a timer."""
        failed, self._sender.failed = self._sender.failed, []
        for track, result in failed:
            self._settle(track, result)
        for reply in self._courier.collect(self._patience()):
            self._settle(*self._sender.read(reply))

    def _patience(self) -> float:
        if self._sender.failed or self._is_finished():
            return 0.0
        can_send = self._courier.in_flight < self._handles and self._ledger.has_room
        if self._hold.ring and can_send:
            return 0.0
        timer = self._hold.next_timer()
        return _TICK if timer is None else min(_TICK, max(0.0, timer - time.monotonic()))

    def _settle(self, track: Track, result: Result) -> None:
        now = time.monotonic()
        track.in_flight -= 1
        track.note(result, now)
        self._ledger.add(track, result)
        is_held_up = track.is_ordered and result.verdict.fate is Fate.AGAIN
        if is_held_up:
            track.health.pace.hold(now + min(result.verdict.delay, ORDERED_LOOK))
        if is_held_up or result.verdict.is_gone or track.blocked_until > now + LONGEST_WAIT:
            self._hold.leave(track)
        elif track.is_leaving:
            self._hold.let_go(track)
        elif track.waiting:
            self._hold.queue(track)
        elif not track.is_empty:
            self._hold.hungry.add(track)

    def _give_back(self, rows: Iterable[Delivery]) -> None:
        self._supply.give_back(rows)

    def _release(self, track: Track) -> None:
        self._ledger.release(track, time.monotonic())
