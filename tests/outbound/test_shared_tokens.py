"""Tokens in Redis: one fetch for all. A `TokenCache` of its own stands for a process of its own."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from integrations.exceptions import ConfigurationError, ProviderError, TransportError
from integrations.outbound import TokenCache
from integrations.outbound.redis_link import link
from integrations.outbound.tokens import configured_store
from tests.outbound.conftest import Source, at_once

pytestmark = pytest.mark.usefixtures("empty_redis", "environment_keys")

STORE = "integrations.outbound.token_store"


def test_of_eight_that_need_a_token_one_fetches():
    source = Source(pause=0.2)
    assert set(at_once(8, lambda _: TokenCache().get("k", source))) == {"t1"}
    assert source.count == 1


def test_of_eight_that_renew_one_fetches(monkeypatch):
    now = [1_700_000_000.0]
    source = Source(pause=0.1)
    TokenCache(clock=lambda: now[0]).get("k", source)
    now[0] += 60
    renewed = at_once(8, lambda _: TokenCache(clock=lambda: now[0]).renew("k", source))
    assert set(renewed) == {"t2"}
    assert source.count == 2


def test_of_eight_whose_token_was_refused_one_fetches():
    source = Source(pause=0.1)
    caches = [TokenCache() for _ in range(8)]
    assert {cache.get("k", source) for cache in caches} == {"t1"}

    def replace(number):
        caches[number].reject("k", "t1")
        return caches[number].get("k", source)

    assert set(at_once(8, replace)) == {"t2"}
    assert source.count == 2


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("wrong key", code="bad", permanent=True, request_id="7"),
        TransportError("gone", sent=True, code="connection_lost"),
        ConfigurationError("not confirmed", code="host_not_confirmed"),
    ],
)
def test_who_waited_for_a_fetch_that_failed_shares_its_failure(error):
    calls = itertools.count(1)

    def failing():
        next(calls)
        time.sleep(0.2)
        raise error

    def attempt(_):
        with pytest.raises(type(error)) as caught:
            TokenCache().get("k", failing)
        return vars(caught.value)

    assert at_once(4, attempt) == [vars(error)] * 4
    assert next(calls) == 2
    # Who comes later did not wait for it.
    assert TokenCache().get("k", Source()) == "t1"


def test_threads_of_a_process_that_waited_share_the_failure_too():
    here, calls = TokenCache(), itertools.count(1)
    entered = threading.Event()

    def failing():
        next(calls)
        entered.set()
        time.sleep(0.4)
        raise ProviderError("wrong key", permanent=True)

    def attempt(cache):
        with pytest.raises(ProviderError, match="wrong key"):
            cache.get("k", failing)

    elsewhere = threading.Thread(target=attempt, args=(TokenCache(),))
    elsewhere.start()
    entered.wait(5)
    at_once(3, lambda _: attempt(here))
    elsewhere.join(5)
    assert next(calls) == 2


def test_a_late_rejection_takes_away_no_newer_token_at_the_last_moment():
    store, source = configured_store(), Source()
    TokenCache().get("k", source)
    seen = store.read("k")
    rejecting = TokenCache()
    rejecting.reject("k", "t1")
    assert TokenCache().get("k", source) == "t2"
    store.drop("k", seen)  # by somebody who read it before that
    assert TokenCache().get("k", source) == "t2"


def test_an_error_of_no_known_kind_is_not_shared():
    source, calls = Source(), itertools.count(1)
    entered = threading.Event()

    def broken():
        next(calls)
        entered.set()
        time.sleep(0.2)
        raise ZeroDivisionError

    def first():
        with pytest.raises(ZeroDivisionError):
            TokenCache().get("k", broken)

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait(5)
    assert TokenCache().get("k", source) == "t1"
    thread.join(5)


def test_waiting_for_another_process_ends_at_the_deadline():
    entered, release = threading.Event(), threading.Event()

    def slow():
        entered.set()
        release.wait(5)
        return "t", 3599

    thread = threading.Thread(target=TokenCache().get, args=("k", slow))
    thread.start()
    entered.wait(5)
    started = time.monotonic()
    with pytest.raises(TransportError) as caught:
        TokenCache().get("k", Source(), deadline=started + 0.2)
    release.set()
    thread.join(5)
    assert (caught.value.sent, caught.value.code) == (False, "timeout")
    assert time.monotonic() - started >= 0.2


def test_a_fetch_longer_than_the_lock_is_not_doubled(monkeypatch):
    monkeypatch.setattr(f"{STORE}.LOCK_MS", 1000)
    monkeypatch.setattr(f"{STORE}.BEAT_SECONDS", 0.05)
    source = Source(pause=1.5)
    assert set(at_once(4, lambda _: TokenCache().get("k", source))) == {"t1"}
    assert source.count == 1


def test_a_holder_that_went_silent_is_given_up_and_keeps_its_late_token_to_itself(monkeypatch):
    monkeypatch.setattr(f"{STORE}.LOCK_MS", 100)
    monkeypatch.setattr(f"{STORE}.BEAT_SECONDS", 60)
    entered, release = threading.Event(), threading.Event()

    def slow():
        entered.set()
        release.wait(5)
        return "old", 3599

    frozen = TokenCache()
    thread = threading.Thread(target=frozen.get, args=("k", slow))
    thread.start()
    entered.wait(5)
    assert TokenCache().get("k", Source()) == "t1"
    release.set()
    thread.join(5)
    assert frozen.get("k", Source()) == "old"
    assert TokenCache().get("k", Source()) == "t1"


def test_a_token_fetched_while_redis_was_flushed_is_shared_all_the_same(empty_redis):
    def fetch():
        empty_redis.flush()
        return "t", 3599

    TokenCache().get("k", fetch)
    assert TokenCache().get("k", Source()) == "t"


def test_a_failure_laid_by_somebody_else_is_ignored():
    configured_store().take("k", "theirs", unwanted="", waited="")
    got = []
    thread = threading.Thread(target=lambda: got.append(TokenCache().get("k", Source())))
    thread.start()
    time.sleep(0.2)
    for text in ("gAAAAAnonsense", ""):
        link.ask("SET", link.key("token_failure", "theirs"), text)
        time.sleep(0.1)
        assert not got
    configured_store().fail("k", "theirs", "")
    thread.join(5)
    assert got == ["t1"]


def test_redis_holds_no_secret_in_clear(empty_redis):
    secret = "planted-secret-0b5e"

    def failing():
        raise ProviderError(f"refused {secret}", permanent=True)

    seen = []

    def fetch():
        seen.append(_dump(empty_redis))
        return secret, 3599

    TokenCache().get("k", fetch)
    with pytest.raises(ProviderError):
        TokenCache().get("other", failing)
    seen.append(_dump(empty_redis))
    kinds = {key.split(b":")[2] for dump in seen for key in dump}
    assert kinds == {b"token", b"token_lock", b"token_failure"}
    assert secret not in repr(seen)


def _dump(server):
    client = server.client()
    return {key: client.get(key) for key in client.scan_iter()}
