"""Fixtures: a ready branch whose lists were read."""

from __future__ import annotations

import pytest

from integrations.kra.service import KRAService
from integrations.models import KRASettings
from tests.sandbox.driver import SandboxDriver


@pytest.fixture
def service(kra: KRASettings, sandbox: SandboxDriver) -> KRAService:
    """KRAService of the installation; KRA's codes, classes and items are known."""
    made = KRAService()
    done, told = made.sync_tax_data(lists=["codes", "item_classes", "items"])
    assert done, told
    return made
