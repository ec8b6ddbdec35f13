"""Redis dies, hangs, forgets or restarts in the middle of calls: no outcome changes."""

from __future__ import annotations

import itertools
import logging
import threading
import time

import pytest

from integrations.exceptions import TransportError
from integrations.outbound import Sharing, TokenCache, provider_states, redis_link
from integrations.outbound.redis_link import TIMEOUT, RedisAway, RedisLink, link
from tests.outbound.conftest import at_once, limits, pay
from tests.outbound.servers import answer, drop

pytestmark = pytest.mark.usefixtures("environment_keys")


@pytest.fixture
def redis(own_redis, settings):
    """A Redis to be maltreated, in use."""
    settings.REDIS_URL = own_redis.url
    return own_redis


@pytest.fixture
def timeouts(monkeypatch):
    """The commands to Redis that ended in waiting, by thread; a busy machine adds none."""
    counted = threading.local()
    original = RedisLink.ask

    def watched(self, *command):
        started = time.monotonic()
        try:
            return original(self, *command)
        except RedisAway:
            waited = time.monotonic() - started >= TIMEOUT / 2
            counted.times = getattr(counted, "times", 0) + waited
            raise

    monkeypatch.setattr(RedisLink, "ask", watched)
    return counted


def _outages(caplog):
    return sum("event=redis_away" in record.getMessage() for record in caplog.records)


def _restart(redis):
    redis.kill()
    redis.start()


FAULTS = {
    "killed": (lambda redis: redis.kill(), lambda redis: redis.start(), 1),
    "hanging": (lambda redis: redis.pause(), lambda redis: redis.resume(), 1),
    "flushed": (lambda redis: redis.flush(), lambda redis: redis.flush(), 0),
    "forgetful": (lambda redis: redis.client().script_flush(), lambda redis: None, 0),
    "stopped": (lambda redis: redis.stop(), lambda redis: redis.start(), 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_call_of_many_fails_or_waits_for_two_timeouts(
    fault, redis, timeouts, serve, client_for, caplog, monkeypatch
):
    hurt, heal, outages = FAULTS[fault]
    monkeypatch.setattr(redis_link, "PAUSE", 0.4)
    caplog.set_level(logging.INFO, "integrations.outbound")
    server = serve()
    count, healed = itertools.count(1), threading.Event()

    def reply(handler, request):
        number = next(count)
        if number == 20:
            hurt(redis)
        if number == 60:
            heal(redis)
            healed.set()
        answer()(handler, request)

    server.reply = reply

    def stream(thread):
        outcomes = []
        while not healed.is_set() or link.sharing is not Sharing.REDIS or len(outcomes) < 25:
            # Every third call needs a new token as well.
            client = client_for(server, credential=f"{thread}-{len(outcomes) // 3}")
            timeouts.times = 0
            response = client.send(pay(server), authorize=lambda deadline: ("t", 3599))
            outcomes.append((response.status, timeouts.times < 2))
            assert len(outcomes) < 1000
        return outcomes

    outcomes = {outcome for each in at_once(4, stream) for outcome in each}
    assert outcomes == {(200, True)}
    assert _outages(caplog) == outages
    assert {request.headers["Authorization"] for request in server.requests} == {"Bearer t"}


def test_a_provider_that_fails_while_redis_is_away_is_left_alone_too(redis, serve, client_for):
    server = serve(drop)
    client = client_for(server)

    def codes(times):
        found = []
        for _ in range(times):
            with pytest.raises(TransportError) as caught:
                client.send(pay(server))
            found.append(caught.value.code)
        return found

    assert codes(3) == ["connection_lost"] * 3
    server.reply = lambda handler, request: (redis.kill(), drop(handler, request))
    assert codes(1) == ["connection_lost"]
    server.reply = drop
    # The failure that Redis could not be told of is the first of five here.
    assert codes(6) == ["connection_lost"] * 4 + ["breaker_open"] * 2


def test_the_rate_holds_in_this_process_while_redis_is_away(
    redis, serve, client_for, settings, sleeps
):
    settings.INTEGRATIONS_RATE_LIMITS = {"mpesa": [0.1, 3]}
    server = serve()
    client = client_for(server)
    redis.kill()
    hasty = pay(server, limits=limits(place=0))
    assert [client.send(hasty).status for _ in range(3)] == [200] * 3
    with pytest.raises(TransportError, match="Too many"):
        client.send(hasty)


def test_what_an_earlier_outage_left_behind_says_nothing_about_a_new_one(
    redis, serve, client_for, monkeypatch
):
    monkeypatch.setattr(redis_link, "PAUSE", 0.0)
    server = serve(drop)
    client = client_for(server)
    redis.kill()
    for _ in range(6):
        with pytest.raises(TransportError):
            client.send(pay(server))
    server.reply = answer()
    redis.start()
    assert client.send(pay(server)).status == 200
    redis.kill()
    assert client.send(pay(server)).status == 200
    assert provider_states().sharing is Sharing.AWAY


def test_a_process_that_waits_for_a_token_fetches_it_when_redis_dies(redis, serve, client_for):
    tokens_sent: list[int] = []

    def fetch(deadline):
        tokens_sent.append(1)
        if len(tokens_sent) == 1:
            time.sleep(0.2)
            redis.kill()
        time.sleep(0.2)
        return "t", 3599

    server = serve()

    def send(number):
        client = client_for(server, token_cache=TokenCache())
        return client.send(pay(server), authorize=fetch).status

    assert at_once(4, send) == [200] * 4
    assert len(tokens_sent) == 4


def test_a_redis_that_is_full_is_done_without(redis, serve, client_for, caplog):
    client = redis.client()
    client.config_set("maxmemory", "1")
    server = serve()
    assert client_for(server).send(pay(server), authorize=lambda _: ("t", 60)).status == 200
    with pytest.raises(RedisAway):
        link.require()
    assert _outages(caplog) == 1
