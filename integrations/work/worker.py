"""The worker process: all queues side by side, so that a slow one stalls no other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from queue import Empty, SimpleQueue
from time import monotonic

from integrations.conf import hub_settings
from integrations.work import doorbell
from integrations.work.periodic import run_next_periodic
from integrations.work.pool import Pool
from integrations.work.queue import get_queue, queues
from integrations.work.run import take_turn

PERIODIC_THREADS = 2


class Worker:
    """Runs the named queues (None: all) and the periodic jobs until `stop()`.

    Polls every INTEGRATIONS_POLL_SECONDS and hears rings of its own process at once.
    ConfigurationError for an unknown queue. Make it in the process (after any fork) and the
    thread where it runs; it can't be run twice.
    """

    def __init__(self, names: Sequence[str] | None = None) -> None:
        chosen = queues() if names is None else [get_queue(name) for name in names]
        self._stop = threading.Event()
        self._bell: SimpleQueue[str] = SimpleQueue()
        self._pools = {
            queue.name: Pool(
                f"queue {queue.name}",
                threads=queue.concurrency,
                turn=partial(take_turn, queue),
                stop=self._stop,
            )
            for queue in chosen
        }
        self._periodic = Pool(
            "periodic jobs", threads=PERIODIC_THREADS, turn=run_next_periodic, stop=self._stop
        )

    def run(self) -> None:
        """Work until `stop()`; returns when what was in hand is finished."""
        poll = hub_settings.poll_seconds
        doorbell.listen(self._bell.put)
        try:
            while not self._stop.is_set():
                self._poke_all()
                self._listen(until=monotonic() + poll)
        finally:
            doorbell.unlisten(self._bell.put)
            self._close()

    def run_once(self) -> int:
        """Work until nothing is due, then return the number of turns taken.

        Raises the error that stopped a queue. A row that waits for its retry is not due.
        """
        pools = [*self._pools.values(), self._periodic]
        turns = -1
        try:
            # Handling may make other queues' rows due, so look until one round finds nothing.
            while turns != (turns := sum(pool.turns for pool in pools)):
                self._poke_all()
                for pool in pools:
                    pool.wait_until_idle()
                self._raise_failure()
        finally:
            self._close()
        return turns

    def stop(self) -> None:
        """Claim nothing more and let `run` return. Safe to call from a signal handler."""
        self._stop.set()
        self._bell.put("")

    def _poke_all(self) -> None:
        for pool in (*self._pools.values(), self._periodic):
            pool.poke()

    def _listen(self, *, until: float) -> None:
        while not self._stop.is_set() and (remaining := until - monotonic()) > 0:
            try:
                name = self._bell.get(timeout=remaining)
            except Empty:
                return
            if name in self._pools:
                self._pools[name].poke()

    def _raise_failure(self) -> None:
        for pool in (*self._pools.values(), self._periodic):
            if pool.error is not None:
                raise pool.error

    def _close(self) -> None:
        self._stop.set()
        for pool in (*self._pools.values(), self._periodic):
            pool.close()
