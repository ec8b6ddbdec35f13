"""Fixtures of GavaConnect: an app of the portal, and settings that lead to the sandbox's desk."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.models import KRASettings
from integrations.services import KRAService
from tests.hunt.plants import planted
from tests.kra.fixtures import kra_values
from tests.sandbox.driver import SandboxDriver

INDIVIDUAL, OTHER, COMPANY, OWN = "A744610021G", "A521040203F", "P318295670X", "P051234567X"


class Portal:
    """KRA's side: what GavaConnect knows, plans and has in its book."""

    def __init__(self, sandbox: SandboxDriver) -> None:
        self.sandbox = sandbox

    def enrol(self, *products: str, key: str = "client id", secret: str = "client secret") -> None:
        told = {"products": list(products)} if products else {}
        self.sandbox.kra("apps", key=planted(key), secret=planted(secret), **told)

    def taxpayer(self, pin: str, **values: Any) -> None:
        self.sandbox.kra("gava-taxpayers", pin=pin, **values)

    def certificate(self, number: str, pin: str, **values: Any) -> None:
        told = {"issued": "2026-01-05", "expires": "2099-01-04", **values}
        self.sandbox.kra("gava-certificates", number=number, pin=pin, **told)

    def record(self, name: str, key: str, **answer: Any) -> None:
        self.sandbox.kra("gava-records", list=name, key=key, answer=answer)

    def switch(self, **values: Any) -> None:
        self.sandbox.kra("gava-settings", **values)

    def answers(self, operation: str, **values: Any) -> None:
        self.sandbox.kra("gava-answers", operation=operation, **values)

    def fault(self, kind: str, **options: Any) -> None:
        self.sandbox.kra_fault(kind, **options)

    @property
    def book(self) -> dict[str, Any]:
        return dict(self.sandbox.kra_book()["gavaconnect"])

    @property
    def filings(self) -> list[dict[str, Any]]:
        return list(self.book["filings"])

    def asked(self, operation: str) -> int:
        return int(self.book["asked"].get(operation, 0))


@pytest.fixture
def portal(kra_hosts: SandboxDriver) -> Portal:
    made = Portal(kra_hosts)
    made.enrol()
    return made


@pytest.fixture
def service(portal: Portal) -> KRAService:
    KRASettings.objects.create(**kra_values(portal.sandbox))
    return KRAService()


def configure(**changes: Any) -> None:
    row = KRASettings.objects.get()
    for name, value in changes.items():
        setattr(row, name, value)
    row.full_clean()
    row.save()
