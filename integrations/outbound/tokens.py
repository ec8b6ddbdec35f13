"""OAuth tokens: fetched once for all processes, shared as ciphertext, kept until rejected."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from integrations.conf import hub_settings
from integrations.exceptions import TransportError
from integrations.outbound.redis_link import link
from integrations.outbound.sealed import Held, open_failure, open_token, seal_failure, seal_token
from integrations.outbound.token_store import CacheTokens, RedisTokens, TokenStore

# A token that dies on the way to the provider is worth less than a fresh one.
MARGIN_SECONDS = 60.0
RENEW_SECONDS = 15.0
POLL_SECONDS = 0.05

# Returns (token, lifetime in seconds).
Fetch = Callable[[], tuple[str, float]]

_redis = RedisTokens(link)
_cache = CacheTokens()


def configured_store() -> TokenStore:
    """Redis where REDIS_URL names one, also while it is away; Django's cache otherwise."""
    return _redis if hub_settings.redis_url else _cache


@dataclass(slots=True)
class _Flight:
    """One fetch at a time in this process; who waited for one that failed shares its failure."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    landings: int = 0
    error: Exception | None = None

    def land(self, error: Exception | None) -> None:
        self.error = error
        self.landings += 1


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a caller wants: a token that is fit for it, until its deadline."""

    key: str
    fetch: Fetch
    deadline: float | None
    is_fit: Callable[[str, Held], bool]


class TokenCache:
    """Tokens by key; the key is a digest of the credentials, never the credentials.

    Two tiers: this process, and below it the store that processes share. `clock` is the wall clock
    in seconds, since expiry times are shared between machines.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        store: Callable[[], TokenStore] = configured_store,
    ) -> None:
        self._clock, self._store = clock, store
        self.forget()

    def forget(self) -> None:
        """Drop this process's copies; the shared ones stay."""
        self._held: dict[str, Held] = {}
        # The last token that the provider refused, by key: another thread may have read it from
        # the store just before it was dropped there, and must not bring it back.
        self._refused: dict[str, str] = {}
        self.renew_locks()

    def renew_locks(self) -> None:
        """Fresh locks: after a fork the old ones may be held by threads that no longer exist."""
        self._guard = threading.Lock()
        self._flights: dict[str, _Flight] = {}

    def get(self, key: str, fetch: Fetch, *, deadline: float | None = None) -> str:
        """A token with MARGIN_SECONDS to live (half its life if that is short).

        `fetch` runs in one thread of all processes at a time; the others wait for its token.

        Raises what `fetch` raised, for all who waited for it; TransportError(sent=False, code
        "timeout") if the wait for another's fetch passes `deadline` (monotonic);
        ConfigurationError without a usable encryption key.
        """
        held = self._held.get(key)
        if held is not None and self._is_fresh(key, held):
            return held.token
        return self._alone(_Wish(key, fetch, deadline, self._is_fresh))

    def peek(self, key: str) -> str:
        """The token that this process holds for `key`, as fit as `get` wants it; "" for none.

        Never waits: for those who may not, and who then fetch elsewhere.
        """
        held = self._held.get(key)
        return held.token if held is not None and self._is_fresh(key, held) else ""

    def renew(self, key: str, fetch: Fetch, *, deadline: float | None = None) -> str:
        """A token that was fetched just now, kept for everybody; raises as `get` does.

        For connection tests. Some providers cancel the old token with each new one, so a token
        fetched in the last RENEW_SECONDS is new enough, and the new one takes the old one's place.
        """
        return self._alone(_Wish(key, fetch, deadline, self._is_new))

    def reject(self, key: str, token: str) -> None:
        """Forget `token`, which the provider refused, unless a newer one took its place already."""
        self._refused[key] = token
        held = self._held.get(key)
        if held is not None and held.token == token:
            self._held.pop(key, None)
        store = self._store()
        text = store.read(key)
        shared = open_token(key, text) if text else None
        if shared is not None and shared.token == token:
            store.drop(key, text)

    def held_until(self) -> dict[str, float]:
        """When the tokens that are held end (wall clock), by key."""
        shared = self._store().lifetimes()
        now = self._clock()
        if shared is not None:
            return {key: now + seconds for key, seconds in shared.items()}
        mine = dict(self._held)
        return {key: held.usable_until for key, held in mine.items() if self._is_fresh(key, held)}

    def _is_fresh(self, key: str, held: Held) -> bool:
        return held.usable_until > self._clock() and held.token != self._refused.get(key)

    def _is_new(self, key: str, held: Held) -> bool:
        return self._clock() - held.fetched_at < RENEW_SECONDS and self._is_fresh(key, held)

    def _alone(self, wish: _Wish) -> str:
        """`_obtain` in one thread of this process at a time."""
        with self._guard:
            flight = self._flights.setdefault(wish.key, _Flight())
        landings = flight.landings
        wait = -1 if wish.deadline is None else max(0.0, wish.deadline - time.monotonic())
        if not flight.lock.acquire(timeout=wait):
            raise _too_late()
        try:
            if flight.landings != landings and flight.error is not None:
                raise flight.error.with_traceback(None)
            held = self._held.get(wish.key)
            if held is None or not wish.is_fit(wish.key, held):
                held = self._held[wish.key] = self._obtain(wish, flight)
            return held.token
        finally:
            flight.lock.release()

    def _obtain(self, wish: _Wish, flight: _Flight) -> Held:
        """A fit token of another process, or one fetched here while the others wait."""
        store, me = self._store(), secrets.token_hex(8)
        unwanted = waited = ""
        while True:
            word, text = store.take(wish.key, me, unwanted=unwanted, waited=waited)
            if word == "fetch":
                return self._fetch(wish, flight, store, me)
            if word == "token":
                held = open_token(wish.key, text)
                if held is not None and wish.is_fit(wish.key, held):
                    return held
                unwanted = text
            elif word == "failed":
                waited = ""
                error = open_failure(wish.key, text)
                if error is not None:
                    flight.land(error)
                    raise error
            else:
                waited = text
                _pause(wish.deadline)

    def _fetch(self, wish: _Wish, flight: _Flight, store: TokenStore, me: str) -> Held:
        failure = ""
        text = ""
        try:
            with store.holding(wish.key, me):
                token, lifetime = wish.fetch()
            now = self._clock()
            # Half of a very short life is kept, or such a token would be fetched for every call.
            usable = float(lifetime) - min(MARGIN_SECONDS, float(lifetime) / 2)
            held = Held(token, now + usable, fetched_at=now)
            text = seal_token(wish.key, held)
        except Exception as error:
            flight.land(error)
            failure = seal_failure(wish.key, error)
            raise
        finally:
            if not text:
                store.fail(wish.key, me, failure)
        # Fetched just now: a provider that gives the same one again means it.
        self._refused.pop(wish.key, None)
        flight.land(None)
        store.land(wish.key, me, text, int(usable * 1000))
        return held


def _pause(deadline: float | None) -> None:
    left = POLL_SECONDS if deadline is None else deadline - time.monotonic()
    if left <= 0:
        raise _too_late()
    time.sleep(min(POLL_SECONDS, left))


def _too_late() -> TransportError:
    return TransportError("The access token did not come in time.", sent=False, code="timeout")


tokens = TokenCache()
os.register_at_fork(after_in_child=tokens.renew_locks)
