"""The connection to Redis for what calls share between processes; Redis may be away.

Nothing here raises anything but RedisAway, and no call waits longer than TIMEOUT for it. After a
failure Redis is left alone for PAUSE; then one call tries it while the others still do without.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NoReturn

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from integrations.conf import hub_settings
from integrations.logs import log_event

log = logging.getLogger("integrations.outbound")

# Seconds.
TIMEOUT = 0.25
PAUSE = 5.0
_FAILURES = (redis.RedisError, OSError, ValueError)


class RedisAway(Exception):
    """REDIS_URL is not set, or Redis does not answer now: do without it."""


class Sharing(StrEnum):
    """Where the state lies: in Redis, or in this process, for now or by choice."""

    REDIS = "redis"
    AWAY = "redis_away"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the digest by which Redis remembers it."""

    text: str = field(repr=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "digest", digest)


def _connector(url: str) -> Callable[[], Any]:
    """Makes connections. Raises ValueError for what is no URL of a Redis."""
    # The pool is only asked how it reads the URL.
    pool = redis.ConnectionPool.from_url(
        url,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        driver_info=None,
        decode_responses=True,
    )
    return lambda: pool.connection_class(**pool.connection_kwargs)


class RedisLink:
    """Commands to the Redis of REDIS_URL. Safe to share between threads and to fork.

    Keeps idle connections by itself: redis-py's client and pool take twice the processor time of
    the command, and each call to a provider makes one.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._on_outage: list[Callable[[], None]] = []
        self.forget()

    def forget(self, url: str = "") -> None:
        """Start anew, with no connection; also the state of a process just forked."""
        self._lock = threading.Lock()
        self._url = url
        self._connect: Callable[[], Any] | None = None
        self._idle: list[Any] = []
        self._retry_at = 0.0
        self.away_since: float | None = None

    def on_outage(self, act: Callable[[], None]) -> None:
        """Call `act` whenever Redis is lost, once per outage."""
        self._on_outage.append(act)

    @property
    def sharing(self) -> Sharing:
        """What the next command would meet, as far as is known."""
        if not hub_settings.redis_url:
            return Sharing.LOCAL
        return Sharing.REDIS if self.away_since is None else Sharing.AWAY

    @property
    def away_seconds(self) -> float | None:
        """For how long Redis has been away; None while it is not, or where there is none."""
        since = self.away_since
        return None if since is None or not hub_settings.redis_url else self._clock() - since

    @staticmethod
    def key(*parts: str) -> str:
        """The name of a key of ours; INTEGRATIONS_REDIS_PREFIX tells installations apart."""
        return ":".join((hub_settings.redis_prefix, "outbound", *parts))

    def require(self) -> None:
        """Raise RedisAway where it is known already that Redis can't be asked."""
        if self.sharing is not Sharing.REDIS:
            raise RedisAway

    def run(self, script: Script, keys: list[str], *args: str | float) -> Any:
        """What a script returns. A Redis that was flushed learns it again."""
        try:
            return self.ask("EVALSHA", script.digest, len(keys), *keys, *args)
        except NoScriptError:
            return self.ask("EVAL", script.text, len(keys), *keys, *args)

    def ask(self, *command: str | float) -> Any:
        """The answer to one command, texts as `str`.

        Raises RedisAway; for EVALSHA also NoScriptError, see `run`.
        """
        is_trial = self._require_turn()
        try:
            answer = self._talk(command)
        except NoScriptError:  # an answer like any other
            if is_trial:
                self._return()
            raise
        except _FAILURES as error:
            self._fail(error)
        if is_trial:
            self._return()
        return answer

    def scan(self, pattern: str) -> Iterator[str]:
        """The names of keys; costs a walk through all keys of the database."""
        cursor = "0"
        while True:
            cursor, names = self.ask("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            yield from names
            if cursor == "0":
                return

    def _require_turn(self) -> bool:
        """Whether this command finds out if Redis is back. Raises RedisAway in the pause."""
        url = hub_settings.redis_url
        if not url:
            raise RedisAway
        if url != self._url:
            self.forget(url)
        if self.away_since is None:
            return False
        with self._lock:
            if self._clock() < self._retry_at:
                raise RedisAway
            # The others do without until this one knows.
            self._retry_at = self._clock() + PAUSE
        return True

    def _talk(self, command: tuple[str | float, ...]) -> Any:
        connect = self._connect
        if connect is None:
            connect = self._connect = _connector(self._url)
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._exchange(connect(), command)
        try:
            return self._exchange(connection, command)
        except redis.ConnectionError:
            # Redis closed it while it was idle, most likely by restarting: so with the others.
            self._idle.clear()
        return self._exchange(connect(), command)

    def _exchange(self, connection: Any, command: tuple[str | float, ...]) -> Any:
        try:
            connection.send_command(*command)
            answer = connection.read_response()
        except redis.ResponseError:
            self._idle.append(connection)
            raise
        self._idle.append(connection)
        return answer

    def _fail(self, error: Exception) -> NoReturn:
        with self._lock:
            is_new = self.away_since is None
            if is_new:
                self.away_since = self._clock()
            self._retry_at = self._clock() + PAUSE
        self._idle.clear()
        if is_new:
            log_event(log, logging.WARNING, "redis_away", error=type(error).__name__)
            for act in self._on_outage:
                act()
        raise RedisAway from None

    def _return(self) -> None:
        with self._lock:
            since, self.away_since = self.away_since, None
        if since is not None:
            log_event(log, logging.INFO, "redis_back", seconds=int(self._clock() - since))


link = RedisLink()
os.register_at_fork(after_in_child=link.forget)
