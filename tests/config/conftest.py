"""A settings row, a clock that tests move, and changes that come from elsewhere."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, models

from integrations.crypto import keyring
from integrations.models import ConfigStamp, MpesaSettings
from tests.hunt.plants import planted
from tests.processes import child_environment

VALUES = {
    "consumer_key": planted("consumer key"),
    "consumer_secret": planted("consumer secret"),
    "passkey": planted("passkey"),
    "short_code": "600000",
}


@pytest.fixture
def row(transactional_db: None) -> MpesaSettings:
    """The installation's settings, not shared."""
    return MpesaSettings.objects.create(**VALUES)


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the monotonic clock of this process on."""
    real, passed = time.monotonic, 0.0

    def move(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(time, "monotonic", lambda: real() + passed)
    return move


def in_thread(action: Callable[[], Any]) -> Any:
    """What `action` returns in a thread with a connection of its own."""

    def run() -> Any:
        try:
            return action()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(timeout=20)


def change_as_another_process(is_stamped: bool = True, **values: Any) -> None:
    """Commit a change that this process gets no notice of."""

    def write() -> None:
        models.QuerySet(MpesaSettings).update(**values)
        if is_stamped:
            ConfigStamp.objects.update(token=secrets.token_hex(8))

    in_thread(write)


@pytest.fixture
def database_down() -> Iterator[Callable[[], Any]]:
    """A context in which each query of this thread fails as a lost database does."""

    def refuse(*_: Any) -> None:
        raise OperationalError("the server is gone")

    yield lambda: connection.execute_wrapper(refuse)


@pytest.fixture
def warm_keyring() -> Callable[[], None]:
    return lambda: keyring.decrypt(keyring.encrypt("x")) and None


def run_script(script: str, *arguments: str, **environment: str) -> str:
    """What a Python process prints that uses this test database; fails with its error."""
    done = subprocess.run(
        [sys.executable, "-c", f"import django\ndjango.setup()\n{script}", *arguments],
        env=child_environment(DJANGO_SETTINGS_MODULE="tests.settings", **environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
