"""Servers on loopback, clients that may reach them, and a clean process state."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from integrations.crypto.keyring import EnvironmentOnly, keyring
from integrations.outbound import Call, Client, Limits, redis_link
from integrations.outbound.gate import Gate
from integrations.outbound.local_gate import LocalState
from integrations.outbound.pool import sessions
from integrations.outbound.redis_gate import RedisState
from integrations.outbound.redis_link import link
from tests.outbound.servers import LoopbackServer, Reply, answer
from tests.private_services import PrivateRedis


@pytest.fixture(autouse=True)
def _clean_process(settings: Any) -> Iterator[None]:
    settings.OUTBOUND_ALLOWED_HOSTS = []
    settings.OUTBOUND_PROXY = ""
    sessions.forget()
    yield
    sessions.forget()


@pytest.fixture
def serve(settings: Any) -> Iterator[Callable[..., LoopbackServer]]:
    """Starts servers that the operator allows (allow=False: that nobody may call)."""
    started: list[LoopbackServer] = []

    def start(reply: Reply | None = None, *, allow: bool = True, **kwargs: Any) -> LoopbackServer:
        server = LoopbackServer(reply or answer(), **kwargs)
        started.append(server)
        if allow:
            settings.OUTBOUND_ALLOWED_HOSTS = [*settings.OUTBOUND_ALLOWED_HOSTS, server.place]
        return server

    yield start
    for server in started:
        server.stop()


class Clock:
    """Time that moves when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def _common_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRedis]:
    server = PrivateRedis(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.kill()


@pytest.fixture
def empty_redis(
    _common_redis: PrivateRedis, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> PrivateRedis:
    """A Redis that holds nothing and is in use. Tests that stop it take `own_redis` instead."""
    # A test machine that is busy is no outage.
    monkeypatch.setattr(redis_link, "TIMEOUT", 5.0)
    _common_redis.flush()
    settings.REDIS_URL = _common_redis.url
    return _common_redis


@pytest.fixture(params=["local", "redis"])
def sharing(request: pytest.FixtureRequest, settings: Any) -> str:
    """Both places where state can lie, one after the other: this process and Redis."""
    settings.REDIS_URL = ""
    if request.param == "redis":
        request.getfixturevalue("empty_redis")
    return str(request.param)


@pytest.fixture
def gate_for(sharing: str) -> Callable[..., Gate]:
    """Makes a gate with a clock and a rate of its own; on Redis, all of them share their state."""

    def make(
        clock: Callable[[], float] | None = None, rate: tuple[float, float] = (1e6, 1e6)
    ) -> Gate:
        local = LocalState(clock=clock or time.monotonic)
        return Gate(local, RedisState(link, clock=clock), rate=lambda provider, usual: rate)

    return make


@pytest.fixture
def environment_keys() -> Iterator[None]:
    """Keys from CYPHER_KEY alone, so that threads and child processes need no database."""
    before = keyring._source
    keyring.use(EnvironmentOnly())
    yield
    keyring.use(before)


class Source:
    """Hands out t1, t2, ... and counts."""

    def __init__(self, lifetime: float = 3599, pause: float = 0) -> None:
        self.lifetime, self.pause = lifetime, pause
        self.count = 0

    def __call__(self, *_: Any) -> tuple[str, float]:
        self.count += 1
        token = f"t{self.count}"
        time.sleep(self.pause)
        return token, self.lifetime


def at_once(count: int, action: Callable[[int], Any]) -> list[Any]:
    """What `action` returns in as many threads, started together."""
    together = threading.Barrier(count)

    def act(number: int) -> Any:
        together.wait(30)
        try:
            return action(number)
        finally:
            # A thread that ended would keep its connection until somebody collects garbage, and
            # PostgreSQL has not many to give.
            connections.close_all()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(act, range(count)))


class Sleeps(list[float]):
    """A sleeper that only notes how long it should have slept."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def sleeps() -> Sleeps:
    """The waits that a client asked for; none of them takes time."""
    return Sleeps()


@pytest.fixture
def client_for(sleeps: Sleeps) -> Callable[..., Client]:
    """Makes a client whose credentials belong to a server."""

    def make(server: LoopbackServer, **kwargs: Any) -> Client:
        kwargs = {"credential": "c1", "hosts": frozenset({server.place}), "sleep": sleeps} | kwargs
        return Client("mpesa", **kwargs)

    return make


def get(server: LoopbackServer, path: str = "/", **kwargs: Any) -> Call:
    """An idempotent call, tried once unless told otherwise."""
    return Call("query", "GET", server.url(path), **{"idempotent": True, "retry": 1, **kwargs})


def pay(server: LoopbackServer, **kwargs: Any) -> Call:
    """A money post."""
    return Call("stk_push", "POST", server.url("/pay"), **{"json": {"Amount": 1}, **kwargs})


def limits(**kwargs: Any) -> Limits:
    """Short limits, so that tests are short too."""
    return Limits(**{"connect": 1.0, "read": 0.3, "total": 2.0, **kwargs})
