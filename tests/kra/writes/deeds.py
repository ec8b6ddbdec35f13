"""What tests of reports do again and again."""

from __future__ import annotations

from typing import Any

from integrations import work
from integrations.kra.service import KRAService
from integrations.kra.writes import QUEUE
from integrations.models import KRAWrite
from integrations.work import later
from tests.sandbox.driver import SandboxDriver

SUGAR = "KE2NTNO0000001"
SOAP: dict[str, Any] = {
    "name": "Soap 250 g",
    "class_code": "5110000000",
    "packaging_unit": "CT",
    "quantity_unit": "NO",
    "tax_type": "B",
    "price": "116",
    "reference": "SOAP",
}


def send_all() -> None:
    """What is due is sent."""
    work.drain(QUEUE, 20)


def send_later() -> None:
    """What waits for another try is due, and is sent."""
    KRAWrite.objects.filter(next_attempt_at__isnull=False).update(
        next_attempt_at=later(0), lease_until=None
    )
    send_all()


def states() -> list[tuple[str, str, int | None]]:
    """Every report in order."""
    rows = KRAWrite.objects.order_by("pk").values_list("kind", "state", "number")
    return [(kind, state, number) for kind, state, number in rows]


def told(answer: tuple[bool, Any]) -> Any:
    """The data of an answer that went well."""
    done, data = answer
    assert done, (data, getattr(data, "field", ""))
    return data


def refused(answer: tuple[bool, Any]) -> tuple[str, str]:
    """Field and code of an answer that did not."""
    done, message = answer
    assert not done
    return message.field, message.code


def stock_of(sandbox: SandboxDriver, code: str) -> str:
    """What KRA has on hand."""
    return str(sandbox.kra_unit()["stock"].get(code, "none"))


def bring(service: KRAService, quantity: object = 10, **options: Any) -> Any:
    """Sugar comes in."""
    return told(service.stock_in([{"item": SUGAR, "quantity": quantity}], **options))
