"""A PostgreSQL and a Redis of a test's own, to stop, kill, flush and restart as it likes.

The services that other tests use must not be touched. Where a program is missing, tests are
skipped, except in CI, where that is a failure.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
import redis


def require(program: str) -> str:
    """The path of a program; skips (fails in CI) where there is none."""
    found = shutil.which(program) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))), None
    )
    if found:
        return found
    if os.environ.get("CI_STACK"):
        pytest.fail(f"CI needs {program}")
    pytest.skip(f"{program} is not installed")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _until(is_true: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen in {seconds:g} s")
        time.sleep(0.02)


class PrivateRedis:
    """redis-server on a port of its own, nothing on disk: a restart has lost everything."""

    def __init__(self, folder: Path) -> None:
        self._program = require("redis-server")
        self._folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=2)

    def start(self) -> Self:
        self._process = subprocess.Popen(
            [self._program, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "",
             "--appendonly", "no", "--dir", str(self._folder)],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        _until(self.is_up, "redis-server's start")
        return self

    def is_up(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Accepts connections and answers nothing, until `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None


class PrivatePostgres:
    """A PostgreSQL cluster in a temporary folder; restarts keep its data.

    As root it runs as the user `postgres`, since the server refuses root.
    """

    def __init__(self) -> None:
        self._control, initdb = require("pg_ctl"), require("initdb")
        self._data = Path(tempfile.mkdtemp(prefix="bengoerp-postgres-"))
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._user = {"user": "postgres"}
            shutil.chown(self._data, "postgres")
        self.port = free_port()
        self._run(initdb, "-D", str(self._data), "-U", "postgres", "-A", "trust", "--no-sync",
                  "-E", "UTF8", "--locale=C.UTF-8")  # fmt: skip
        with (self._data / "postgresql.conf").open("a") as file:
            # Durability is what a restart tests; a test machine's power is not.
            file.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nfsync = off\n"
                f"unix_socket_directories = ''\nmax_connections = 200\n"
            )

    def url(self, name: str = "postgres") -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"

    def start(self) -> Self:
        log = str(self._data / "server.log")
        self._run(self._control, "-D", str(self._data), "-l", log, "-w", "-t", "60", "start")
        return self

    def execute(self, statement: str, *, name: str = "postgres") -> list[tuple[Any, ...]]:
        """One statement outside any transaction; its rows, [] where it has none."""
        with psycopg.connect(self.url(name), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return list(cursor.fetchall()) if cursor.description else []

    def restart(self) -> None:
        """Break every connection, at once, as a crash of the server would."""
        self.stop()
        self.start()

    def stop(self) -> None:
        self._run(self._control, "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def discard(self) -> None:
        self.stop()
        shutil.rmtree(self._data, ignore_errors=True)

    def _run(self, *command: str) -> None:
        # Files, not pipes: the server would inherit a pipe and hold it open.
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
            timeout=90, cwd="/", **self._user,
        )  # fmt: skip
        assert done.returncode == 0, f"{command[0]} failed with {done.returncode}"


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[PrivateRedis]:
    server = PrivateRedis(tmp_path).start()
    yield server
    server.kill()


@pytest.fixture
def own_postgres() -> Iterator[PrivatePostgres]:
    server = PrivatePostgres().start()
    yield server
    server.discard()
