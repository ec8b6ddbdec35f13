from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.daraja import Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.fixtures import sandbox, sandbox_server  # noqa: F401
from tests.sandbox.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def shop(sandbox: SandboxDriver, receiver: Receiver) -> Iterator[Shop]:  # noqa: F811
    made = Shop(sandbox.daraja_url, receiver.url)
    yield made
    made.session.close()
