"""Fixtures: KRA settings that point to the sandbox, with and without an initialised device."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.models import KRASettings
from tests.hunt.plants import planted
from tests.sandbox.driver import SandboxDriver

PIN, BRANCH, SERIAL = "P051234567X", "00", "KRASERIAL0001"


def kra_values(
    sandbox: SandboxDriver, transport: str = "oscu_direct", **changes: Any
) -> dict[str, Any]:
    """Values of a settings row that works with the sandbox; its device is not initialised."""
    app = sandbox.kra("apps", key=planted("client id"), secret=planted("client secret"))
    return {
        "transport": transport,
        "kra_pin": PIN,
        "branch_code": BRANCH,
        "device_serial": SERIAL,
        "sandbox_url": sandbox.etims_url(transport),
        "gavaconnect_sandbox_url": sandbox.kra_url,
        "apigee_app_id": app["apigee_app_id"],
        "client_id": app["client_id"],
        "client_secret": app["client_secret"],
        "requests_per_second": 1000,
        **changes,
    }


def make_kra(sandbox: SandboxDriver, transport: str = "oscu_direct", **changes: Any) -> KRASettings:
    """A settings row whose device is approved and initialised; KRA has items and stock.

    `changes` are fields of the row. Business "shop" and branch "01" thus make a second unit.
    """
    values = kra_values(sandbox, transport, **changes)
    made = sandbox.kra_device(
        transport=transport,
        tin=values["kra_pin"],
        branch=values["branch_code"],
        serial=values["device_serial"],
        key=planted("communication key"),
    )
    for name in ("communication_key", "control_unit_id", "mrc_no"):
        values.setdefault(name, made[name])
    return KRASettings.objects.create(**values)


@pytest.fixture
def kra_hosts(transactional_db: None, sandbox: SandboxDriver, settings: Any) -> SandboxDriver:
    """The sandbox, as a host that may be called."""
    settings.OUTBOUND_ALLOWED_HOSTS = [sandbox.base_url.removeprefix("http://")]
    return sandbox


@pytest.fixture
def kra_row(kra_hosts: SandboxDriver) -> KRASettings:
    """Settings of the installation whose device KRA has approved, and nobody initialised."""
    kra_hosts.kra("approve", serial=SERIAL)
    return KRASettings.objects.create(**kra_values(kra_hosts))


@pytest.fixture
def kra(kra_hosts: SandboxDriver, request: pytest.FixtureRequest) -> KRASettings:
    """Settings of the installation with a device that is ready.

    By `oscu_direct`; another transport by indirect parameters: `@pytest.mark.parametrize("kra",
    ["oscu_gateway"], indirect=True)`.
    """
    return make_kra(kra_hosts, getattr(request, "param", "oscu_direct"))
