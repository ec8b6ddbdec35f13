"""When a process may trust what it remembers: the stamp, read at most once per interval."""

from __future__ import annotations

import itertools
import os
import threading
import time

from django.db import Error as DatabaseError

from integrations import metrics
from integrations.conf import hub_settings
from integrations.exceptions import ConfigurationUnavailable
from integrations.models.stamp import ConfigStamp, commits_seen, is_writing


class Freshness:
    """The stamp as this process knows it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token = ""
        self._next_check = 0.0
        self._commits = -1

    def current(self) -> str | None:
        """The stamp, at most one interval old; None where caches must not be used now.

        None means that this thread has changed settings in a transaction that is open. Raises
        ConfigurationUnavailable when the database can't be asked.
        """
        if is_writing():
            return None
        if time.monotonic() < self._next_check and commits_seen() == self._commits:
            return self._token
        return self._read()

    def expire(self) -> None:
        """Ask the database at the next call."""
        self._next_check = 0.0

    def _read(self) -> str:
        with self._lock:
            # Taken before the query: a commit in between is seen at the next call.
            commits = commits_seen()
            if time.monotonic() < self._next_check and commits == self._commits:
                return self._token
            try:
                self._token = ConfigStamp.objects.read()
            except DatabaseError as error:
                raise ConfigurationUnavailable(
                    "The settings can't be read: the database does not answer."
                ) from error
            self._commits = commits
            # Once an interval is often enough for what every read of settings counts.
            metrics.config_hits.flush()
            self._next_check = time.monotonic() + hub_settings.stamp_seconds
            return self._token

    def renew_lock(self) -> None:
        """After fork: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()


freshness = Freshness()
os.register_at_fork(after_in_child=freshness.renew_lock)
_unshared = itertools.count()


def version() -> str:
    """The stamp, or a text of its own each time while this thread is writing settings."""
    token = freshness.current()
    return f"writing-{next(_unshared)}" if token is None else token
