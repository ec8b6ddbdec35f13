"""Keys for tests, and a way to change the environment's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet

from integrations.crypto import keyring


@pytest.fixture
def new_key() -> Callable[[], str]:
    return lambda: Fernet.generate_key().decode()


@pytest.fixture
def set_environment_key(settings: Any) -> Callable[[str], None]:
    """What a restart with another CYPHER_KEY does."""

    def change(keys: str) -> None:
        settings.CYPHER_KEY = keys
        keyring.forget()

    return change
