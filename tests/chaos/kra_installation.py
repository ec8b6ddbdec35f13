"""An installation whose branches sign invoices: one way to KRA for each."""

from __future__ import annotations

from typing import Any

from django.db import connections

from integrations.models import KRAItem, KRASettings
from tests.chaos.installation import Installation
from tests.hunt.plants import planted

PIN = "P051234567X"
# Branch and its way to KRA.
BRANCHES = {"00": "oscu_direct", "01": "oscu_gateway", "02": "vscu", "03": "oscu_direct"}
# Code, name, kind, packaging, tax type: the sandbox's standard catalogue.
ITEMS = (
    ("KE2NTNO0000001", "5059690800", "Sugar 1 kg", "2", "NT", "B"),
    ("KE2NTNO0000002", "5022110000", "Maize flour 2 kg", "2", "NT", "A"),
    ("KE2CTNO0000003", "5110000000", "Painkiller", "2", "CT", "C"),
    ("KE2CTNO0000004", "9999999900", "Sundries", "2", "CT", "D"),
    ("KE2CTNO0000005", "1511150000", "Gas 6 kg", "2", "CT", "E"),
    ("KE3CTNO0000006", "8010000000", "Delivery", "3", "CT", "B"),
)
_KEYS = {branch: f"{number:032X}" for number, branch in enumerate(BRANCHES, start=0xC0DE)}


class KraInstallation(Installation):
    """Web is not started: the test hands invoices in itself."""

    def __init__(
        self, *arguments: Any, branches: tuple[str, ...] = tuple(BRANCHES), **options: Any
    ):
        self.branches = branches
        super().__init__(*arguments, **options)

    def configure(self) -> None:
        """Store settings of every branch, and the items."""
        for branch in self.branches:
            transport = BRANCHES[branch]
            KRASettings.objects.create(
                transport=transport,
                kra_pin=PIN,
                branch_code=branch,
                is_main=branch == self.branches[0],
                device_serial=f"SERIAL{branch}",
                communication_key=_KEYS[branch],
                control_unit_id=f"KRACU01000000{branch}",
                sandbox_url=self.sandbox.etims_url(transport),
                gavaconnect_sandbox_url=self.sandbox.kra_url,
                apigee_app_id="chaos",
                client_id=planted("client id"),
                client_secret=planted("client secret"),
                requests_per_second=1000,
            )
        for code, cls, name, kind, packaging, tax in ITEMS:
            KRAItem.objects.create(
                environment="sandbox", tin=PIN, item_code=code, class_code=cls, name=name,
                type_code=kind, packaging_unit=packaging, quantity_unit="NO", tax_type=tax,
            )  # fmt: skip
        connections.close_all()

    def start(self, *names: str) -> None:
        """The sandbox first: one that does not know the app yet refuses the keys of workers, and
        their branches are held for a person."""
        names = names or ("sandbox", "worker")
        workers = [name for name in names if name != "sandbox"]
        if "sandbox" in names:
            super().start("sandbox")
        if workers:
            super().start(*workers)

    def plan_faults(self) -> None:
        """Equip the sandbox; after a kill its journal has the devices still."""
        self.sandbox.kra(
            "apps", key=planted("client id"), secret=planted("client secret"), app_id="chaos"
        )
        ready = {unit["branch"] for unit in self.sandbox.kra_book()["units"] if unit["initialised"]}
        for branch in self.branches:
            if branch not in ready:
                self.sandbox.kra_device(
                    transport=BRANCHES[branch], branch=branch, serial=f"SERIAL{branch}",
                    key=_KEYS[branch], control_unit_id=f"KRACU01000000{branch}",
                )  # fmt: skip
