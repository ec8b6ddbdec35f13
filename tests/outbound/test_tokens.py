"""Tokens: fetched once, kept as ciphertext, replaced when refused; in both kinds of store."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from datetime import timedelta

import pytest
import time_machine
from cryptography.fernet import Fernet
from django.core.cache import cache
from django.test import override_settings

from integrations.crypto.keyring import keyring
from integrations.exceptions import ProviderError, TransportError
from integrations.outbound import TokenCache
from integrations.outbound.redis_link import link
from integrations.outbound.token_store import CacheTokens, RedisTokens
from integrations.outbound.tokens import configured_store
from tests.hunt.plants import planted
from tests.outbound.conftest import Source, at_once, get, limits, pay
from tests.outbound.servers import answer, drop


@pytest.fixture(autouse=True)
def _both_stores(sharing, environment_keys):
    """Every test with Django's cache and with Redis below."""


def _put(key, text):
    """Lay `text` where the store that is in use keeps the token of `key`."""
    if isinstance(configured_store(), CacheTokens):
        cache.set(CacheTokens._name(key), text)
    else:
        link.ask("SET", link.key("token", key), str(text))


def test_a_token_is_fetched_once_and_kept():
    tokens, source = TokenCache(), Source()
    assert [tokens.get("k", source) for _ in range(3)] == ["t1"] * 3
    assert tokens.get("other", source) == "t2"


def test_another_process_finds_it_in_the_shared_cache():
    source = Source()
    assert TokenCache().get("k", source) == "t1"
    assert TokenCache().get("k", source) == "t1"
    assert source.count == 1


def test_what_is_shared_is_ciphertext():
    TokenCache().get("digest", lambda: (planted("access token"), 3599))
    text = configured_store().read("digest")
    assert text.startswith("gAAAAA")
    assert planted("access token") not in text + repr(vars(TokenCache()))


def test_eight_threads_with_an_expired_token_make_one_fetch():
    tokens, source = TokenCache(), Source(lifetime=3599, pause=0.1)
    with time_machine.travel("2026-01-01T00:00:00Z", tick=True) as clock:
        tokens.get("k", source)
        clock.shift(timedelta(hours=2))
        assert set(at_once(8, lambda _: tokens.get("k", source))) == {"t2"}
    assert source.count == 2


def test_a_token_near_its_end_is_replaced():
    tokens, source = TokenCache(), Source(lifetime=3600)
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False) as clock:
        tokens.get("k", source)
        clock.shift(timedelta(seconds=3539))
        assert tokens.get("k", source) == "t1"
        clock.shift(timedelta(seconds=1))
        assert tokens.get("k", source) == "t2"


def test_a_short_lived_token_is_used_for_half_its_life():
    tokens, source = TokenCache(), Source(lifetime=20)
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False) as clock:
        tokens.get("k", source)
        clock.shift(timedelta(seconds=9))
        assert tokens.get("k", source) == "t1"
        clock.shift(timedelta(seconds=2))
        assert tokens.get("k", source) == "t2"


def test_who_waited_for_a_failed_fetch_shares_its_failure():
    tokens, calls = TokenCache(), itertools.count(1)

    def refused():
        next(calls)
        time.sleep(0.15)
        raise ProviderError("wrong consumer key", permanent=True)

    def attempt(_):
        with pytest.raises(ProviderError, match="wrong consumer key"):
            tokens.get("k", refused)

    at_once(8, attempt)
    assert next(calls) == 2
    assert tokens.get("k", Source()) == "t1"


def test_waiting_for_another_threads_fetch_ends_at_the_deadline():
    tokens = TokenCache()
    entered, release = threading.Event(), threading.Event()

    def slow():
        entered.set()
        release.wait(5)
        return "t", 3599

    thread = threading.Thread(target=tokens.get, args=("k", slow))
    thread.start()
    entered.wait(5)
    with pytest.raises(TransportError) as caught:
        tokens.get("k", Source(), deadline=time.monotonic() + 0.1)
    release.set()
    thread.join(5)
    assert (caught.value.sent, caught.value.code) == (False, "timeout")


def test_eight_rejections_of_one_token_cause_one_refresh():
    tokens, source = TokenCache(), Source(pause=0.05)
    old = tokens.get("k", source)

    def renew(_):
        tokens.reject("k", old)
        return tokens.get("k", source)

    assert set(at_once(8, renew)) == {"t2"}
    assert source.count == 2


def test_an_unexpected_failure_leaves_the_next_caller_free_to_fetch():
    def broken():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        TokenCache().get("k", broken)
    assert TokenCache().get("k", Source(), deadline=time.monotonic() + 1) == "t1"


def test_a_late_rejection_of_the_old_token_keeps_the_new_one():
    here, there, source = TokenCache(), TokenCache(), Source()
    old = here.get("k", source)
    there.get("k", source)
    here.reject("k", old)
    assert here.get("k", source) == "t2"
    there.reject("k", old)
    assert there.get("k", source) == "t2"
    assert source.count == 2


@pytest.mark.parametrize("stored", ["gAAAAAnonsense", "", 7, None, ["t", 1], {"token": "t"}])
def test_what_cannot_be_read_counts_as_missing(stored):
    tokens, source = TokenCache(), Source()
    _put("k", stored)
    assert tokens.get("k", source) == "t1"


def test_a_token_laid_under_another_key_counts_as_missing():
    source = Source()
    TokenCache().get("theirs", source)
    _put("ours", configured_store().read("theirs"))
    assert TokenCache().get("ours", source) == "t2"


def test_a_renewed_token_takes_the_place_of_the_old_one_for_everybody():
    now = [1_700_000_000.0]
    source = Source()
    here, there = (TokenCache(clock=lambda: now[0]) for _ in range(2))
    assert there.get("k", source) == "t1"
    assert here.renew("k", source) == "t1"
    now[0] += 15
    assert here.renew("k", source) == "t2"
    assert here.get("k", source) == "t2"
    assert TokenCache(clock=lambda: now[0]).get("k", source) == "t2"


def test_renewing_makes_at_most_one_token_in_fifteen_seconds():
    now = [1_700_000_000.0]
    tokens, source = TokenCache(clock=lambda: now[0]), Source(pause=0.05)
    assert set(at_once(8, lambda _: tokens.renew("k", source))) == {"t1"}
    now[0] += 14.9
    assert tokens.renew("k", source) == "t1"
    now[0] += 0.2
    assert tokens.renew("k", source) == "t2"


def test_a_token_of_a_retired_key_counts_as_missing(settings):
    source = Source()
    TokenCache().get("k", source)
    settings.CYPHER_KEY = Fernet.generate_key().decode()
    keyring.forget()
    assert TokenCache().get("k", source) == "t2"


def test_a_cache_that_is_away_is_logged_once_and_ignored(caplog):
    nobody = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    store = CacheTokens()
    tokens, source = TokenCache(store=lambda: store), Source()
    with (
        override_settings(CACHES={"default": nobody}),
        caplog.at_level(logging.WARNING, "integrations.outbound"),
    ):
        assert tokens.get("k", source) == "t1"
        tokens.reject("k", "t1")
        assert tokens.get("k", source) == "t2"
        assert tokens.get("k", source) == "t2"
    assert [r.getMessage().split()[0] for r in caplog.records] == ["event=token_cache_unavailable"]


def _bearer(handler, request):
    """Accepts only the newest token, as Daraja does: 404 with its own code otherwise."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    is_good = token == handler.server.good
    body = b'{"ok": true}' if is_good else b'{"errorCode": "404.001.03"}'
    answer(200 if is_good else 404, body)(handler, request)


def _rejects(response):
    return response.status == 404 and response.json().get("errorCode") == "404.001.03"


def test_the_client_sends_the_token_and_fetches_it_once(serve, client_for):
    server, source = serve(_bearer), Source()
    server.good = "t1"
    for _ in range(3):
        response = client_for(server).send(pay(server), authorize=source, rejects_token=_rejects)
        assert response.status == 200
    assert (source.count, len(server.requests)) == (1, 3)


def test_a_rejected_token_is_renewed_once_and_the_payment_replayed_once(serve, client_for):
    server, source = serve(_bearer), Source()
    server.good = "t2"
    client = client_for(server)
    response = client.send(pay(server), authorize=source, rejects_token=_rejects)
    assert response.status == 200
    assert (source.count, len(server.requests)) == (2, 2)


def test_a_token_that_stays_rejected_is_not_renewed_for_ever(serve, client_for):
    server, source = serve(_bearer), Source()
    server.good = "never"
    response = client_for(server).send(pay(server), authorize=source, rejects_token=_rejects)
    assert response.status == 404
    assert (source.count, len(server.requests)) == (2, 2)


def test_eight_threads_with_a_rejected_token_cause_one_refresh(serve, client_for):
    server, source = serve(_bearer), Source(pause=0.05)
    server.good = "t1"
    client = client_for(server)
    client.send(pay(server), authorize=source, rejects_token=_rejects)
    server.good = "t2"
    statuses = at_once(
        8, lambda _: client.send(pay(server), authorize=source, rejects_token=_rejects).status
    )
    assert statuses == [200] * 8
    assert source.count == 2


def test_a_token_that_is_refused_while_another_thread_reads_it_does_not_come_back():
    source = Source()
    TokenCache().get("k", source)

    class RefusedMeanwhile(type(configured_store())):
        """Between our look at the store and our use of what lay there, a neighbour refuses it."""

        def take(self, key, me, *, unwanted, waited):
            taken = super().take(key, me, unwanted=unwanted, waited=waited)
            tokens.reject(key, "t1")
            return taken

    shared = RefusedMeanwhile(*([link] if configured_store().__class__ is RedisTokens else []))
    tokens = TokenCache(store=lambda: shared)
    assert tokens.get("k", source) == "t2"
    assert tokens.get("k", source) == "t2"
    assert source.count == 2


def test_a_provider_that_gives_the_refused_token_again_is_not_asked_for_ever():
    asked = []
    tokens = TokenCache()

    def same():
        asked.append(1)
        return "t1", 3599.0

    tokens.get("k", same)
    tokens.reject("k", "t1")
    assert [tokens.get("k", same) for _ in range(3)] == ["t1"] * 3
    assert len(asked) == 2


def test_a_lost_token_request_does_not_make_the_payment_unknown(serve, client_for):
    server = serve(drop)
    client = client_for(server)

    def fetch(deadline):
        client.send(get(server, "/oauth", deadline=deadline))
        raise AssertionError("not reached")

    with pytest.raises(TransportError) as caught:
        client.send(pay(server), authorize=fetch)
    assert (caught.value.sent, caught.value.code) == (False, "connection_lost")
    assert [request.path for request in server.requests] == ["/oauth"]


def test_the_deadline_covers_the_token_too(serve, client_for):
    server, seen = serve(), []

    def fetch(deadline):
        seen.append(deadline - time.monotonic())
        time.sleep(0.25)
        return "t", 3599

    with pytest.raises(TransportError) as caught:
        client_for(server).send(pay(server, limits=limits(total=0.2)), authorize=fetch)
    assert (caught.value.sent, caught.value.code) == (False, "timeout")
    assert 0 < seen[0] <= 0.2
    assert server.requests == []


def test_a_replay_keeps_the_deadline(serve, client_for):
    server, source = serve(_bearer), Source()
    server.good = "t2"

    def slow_to_renew(deadline):
        token = source()
        if source.count > 1:
            time.sleep(max(0, deadline - time.monotonic()))
        return token

    call = pay(server, limits=limits(total=0.6))
    with pytest.raises(TransportError) as caught:
        client_for(server).send(call, authorize=slow_to_renew, rejects_token=_rejects)
    assert (caught.value.sent, caught.value.code) == (False, "timeout")
    assert len(server.requests) == 1
