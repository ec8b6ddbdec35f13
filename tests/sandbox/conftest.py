from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.daraja import Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.fixtures import sandbox, sandbox_server  # noqa: F401
from tests.sandbox.office import Office
from tests.sandbox.receiver import Receiver

HERE = Path(__file__).parent


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def shop(sandbox: SandboxDriver, receiver: Receiver) -> Iterator[Shop]:  # noqa: F811
    made = Shop(sandbox.daraja_url, receiver.url)
    yield made
    made.session.close()


@pytest.fixture
def office(sandbox: SandboxDriver, shop: Shop, receiver: Receiver) -> Office:  # noqa: F811
    return Office(sandbox, shop, receiver)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The emulator keeps its books in memory: a second stack would show nothing new."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("stackless")
