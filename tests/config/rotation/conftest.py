"""Keys and secrets for tests of key rotation."""

from __future__ import annotations

import pytest

from integrations.models import MpesaSettings
from tests.config.rotation.stock import fill
from tests.crypto.conftest import new_key, set_environment_key

__all__ = ["new_key", "set_environment_key"]


@pytest.fixture
def stock(row: MpesaSettings) -> None:
    """Secrets of several kinds, under the key of the environment."""
    fill()
