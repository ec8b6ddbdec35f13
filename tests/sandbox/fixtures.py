"""Fixtures: one sandbox per test process, put back to its beginning around every test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from integrations.sandbox.server import Sandbox
from tests.hunt.spool import spool
from tests.sandbox.driver import SandboxDriver

# 26 provider seconds take 26 milliseconds.
SPEED = 0.001


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[Sandbox]:
    """The server of this test process (each xdist worker is one)."""
    with Sandbox(speed=SPEED) as server:
        yield server


@pytest.fixture
def sandbox(sandbox_server: Sandbox) -> Iterator[SandboxDriver]:
    """A driver of the sandbox, which holds nothing from earlier tests."""
    driver = SandboxDriver(sandbox_server.url)
    sandbox_server.reset()
    yield driver
    _learn_secrets(sandbox_server)
    # No callback of this test may arrive in the next one.
    sandbox_server.reset()
    driver.close()


def _learn_secrets(server: Sandbox) -> None:
    """Tell the leak hunt which secrets the provider has seen: callback paths, access tokens."""
    for mount in server.mounts.values():
        emulator = mount.emulator
        for url in _urls(emulator.book()):
            for part in urlsplit(url).path.split("/"):
                if len(part) == 32:
                    spool.learn("secret of a callback path", part)
        for key in _device_keys(emulator):
            spool.learn("communication key", key)
        for token in emulator.office.grants:  # type: ignore[attr-defined]
            spool.learn("access token", token)


def _urls(book: dict[str, Any]) -> Iterator[str]:
    """Every address of ours that the provider was told."""
    lists = ("prompts", "payouts", "reversals", "queries", "registrations", "pull")
    for entry in (entry for name in lists for entry in book.get(name, ())):
        yield from (value for name, value in entry.items() if name.endswith("_url"))


def _device_keys(emulator: Any) -> Iterator[str]:
    """The keys of KRA's control units."""
    world = getattr(emulator, "world", None)
    for unit in getattr(world, "units", {}).values():
        if unit.key:
            yield unit.key
