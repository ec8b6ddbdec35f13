"""What the servers saw: which of their connections was used, and when."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import redis

from tests.outbound.servers import LoopbackServer, Request, answer
from tests.private_services import PrivateRedis


class Witness:
    """A listener that tells each caller its port, and a Redis that reports every command."""

    def __init__(self, server: PrivateRedis) -> None:
        self.redis = server
        self.phase = "before"
        # Client ports by phase and the command that its user is known by.
        self._ports: dict[tuple[str, str], set[str]] = defaultdict(set)
        # Client ports of HTTP calls by the name of who called.
        self.callers: dict[str, set[int]] = defaultdict(set)
        self.listener = LoopbackServer(self._tell_port)
        self._marks = server.client()
        self._marks.ping()
        # Silence between commands is no fault.
        self._monitored = redis.Redis(port=server.port, socket_timeout=None)
        self._seen = threading.Event()
        self._ready = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()
        assert self._ready.wait(60)

    def environment(self) -> dict[str, str]:
        """How a child process finds both."""
        address = f"redis://127.0.0.1:{self.redis.port}"
        return {
            "FORK_PLACE": self.listener.place,
            "REDIS_URL": f"{address}/0",
            "CELERY_BROKER_URL": f"{address}/1",
        }

    def begin(self, phase: str) -> None:
        """Put what comes now under another heading; returns when the server agrees."""
        self._seen.clear()
        self._marks.echo(f"phase {phase}")
        assert self._seen.wait(60)

    def cache_ports(self, phase: str) -> set[str]:
        return self._ports[phase, "SET"]

    def gate_ports(self, phase: str) -> set[str]:
        """Of limiter, breaker and tokens, which are scripts."""
        return self._ports[phase, "EVALSHA"]

    def broker_ports(self, phase: str) -> set[str]:
        return self._ports[phase, "LPUSH"]

    def stop(self) -> None:
        self.listener.stop()

    def _tell_port(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        port = handler.client_address[1]
        self.callers[request.path.strip("/")].add(port)
        answer(200, b'{"port": %d}' % port)(handler, request)

    def _watch(self) -> None:
        mine = str(self._marks.client_info()["addr"]).rpartition(":")[2]
        with self._monitored.monitor() as monitor:
            self._ready.set()
            try:
                for command in monitor.listen():
                    self._note(command, mine)
            except (redis.RedisError, OSError, ValueError):
                return  # the server is gone: the test has ended

    def _note(self, command: dict[str, Any], mine: str) -> None:
        verb, _, rest = command["command"].partition(" ")
        if command["client_port"] == mine and verb == "ECHO":
            self.phase = rest.removeprefix("phase ")
            self._seen.set()
        elif command["client_port"]:  # what a script does has none
            self._ports[self.phase, verb].add(command["client_port"])


@pytest.fixture
def witness(own_redis: PrivateRedis) -> Iterator[Witness]:
    watching = Witness(own_redis)
    yield watching
    watching.stop()
