"""Fixtures: one sandbox per test process, put back to its beginning around every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integrations.sandbox.server import Sandbox
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
    # No callback of this test may arrive in the next one.
    sandbox_server.reset()
    driver.close()
