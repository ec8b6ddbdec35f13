"""Fixtures: KRA settings of the installation that point to the sandbox, with a ready device."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.models import KRASettings
from tests.hunt.plants import planted
from tests.sandbox.driver import SandboxDriver

PIN, BRANCH, SERIAL = "P051234567X", "00", "KRASERIAL0001"
# Where the sandbox mounts the control unit of each transport.
MOUNTS = {
    "oscu_direct": "kra/etims-api",
    "oscu_gateway": "kra/etims-oscu/api/v1",
    "vscu": "kra/vscu",
}


def kra_values(sandbox: SandboxDriver, transport: str = "oscu_direct", **changes: Any) -> Any:
    """Values of a settings row that works with the sandbox; its device is not initialised."""
    return {
        "transport": transport,
        "kra_pin": PIN,
        "branch_code": BRANCH,
        "device_serial": SERIAL,
        "sandbox_url": f"{sandbox.base_url}/{MOUNTS[transport]}",
        "gavaconnect_sandbox_url": f"{sandbox.base_url}/kra",
        "apigee_app_id": "app-0001" if transport == "oscu_gateway" else "",
        "client_id": planted("client id"),
        "client_secret": planted("client secret"),
        "requests_per_second": 1000,
        **changes,
    }


@pytest.fixture
def kra_hosts(transactional_db: None, sandbox: SandboxDriver, settings: Any) -> SandboxDriver:
    """The sandbox, as a host that may be called."""
    settings.OUTBOUND_ALLOWED_HOSTS = [sandbox.base_url.removeprefix("http://")]
    return sandbox


@pytest.fixture
def kra_row(kra_hosts: SandboxDriver) -> KRASettings:
    """Settings of the installation without a device yet."""
    return KRASettings.objects.create(**kra_values(kra_hosts))
