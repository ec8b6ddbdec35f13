"""Servers on loopback, clients that may reach them, and a clean process state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache

from integrations.outbound import Call, Client, Limits, breaker, limiter, recorder
from integrations.outbound.pool import sessions
from integrations.outbound.tokens import tokens
from tests.outbound.servers import LoopbackServer, Reply, answer


@pytest.fixture(autouse=True)
def _clean_process(settings: Any) -> Iterator[None]:
    def clean() -> None:
        sessions.forget()
        breaker.local.forget()
        limiter.local.forget()
        tokens.forget()
        recorder.discard_pending()
        cache.clear()

    settings.OUTBOUND_ALLOWED_HOSTS = []
    settings.OUTBOUND_PROXY = ""
    clean()
    yield
    clean()


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
