"""Fixtures: a branch with a device, by each transport, and what an ERP hands in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from integrations import work
from integrations.config import clear_cache
from integrations.kra.outbox.states import QUEUE
from integrations.kra.outbox.submit import submit
from integrations.models import KRABranch, KRAInvoice, KRAItem, KRASettings
from integrations.outbound import gate
from tests.conftest import clear_shared
from tests.hunt.spool import spool
from tests.kra.conftest import PIN, kra_values
from tests.sandbox.driver import SandboxDriver

ITEM = "KE2NTNO0000001"


class Shop:
    """One branch, its settings row, and the sandbox as its KRA."""

    def __init__(self, sandbox: SandboxDriver, transport: str, branch: str, **changes: Any) -> None:
        self.sandbox, self.transport, self.code = sandbox, transport, branch
        options = changes.pop("device", {})
        made = sandbox.kra_device(transport=transport, branch=branch, **options)
        key = made["communication_key"]
        if key:
            spool.learn("communication key", key)
        app = {}
        if transport == "oscu_gateway":
            issued = sandbox.kra("apps")
            spool.learn("client secret", issued["client_secret"])
            app = {
                "client_id": issued["client_id"],
                "client_secret": issued["client_secret"],
                "apigee_app_id": issued["apigee_app_id"],
            }
        values = kra_values(sandbox, transport, branch_code=branch)
        is_main = not KRASettings.objects.exists()
        self.row = KRASettings.objects.create(
            **{
                **values, **app, "communication_key": key or "",
                "control_unit_id": made["control_unit_id"], "mrc_no": made["mrc_no"],
                "is_main": is_main, **changes,
            }
        )  # fmt: skip
        KRAItem.objects.get_or_create(
            environment="sandbox", tin=PIN, item_code=ITEM,
            defaults={
                "class_code": "5059690800", "name": "Sugar 1 kg", "type_code": "2",
                "packaging_unit": "NT", "quantity_unit": "NO", "tax_type": "B",
                "reference": "SUGAR",
            },
        )  # fmt: skip
        self.count = 0

    @property
    def unit(self) -> KRABranch:
        return KRABranch.objects.get(tin=PIN, bhf_id=self.code)

    def invoice(self, number: str = "", **changes: Any) -> dict[str, Any]:
        self.count += 1
        return {
            "invoice_number": number or f"INV-{self.code}-{self.count:04d}",
            "issue_date": timezone.localdate().isoformat(),
            "customer": {"name": "Mwangi & Sons"},
            "prices_include_tax": True,
            "items": [self.line()],
            **changes,
        }

    @staticmethod
    def line(**changes: Any) -> dict[str, Any]:
        return {
            "description": "Sugar 1 kg", "item_code": ITEM, "quantity": "2",
            "unit_price": "1160.00", **changes,
        }  # fmt: skip

    def credit(self, original: KRAInvoice, number: str = "", **changes: Any) -> dict[str, Any]:
        self.count += 1
        return {
            "invoice_number": number or f"CN-{self.code}-{self.count:04d}",
            "issue_date": timezone.localdate().isoformat(),
            "original_invoice_number": original.trader_number,
            "customer": {"name": original.customer_name},
            "reason": "06",
            **changes,
        }

    def submit(self, data: dict[str, Any] | None = None, **changes: Any) -> KRAInvoice:
        return submit(data or self.invoice(**changes), branch=self.code)

    def book(self) -> list[dict[str, Any]]:
        return list(self.sandbox.kra_unit(branch=self.code)["sales"])


@pytest.fixture
def open_shop(kra_hosts: SandboxDriver) -> Callable[..., Shop]:
    """Opens a branch: `open_shop(transport="oscu_direct", branch="00", **settings)`."""

    def opened(transport: str = "oscu_direct", branch: str = "00", **changes: Any) -> Shop:
        shop = Shop(kra_hosts, transport, branch, **changes)
        clear_cache()
        return shop

    return opened


@pytest.fixture
def shop(open_shop: Callable[..., Shop]) -> Shop:
    """The head office, by KRA's own host."""
    return open_shop()


def drain() -> int:
    """What is due now, until nothing is."""
    return work.drain(QUEUE, budget_seconds=20)


def hurry() -> None:
    """Everything that waits for a time is due now; leases have ended."""
    from integrations.work.clock import later

    KRAInvoice.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=later(-1))
    KRABranch.objects.update(lease_until=None)


def work_on(rounds: int = 8) -> None:
    """Until nothing waits any more, or the rounds are over."""
    for _ in range(rounds):
        drain()
        if not KRAInvoice.objects.filter(next_attempt_at__isnull=False).exists():
            return
        hurry()


def calm() -> None:
    """Circuits that failures opened are closed: in this process, and in Redis where it is used."""
    gate.local.forget()
    clear_shared()


def state_of(invoice: KRAInvoice) -> str:
    invoice.refresh_from_db()
    return str(invoice.state)
