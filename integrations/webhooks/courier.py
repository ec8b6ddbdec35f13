"""The courier: many parcels at a time to addresses that strangers typed, in one thread.

docs/decisions/0005-libcurl-for-webhooks.md tells why libcurl; what is refused, and where, stands in
docs/explanation/security-model.md.
"""

from __future__ import annotations

import ctypes
import os
import time
from types import TracebackType
from typing import TYPE_CHECKING

import certifi

from integrations.conf import hub_settings
from integrations.webhooks.parcels import KEPT_BODY, KEPT_HEAD, Parcel, Reply

if TYPE_CHECKING:
    from integrations.webhooks.engine import Engine

__all__ = ["KEPT_BODY", "KEPT_HEAD", "Courier", "Parcel", "Reply"]


class Courier:
    """Sends parcels, brings back replies. For one thread at a time, but for `wake`.

    `ca_file` holds the authorities that receivers are verified with (PEM); by default those of
    INTEGRATIONS_WEBHOOK_CA_BUNDLE, else certifi's. `keep` bounds the idle connections.

    A child process that inherits a courier starts afresh: what the parent sent is the parent's.
    """

    def __init__(self, *, ca_file: str = "", keep: int = 256) -> None:
        self._ca_file = ca_file
        self._keep = keep
        self._engine: Engine | None = None

    def _here(self) -> Engine:
        engine = self._engine
        if engine is not None and engine.pid == os.getpid():
            return engine
        if engine is not None:
            # Never freed: libcurl would say goodbye on the connections of the parent.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))
        from integrations.webhooks.engine import Engine  # loads libcurl, which only senders need

        ca_file = self._ca_file or hub_settings.webhook_ca_bundle or certifi.where()
        self._engine = Engine(ca_file, self._keep)
        return self._engine

    @property
    def in_flight(self) -> int:
        """Parcels that were sent and whose replies were not collected."""
        engine = self._engine
        return engine.in_flight if engine is not None and engine.pid == os.getpid() else 0

    def send(self, parcel: Parcel) -> None:
        """Take a parcel. Whatever is wrong with it is told by its reply; nothing is raised."""
        self._here().send(parcel)

    def collect(self, timeout: float) -> list[Reply]:
        """The replies that are there, at least one if one comes within `timeout` seconds.

        Nothing moves between the calls. Waits also while nothing is under way; `wake` ends it.
        """
        engine, until = self._here(), time.monotonic() + timeout
        while True:
            left = until - time.monotonic()
            engine.run(0.0 if engine.done or engine.is_woken else max(left, 0.0))
            if engine.done or left <= 0 or engine.is_woken:
                engine.is_woken = False
                replies, engine.done = engine.done, []
                engine.in_flight -= len(replies)
                return replies

    def wake(self) -> None:
        """End a wait in `collect` at once; from any thread."""
        engine = self._engine
        if engine is not None:
            engine.is_woken = True
            engine.reactor.ring()

    def close(self) -> None:
        """Break off what is under way and close every connection; no replies come of it."""
        engine, self._engine = self._engine, None
        if engine is not None and engine.pid == os.getpid():
            engine.close()

    def __enter__(self) -> Courier:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
