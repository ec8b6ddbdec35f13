"""Web, worker and sandbox as child processes on free loopback ports: the demo's stage."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import requests
from cryptography.fernet import Fernet

PROJECT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 10.0
_ADDRESS = re.compile(r"panel at (http://[\d.]+:\d+)/")


class StackError(Exception):
    """A child process did not come up, or stopped; the text names it and its log."""


def free_port() -> int:
    """A loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fresh_environment(folder: Path) -> dict[str, str]:
    """Settings of a throw-away installation in `folder`, with keys of its own."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return environment | {
        "DJANGO_SETTINGS_MODULE": "bengoerp.settings",
        "BENGOERP_NO_DOTENV": "1",
        "DJANGO_DEBUG": "1",
        "DJANGO_LOG_LEVEL": "WARNING",
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
        "CYPHER_KEY": Fernet.generate_key().decode(),
        "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
        "PYTHONUNBUFFERED": "1",
    }


@dataclass
class LocalStack:
    """The child processes and the environment they share. Logs go to `folder`."""

    folder: Path
    environment: dict[str, str]
    is_interactive: bool = False
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    web_url: str = ""
    sandbox_url: str = ""
    # host:port to which webhooks may be sent; nothing listens there yet.
    receiver_place: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")

    def manage(self, *arguments: str) -> None:
        """Run a management command to its end; raises StackError with its output."""
        done = subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise StackError(f"manage.py {arguments[0]} failed:\n{done.stderr.decode()[-2000:]}")

    def start(self) -> None:
        """Migrate, then start sandbox, web and worker; returns when all three answer."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.manage("migrate", "--no-input", "--verbosity", "0")
        speed = ["--interactive"] if self.is_interactive else ["--speed", "0.1"]
        self._spawn("sandbox", ["manage.py", "sandbox", "--port", "0", *speed])
        self.sandbox_url = self._wait_for("sandbox", self._read_sandbox_address)
        port = free_port()
        self.web_url = f"http://127.0.0.1:{port}"
        self.environment["PUBLIC_BASE_URL"] = self.web_url
        allowed = [self.sandbox_url.removeprefix("http://"), self.receiver_place]
        self.environment["OUTBOUND_ALLOWED_HOSTS"] = ",".join(allowed)
        gunicorn = ["-m", "gunicorn", "bengoerp.wsgi", "--bind", f"127.0.0.1:{port}"]
        self._spawn("web", [*gunicorn, "--threads", "4", "--no-control-socket"])
        self._spawn("worker", ["manage.py", "worker"])
        self._wait_for("web", self._web_answers)

    def stop(self) -> None:
        """Stop all children, kindly first."""
        for child in reversed(self.children.values()):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.1, deadline - time.monotonic()))
            if child.poll() is None:
                child.kill()
                child.wait()
        self.children.clear()

    def watch(self) -> None:
        """Return when a child has stopped by itself; raises StackError naming it."""
        while True:
            for name, child in self.children.items():
                if child.poll() is not None:
                    raise self._failed(name, "stopped")
            time.sleep(0.5)

    def _spawn(self, name: str, arguments: list[str]) -> None:
        with self._log(name).open("wb") as log:
            self.children[name] = self._popen(arguments, log)

    def _popen(self, arguments: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C reaches this process alone, which then stops them in order.
        return subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, *arguments],
            cwd=PROJECT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _failed(self, name: str, what: str) -> StackError:
        tail = self._log(name).read_text(errors="replace")[-2000:]
        return StackError(f"The {name} process {what}. Its log ends with:\n{tail}")

    def _wait_for(self, name: str, answer: Callable[[], object]) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.children[name].poll() is not None:
                raise self._failed(name, "stopped")
            found = answer()
            if found:
                return str(found)
            time.sleep(0.1)
        raise self._failed(name, "did not answer")

    def _read_sandbox_address(self) -> str:
        match = _ADDRESS.search(self._log("sandbox").read_text(errors="replace"))
        return match.group(1) if match else ""

    def _web_answers(self) -> bool:
        try:
            return requests.get(f"{self.web_url}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False


@contextlib.contextmanager
def running(stack: LocalStack) -> Iterator[LocalStack]:
    """The stack started, and stopped however the block ends."""
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
