"""Delivering everything but STK callbacks: once each, unless a fault wants it otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from integrations.providers.emulation import Delivery, Surroundings
from integrations.providers.mpesa.emulator.callbacks import Manner

HEADERS = {"Content-Type": "application/json;charset=UTF-8"}


@dataclass(frozen=True, slots=True)
class Parcel:
    """A body on its way to an address; `note` is told how each attempt ended."""

    url: str
    body: bytes
    note: Callable[[Delivery], None]


@dataclass(slots=True)
class Courier:
    """One attempt a parcel, no retry (section 20 [3+]). Nothing is posted under a lock."""

    surroundings: Surroundings
    held: list[tuple[Parcel, Manner]] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def send(self, parcel: Parcel, manner: Manner) -> None:
        """Deliver as the manner says, then whatever waited to be overtaken."""
        if manner.is_silent or not parcel.url:
            return
        if manner.is_held:
            with self.guard:
                self.held.append((parcel, manner))
            return
        self._post_copies(parcel, manner)
        with self.guard:
            overtaken, self.held = self.held, []
        for other, its_manner in overtaken:
            self._post_copies(other, its_manner)

    def post(self, parcel: Parcel, *, timeout: float = 10.0) -> Delivery:
        """One attempt; its end is noted and returned."""
        url, body = parcel.url, parcel.body
        delivery = self.surroundings.post(url, HEADERS, body, timeout=timeout)
        parcel.note(delivery)
        return delivery

    def _post_copies(self, parcel: Parcel, manner: Manner) -> None:
        if not manner.is_parallel:
            for _ in range(manner.copies):
                self.post(parcel)
            return
        together = threading.Barrier(manner.copies)

        def post_together() -> None:
            together.wait()
            self.post(parcel)

        run_all([post_together] * manner.copies)


def run_all(tasks: list[Callable[[], None]]) -> None:
    """Run the tasks side by side and wait for all."""
    threads = [threading.Thread(target=task, daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
