"""Where tokens are shared between processes, as ciphertext: in Redis, or in Django's cache."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Literal, NamedTuple, Protocol

from django.core.cache import cache

from integrations.logs import log_event
from integrations.outbound.redis_link import RedisAway, RedisLink, Script

log = logging.getLogger("integrations.outbound")

# A holder that was not heard of for LOCK_MS is given up.
LOCK_MS = 3000
BEAT_SECONDS = 1.0
# Long enough for every waiter to see it.
FAILURE_MS = 10_000


class Taken(NamedTuple):
    """What was met.

    `token` (its ciphertext), `failed` (the failure of the fetch that was waited for, as
    ciphertext), `wait` (somebody fetches: who), or `fetch` (it is yours to fetch).
    """

    word: Literal["token", "failed", "wait", "fetch"]
    text: str = ""


class TokenStore(Protocol):
    """One place for ciphertext. It may be away: then everybody fetches, and nothing is kept."""

    def take(self, key: str, me: str, *, unwanted: str, waited: str) -> Taken:
        """The token (other than the ciphertext `unwanted`), or the leave to fetch it.

        `me` names this attempt, `waited` the one that was waited for. After `fetch`, `land` or
        `fail` must follow.
        """

    def holding(self, key: str, me: str) -> AbstractContextManager[None]:
        """Keeps the leave to fetch while the block runs."""

    def land(self, key: str, me: str, text: str, milliseconds: int) -> None:
        """Keep the ciphertext for everybody, unless another one's is there meanwhile."""

    def fail(self, key: str, me: str, text: str) -> None:
        """Give the leave back; `text` (if any) tells those who waited why."""

    def read(self, key: str) -> str:
        """The ciphertext, "" where there is none."""

    def drop(self, key: str, text: str) -> None:
        """Forget the ciphertext if it is still this one."""

    def lifetimes(self) -> dict[str, float] | None:
        """Seconds to live by key; None where only each process knows its own."""


_TAKE = Script("""
local token = redis.call('GET', KEYS[1])
if token and token ~= ARGV[3] then
  return {'token', token}
end
local failure = redis.call('GET', KEYS[3])
if failure then
  return {'failed', failure}
end
redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
local holder = redis.call('GET', KEYS[2])
if holder == ARGV[1] then
  return {'fetch', ''}
end
return {'wait', holder}
""")
_BEAT = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
""")
# A flush, or a holder's pause longer than LOCK_MS, takes the lock away from its holder.
_LAND = Script("""
local holder = redis.call('GET', KEYS[2])
if holder == ARGV[1] then
  redis.call('DEL', KEYS[2])
elseif holder or redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
if tonumber(ARGV[3]) > 0 then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
""")
_FAIL = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  if ARGV[2] ~= '' then
    redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
  end
end
return 1
""")
_DROP = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return 1
""")


class RedisTokens:
    """`TokenStore` in Redis: one attempt at a time fetches, in all processes together.

    redis-py's Lock can't look for the token in the same step, nor tell a waiter whose fetch failed.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    def take(self, key: str, me: str, *, unwanted: str, waited: str) -> Taken:
        """See `TokenStore.take`."""
        keys = [self._token(key), self._lock(key), self._failure(waited)]
        try:
            return Taken(*self._link.run(_TAKE, keys, me, LOCK_MS, unwanted))
        except RedisAway:
            return Taken("fetch")

    @contextmanager
    def holding(self, key: str, me: str) -> Iterator[None]:
        """See `TokenStore.holding`: a heartbeat, so that the lock of a dead holder ends soon."""
        is_over = threading.Event()

        def beat() -> None:
            while not is_over.wait(BEAT_SECONDS):
                with suppress(RedisAway):
                    self._link.run(_BEAT, [self._lock(key)], me, LOCK_MS)

        with suppress(RuntimeError):  # no more threads: a slow fetch may then be doubled
            threading.Thread(target=beat, name="token-lock", daemon=True).start()
        try:
            yield
        finally:
            is_over.set()

    def land(self, key: str, me: str, text: str, milliseconds: int) -> None:
        """See `TokenStore.land`."""
        with suppress(RedisAway):
            self._link.run(_LAND, [self._token(key), self._lock(key)], me, text, milliseconds)

    def fail(self, key: str, me: str, text: str) -> None:
        """See `TokenStore.fail`."""
        with suppress(RedisAway):
            self._link.run(_FAIL, [self._lock(key), self._failure(me)], me, text, FAILURE_MS)

    def read(self, key: str) -> str:
        """See `TokenStore.read`."""
        with suppress(RedisAway):
            return self._link.ask("GET", self._token(key)) or ""
        return ""

    def drop(self, key: str, text: str) -> None:
        """See `TokenStore.drop`."""
        with suppress(RedisAway):
            self._link.run(_DROP, [self._token(key)], text)

    def lifetimes(self) -> dict[str, float] | None:
        """See `TokenStore.lifetimes`."""
        start = self._token("")
        try:
            names = list(self._link.scan(f"{start}*"))
            return {name.removeprefix(start): self._link.ask("PTTL", name) / 1000 for name in names}
        except RedisAway:
            return None

    def _token(self, key: str) -> str:
        return self._link.key("token", key)

    def _lock(self, key: str) -> str:
        return self._link.key("token_lock", key)

    def _failure(self, attempt: str) -> str:
        return self._link.key("token_failure", attempt)


class CacheTokens:
    """`TokenStore` in Django's cache, for installations without REDIS_URL.

    Processes that share the cache share tokens, but may fetch at the same moment. A cache that
    fails is logged once per outage and otherwise ignored.
    """

    def __init__(self) -> None:
        self._is_away = False

    def take(self, key: str, me: str, *, unwanted: str, waited: str) -> Taken:
        """See `TokenStore.take`."""
        text = self.read(key)
        return Taken("token", text) if text and text != unwanted else Taken("fetch")

    @contextmanager
    def holding(self, key: str, me: str) -> Iterator[None]:
        """See `TokenStore.holding`: no leave is needed here."""
        yield

    def land(self, key: str, me: str, text: str, milliseconds: int) -> None:
        """See `TokenStore.land`."""
        if milliseconds >= 1000:
            self._try(lambda: cache.set(self._name(key), text, timeout=milliseconds // 1000))

    def fail(self, key: str, me: str, text: str) -> None:
        """See `TokenStore.fail`: nobody waited."""

    def read(self, key: str) -> str:
        """See `TokenStore.read`."""
        text = self._try(lambda: cache.get(self._name(key)))
        return text if isinstance(text, str) else ""

    def drop(self, key: str, text: str) -> None:
        """See `TokenStore.drop`."""
        if self.read(key) == text:
            self._try(lambda: cache.delete(self._name(key)))

    def lifetimes(self) -> dict[str, float] | None:
        """See `TokenStore.lifetimes`."""
        return None

    @staticmethod
    def _name(key: str) -> str:
        # Any text may be a key; cache backends are choosier.
        return "integrations.token." + hashlib.sha256(key.encode()).hexdigest()

    def _try(self, action: Callable[[], object]) -> object:
        try:
            answer = action()
        except Exception as error:  # noqa: BLE001 - each backend has errors of its own
            if not self._is_away:
                log_event(
                    log, logging.WARNING, "token_cache_unavailable", error=type(error).__name__
                )
            self._is_away = True
            return None
        self._is_away = False
        return answer
