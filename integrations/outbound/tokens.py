"""OAuth tokens: fetched once, shared between processes as ciphertext, kept until rejected."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.core.cache import cache

from integrations.crypto.keyring import decrypt_text, encrypt_text
from integrations.exceptions import DecryptionError, TransportError

log = logging.getLogger("integrations.outbound")

# A token that dies on the way to the provider is worth less than a fresh one.
MARGIN_SECONDS = 60.0
RENEW_SECONDS = 15.0

# Returns (token, lifetime in seconds).
Fetch = Callable[[], tuple[str, float]]


@dataclass(frozen=True, slots=True)
class _Held:
    token: str = field(repr=False)
    usable_until: float
    fetched_at: float = 0.0


@dataclass(slots=True)
class _Flight:
    """One fetch at a time; who waited for a fetch that failed shares its failure."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    landings: int = 0
    error: Exception | None = None


class TokenCache:
    """Tokens by key; the key is a digest of the credentials, never the credentials.

    Two tiers: this process, and Django's cache with ciphertext in it. A cache that fails is
    logged once per outage and otherwise ignored. `clock` is the wall clock in seconds, since
    expiry times are shared between machines.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._is_cache_down = False
        self.forget()

    def forget(self) -> None:
        """Drop this process's copies; the shared ones stay."""
        self._held: dict[str, _Held] = {}
        self.renew_locks()

    def renew_locks(self) -> None:
        """Fresh locks: after a fork the old ones may be held by threads that no longer exist."""
        self._guard = threading.Lock()
        self._flights: dict[str, _Flight] = {}

    def get(self, key: str, fetch: Fetch, *, deadline: float | None = None) -> str:
        """A token with MARGIN_SECONDS to live (half its life if that is short).

        `fetch` runs in one thread at a time; the others wait for its token.

        Raises what `fetch` raised, for all who waited for it; TransportError(sent=False, code
        "timeout") if the wait for another thread's fetch passes `deadline` (monotonic);
        ConfigurationError without a usable encryption key.
        """
        held = self._fresh(self._held.get(key))
        if held is not None:
            return held.token
        return self._alone(key, fetch, deadline, is_new=False)

    def renew(self, key: str, fetch: Fetch) -> str:
        """A token that was fetched just now, kept for everybody; raises as `get` does.

        For connection tests. Some providers cancel the old token with each new one, so a token
        fetched in the last RENEW_SECONDS is new enough, and the new one takes the old one's place.
        """
        held = self._held.get(key)
        if held is not None and self._clock() - held.fetched_at < RENEW_SECONDS:
            return held.token
        return self._alone(key, fetch, None, is_new=True)

    def _alone(self, key: str, fetch: Fetch, deadline: float | None, *, is_new: bool) -> str:
        """`_obtain` in one thread at a time."""
        with self._guard:
            flight = self._flights.setdefault(key, _Flight())
        landings = flight.landings
        wait = -1 if deadline is None else max(0.0, deadline - time.monotonic())
        if not flight.lock.acquire(timeout=wait):
            raise TransportError(
                "The access token did not come in time.", sent=False, code="timeout"
            )
        try:
            if flight.landings != landings and flight.error is not None:
                raise flight.error.with_traceback(None)
            if is_new and flight.landings == landings:
                self._held.pop(key, None)
                return self._keep(key, self._fetch(fetch, flight)).token
            return self._obtain(key, fetch, flight).token
        finally:
            flight.lock.release()

    def reject(self, key: str, token: str) -> None:
        """Forget `token`, which the provider refused, unless a newer one took its place already."""
        held = self._held.get(key)
        if held is not None and held.token == token:
            self._held.pop(key, None)
        shared = self._read(key)
        if shared is not None and shared.token == token:
            self._with_cache(lambda: cache.delete(self._name(key)))

    def _obtain(self, key: str, fetch: Fetch, flight: _Flight) -> _Held:
        held = self._fresh(self._held.get(key)) or self._read(key)
        if held is None:
            return self._keep(key, self._fetch(fetch, flight))
        self._held[key] = held
        return held

    def _keep(self, key: str, held: _Held) -> _Held:
        self._write(key, held)
        self._held[key] = held
        return held

    def _fetch(self, fetch: Fetch, flight: _Flight) -> _Held:
        try:
            token, lifetime = fetch()
        except Exception as error:
            flight.error = error
            raise
        finally:
            flight.landings += 1
        flight.error = None
        # Half of a very short life is kept, or such a token would be fetched for every call.
        margin = min(MARGIN_SECONDS, float(lifetime) / 2)
        now = self._clock()
        return _Held(token, now + float(lifetime) - margin, fetched_at=now)

    def _fresh(self, held: _Held | None) -> _Held | None:
        if held is None or held.usable_until <= self._clock():
            return None
        return held

    @staticmethod
    def _name(key: str) -> str:
        # Any text may be a key; cache backends are choosier.
        return "integrations.token." + hashlib.sha256(key.encode()).hexdigest()

    def _read(self, key: str) -> _Held | None:
        stored = self._with_cache(lambda: cache.get(self._name(key)))
        if not isinstance(stored, str):
            return None
        try:
            owner, token, usable_until = json.loads(decrypt_text(stored))
        except (DecryptionError, ValueError):
            # Written under a key that is gone, or by something else: as good as absent.
            return None
        # Whoever can write to the cache could lay one credential's token under another's key.
        if owner != self._name(key):
            return None
        return self._fresh(_Held(str(token), float(usable_until)))

    def _write(self, key: str, held: _Held) -> None:
        seconds = int(held.usable_until - self._clock())
        if seconds > 0:
            stored = encrypt_text(json.dumps([self._name(key), held.token, held.usable_until]))
            self._with_cache(lambda: cache.set(self._name(key), stored, timeout=seconds))

    def _with_cache(self, action: Callable[[], object]) -> object:
        try:
            answer = action()
        except Exception as error:  # noqa: BLE001 - each backend has errors of its own
            if not self._is_cache_down:
                log.warning("event=token_cache_unavailable error=%s", type(error).__name__)
            self._is_cache_down = True
            return None
        self._is_cache_down = False
        return answer


tokens = TokenCache()
os.register_at_fork(after_in_child=tokens.renew_locks)
