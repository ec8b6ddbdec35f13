"""Results on their way into the database: a bounded number, so that a crash repeats few."""

from __future__ import annotations

import logging
import time

from django.db import InterfaceError, OperationalError

from integrations import metrics, work
from integrations.webhooks.classify import Fate
from integrations.webhooks.dispatch.clerk import Clerk
from integrations.webhooks.dispatch.records import Batch, Result
from integrations.webhooks.dispatch.storing import store, store_bare
from integrations.webhooks.dispatch.track import Track

logger = logging.getLogger("integrations.webhooks")

# Results that are not stored yet, above which no request is begun; half of them make a batch, so
# that one is gathered while the other is stored. How long the first waits for company, seconds.
MOST_UNSTORED = 100
BATCH = MOST_UNSTORED // 2
WAIT_SECONDS = 0.05
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# A stopping worker waits no longer for a database that is away, seconds.
CLOSING_SECONDS = 10.0
_WORK_OUTCOMES = {Fate.DELIVERED: "done", Fate.AGAIN: "again", Fate.DEAD: "dead"}


class Ledger:
    """Gathers results and has them stored; nothing is dropped while the database is away."""

    def __init__(self, clerk: Clerk) -> None:
        self._clerk = clerk
        self._gathered = Batch()
        self._storing: Batch | None = None
        self._touched: set[Track] = set()
        self._since = 0.0
        self._retry_at: float | None = None
        self._pause = FIRST_PAUSE
        self._give_up_at = float("inf")

    @property
    def is_busy(self) -> bool:
        """Whether anything is not stored yet."""
        return self._storing is not None or bool(self._gathered) or bool(self._touched)

    @property
    def has_room(self) -> bool:
        """Whether more requests may be begun: their results must not pile up."""
        storing = len(self._storing.results) if self._storing else 0
        return storing + len(self._gathered.results) < MOST_UNSTORED

    @property
    def is_waiting(self) -> bool:
        """Whether the database refused the last batch for now.

        Leases may end meanwhile; who claims before it is stored sends its deliveries again.
        """
        return self._pause > FIRST_PAUSE

    def close(self, now: float) -> None:
        """The worker stops: wait for the database only so long."""
        self._give_up_at = min(self._give_up_at, now + CLOSING_SECONDS)

    def add(self, track: Track, result: Result) -> None:
        """Take a result in."""
        if not self._gathered.results:
            self._since = result.ended
        self._gathered.results.append(result)
        self._touched.add(track)

    def release(self, track: Track, now: float) -> None:
        """Give the lane back, with what is to be said of it."""
        self._tell(track, now, is_last=True)
        self._gathered.lanes.append(track.change(now, is_release=True))
        self._touched.discard(track)

    def flush(self, now: float, *, is_quiet: bool) -> None:
        """Have a batch stored, where one is full, old or the last for now (`is_quiet`)."""
        if self._storing is not None:
            if self._retry_at is not None and now >= self._retry_at:
                self._submit(self._storing)
            return
        gathered = self._gathered.results
        is_due = is_quiet or len(gathered) >= BATCH or now - self._since >= WAIT_SECONDS
        if is_due and self.is_busy:
            self._cut(now)

    def _cut(self, now: float) -> None:
        for track in self._touched:
            self._tell(track, now, is_last=False)
        self._touched.clear()
        batch, self._gathered = self._gathered, Batch()
        if batch:
            self._storing = batch
            self._submit(batch)

    def _tell(self, track: Track, now: float, *, is_last: bool) -> None:
        score = track.tell_all(now) if is_last else track.tell(now)
        if score is not None:
            known = self._gathered.scores.get(track.endpoint_id)
            self._gathered.scores[track.endpoint_id] = score.after(known) if known else score
        if track.is_changed and not is_last:
            self._gathered.lanes.append(track.change(now))

    def _submit(self, batch: Batch) -> None:
        self._retry_at = None
        job, connection = store_bare if batch.is_bare else store, self._clerk.connection
        self._clerk.do(lambda: job(batch, connection), lambda _, error: self._stored(batch, error))

    def _stored(self, batch: Batch, error: Exception | None) -> None:
        if error is None:
            self._pause = FIRST_PAUSE
            self._storing = None
            _count(batch)
        elif isinstance(error, OperationalError | InterfaceError):
            self._wait(batch, error)
        elif not batch.is_bare:
            # Something in it is refused: what is not needed is left out, row by row.
            logger.error("Webhooks: a batch was refused: %s", work.safe_error(error))
            batch.is_bare = True
            self._submit(batch)
        else:
            self._drop(batch, error)

    def _wait(self, batch: Batch, error: Exception) -> None:
        now = time.monotonic()
        if now >= self._give_up_at:
            self._drop(batch, error)
            return
        if self._pause == FIRST_PAUSE:
            logger.warning("Webhooks: results wait for the database: %s", work.safe_error(error))
        self._retry_at = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _drop(self, batch: Batch, error: Exception) -> None:
        self._storing = None
        logger.error(
            "Webhooks: %d results not stored, the deliveries will be repeated: %s",
            len(batch.results),
            work.safe_error(error),
        )


def _count(batch: Batch) -> None:
    """Count what is stored."""
    outcomes: dict[str, int] = {}
    fates: dict[Fate, int] = {}
    for result in batch.results:
        outcomes[result.outcome] = outcomes.get(result.outcome, 0) + 1
        fate = result.verdict.fate
        fates[fate] = fates.get(fate, 0) + 1
        if fate is Fate.DELIVERED:
            tries = "later" if result.delivery.attempts else "first"
            metrics.webhook_delivery_seconds.note(tries, seconds=result.latency)
    for outcome, amount in outcomes.items():
        metrics.webhook_attempts.add(outcome, amount=amount)
    for fate, amount in fates.items():
        metrics.work_handled.add("webhooks", _WORK_OUTCOMES[fate], amount=amount)
