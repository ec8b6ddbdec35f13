"""The link to Redis: quick to give up, quiet about it, quick to come back."""

from __future__ import annotations

import logging
import os
import threading
import time

import pytest

from integrations.outbound.redis_link import PAUSE, TIMEOUT, RedisAway, RedisLink, Script, Sharing
from tests.outbound.conftest import at_once
from tests.private_services import free_port

ECHO = Script("return ARGV[1]")


@pytest.fixture
def fresh(own_redis, settings, clock, caplog):
    """A link of its own to a Redis of its own, and a clock that stands still."""
    settings.REDIS_URL = own_redis.url
    caplog.set_level(logging.INFO, "integrations.outbound")
    return RedisLink(clock=clock)


def _is_away(link):
    with pytest.raises(RedisAway):
        link.ask("PING")
    return link.sharing is Sharing.AWAY


def _events(caplog):
    return [record.getMessage().split()[0] for record in caplog.records]


def test_without_a_url_there_is_nothing_to_ask(settings):
    settings.REDIS_URL = ""
    link = RedisLink()
    with pytest.raises(RedisAway):
        link.ask("PING")
    assert (link.sharing, link.away_seconds) == (Sharing.LOCAL, None)


def test_keys_begin_with_the_installations_prefix(settings):
    settings.INTEGRATIONS_REDIS_PREFIX = "branch"
    assert RedisLink.key("gate", "mpesa", "c1") == "branch:outbound:gate:mpesa:c1"


def test_a_flushed_redis_learns_its_scripts_again(fresh, own_redis):
    assert fresh.run(ECHO, [], "a") == "a"
    own_redis.client().script_flush()
    own_redis.flush()
    assert fresh.run(ECHO, [], "b") == "b"
    assert fresh.sharing is Sharing.REDIS


def test_a_redis_that_comes_back_without_its_scripts_is_back(fresh, own_redis, clock):
    fresh.run(ECHO, [], "a")
    own_redis.kill()
    assert _is_away(fresh)
    own_redis.start()
    clock.now = PAUSE
    assert fresh.run(ECHO, [], "b") == "b"
    assert fresh.sharing is Sharing.REDIS


def test_a_restart_between_two_calls_is_no_outage(fresh, own_redis, caplog):
    at_once(4, lambda _: fresh.ask("PING"))
    own_redis.kill()
    own_redis.start()
    assert fresh.ask("PING") == "PONG"
    assert _events(caplog) == []


def test_a_dead_redis_is_left_alone_for_a_while_and_told_of_once(fresh, own_redis, clock, caplog):
    lost = []
    fresh.on_outage(lambda: lost.append(clock.now))
    assert fresh.ask("PING") == "PONG"
    own_redis.kill()
    for _ in range(4):
        assert _is_away(fresh)
        clock.now += PAUSE
    assert (_events(caplog), lost) == (["event=redis_away"], [0.0])
    assert fresh.away_seconds == 4 * PAUSE
    own_redis.start()
    assert fresh.ask("PING") == "PONG"
    assert (fresh.sharing, fresh.away_seconds) == (Sharing.REDIS, None)
    own_redis.kill()
    assert _is_away(fresh)
    assert _events(caplog) == ["event=redis_away", "event=redis_back", "event=redis_away"]


def test_during_the_pause_nothing_is_even_tried(fresh, own_redis, clock):
    own_redis.kill()
    assert _is_away(fresh)
    own_redis.start()
    clock.now = PAUSE - 0.1
    assert _is_away(fresh)
    clock.now = PAUSE
    assert fresh.ask("PING") == "PONG"


def test_a_hanging_redis_costs_one_short_timeout_and_then_one_call_per_pause(
    fresh, own_redis, clock
):
    fresh.ask("PING")
    own_redis.pause()
    started = time.monotonic()
    assert _is_away(fresh)
    assert TIMEOUT <= time.monotonic() - started < 2 * TIMEOUT
    clock.now = PAUSE

    def timed(_):
        started = time.monotonic()
        assert _is_away(fresh)
        return time.monotonic() - started

    waits = sorted(at_once(6, timed))
    assert waits[-1] >= TIMEOUT
    assert waits[-2] < TIMEOUT


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1/", "redis://127.0.0.1:port/0"])
def test_a_url_that_is_none_is_an_outage_and_no_error(settings, caplog, clock, url):
    settings.REDIS_URL = url
    link = RedisLink(clock=clock)
    for _ in range(3):
        assert _is_away(link)
        clock.now += PAUSE
    assert _events(caplog) == ["event=redis_away"]


def test_neither_the_log_nor_the_error_quotes_the_password(settings, caplog):
    settings.REDIS_URL = f"redis://me:t0psecret@127.0.0.1:{free_port()}/0"
    link = RedisLink()
    with pytest.raises(RedisAway) as caught:
        link.ask("PING")
    assert "t0psecret" not in caplog.text + repr(caught.value)
    assert caught.value.__suppress_context__


def test_an_error_of_redis_itself_is_an_outage_too(fresh, own_redis, clock):
    fresh.ask("SET", "text", "a")
    with pytest.raises(RedisAway):
        fresh.ask("HGET", "text", "field")
    clock.now = PAUSE
    assert fresh.ask("GET", "text") == "a"


def test_an_answer_to_an_older_command_does_not_end_an_outage(fresh, own_redis, clock, caplog):
    fresh.ask("SET", "text", "a")
    slow = threading.Thread(target=fresh.ask, args=("BLPOP", "nothing", 0.15))
    slow.start()
    time.sleep(0.05)
    with pytest.raises(RedisAway):
        fresh.ask("HGET", "text", "field")
    slow.join(5)
    assert fresh.sharing is Sharing.AWAY
    assert _events(caplog) == ["event=redis_away"]


def test_a_refused_password_is_an_outage(fresh, own_redis, settings):
    own_redis.client().config_set("requirepass", "right")
    settings.REDIS_URL = own_redis.url.replace("//", "//:wrong@")
    assert _is_away(fresh)


def test_threads_share_its_connections(fresh, own_redis):
    for _ in range(5):
        at_once(6, lambda _: fresh.ask("PING"))
    with own_redis.client() as client:
        assert len(client.client_list()) <= 6 + 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_neither_uses_nor_closes_its_parents_connection(own_redis, settings):
    from integrations.outbound.redis_link import link

    settings.REDIS_URL = own_redis.url
    mine = link.ask("CLIENT", "ID")
    link._lock.acquire()  # another thread of the parent, at the worst moment
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, str(link.ask("CLIENT", "ID")).encode())
        os._exit(0)
    link._lock.release()
    os.waitpid(child, 0)
    theirs = os.read(reader, 100)
    assert theirs
    assert theirs != str(mine).encode()
    assert link.ask("CLIENT", "ID") == mine
