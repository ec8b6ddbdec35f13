"""A taxpayer's settings and catalogue, without any KRA: documents ask nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from integrations.config import Snapshot, clear_cache, get_snapshot
from integrations.kra.documents import Prepared
from integrations.models import InvoiceState, KRABranch, KRAInvoice, KRAItem, KRASettings

PIN = "P051234567X"


@pytest.fixture(autouse=True)
def day() -> Iterator[None]:
    """Days and moments of the tests are not the future."""
    with time_machine.travel(datetime(2026, 11, 27, 9, tzinfo=UTC)):
        yield


@pytest.fixture
def config_of(db: None) -> Callable[..., Snapshot]:
    """Stores settings of the installation, and reads them as our code does."""

    def store(**changes: Any) -> Snapshot:
        KRASettings.objects.all().delete()
        KRASettings.objects.create(**{"kra_pin": PIN, "branch_code": "00", **changes})
        clear_cache()
        return get_snapshot("kra")

    return store


@pytest.fixture
def config(config_of: Callable[..., Snapshot]) -> Snapshot:
    return config_of()


def item(code: str, name: str, tax_type: str = "B", **changes: Any) -> KRAItem:
    """An item of the catalogue."""
    values = {
        "environment": "sandbox",
        "tin": PIN,
        "item_code": code,
        "name": name,
        "class_code": "5059690800",
        "type_code": "2",
        "packaging_unit": "CT",
        "quantity_unit": "NO",
        "tax_type": tax_type,
        "is_registered": True,
        **changes,
    }
    return KRAItem.objects.create(**values)


@pytest.fixture
def items(db: None) -> list[KRAItem]:
    """One item of each tax type, named after it."""
    return [
        item("KE2CTNO0000001", "Sugar", "B", reference="SKU-1"),
        item("KE2CTNO0000002", "Bread", "A"),
        item("KE2CTNO0000003", "Tea", "C"),
        item("KE2CTNO0000004", "Milk", "D"),
        item("KE2CTNO0000005", "Diesel", "E"),
    ]


def line(description: str, quantity: object, unit_price: object, **more: Any) -> dict[str, Any]:
    """A line of an invoice."""
    return {
        "description": description,
        "quantity": quantity,
        "unit_price": unit_price,
        **more,
    }


def simple(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An invoice with prices that include the tax."""
    return {
        "invoice_number": "INV-1",
        "issue_date": "2026-11-23",
        "customer": {"name": "Wanjiku Traders Ltd", "kra_pin": "P051234568Y"},
        "prices_include_tax": True,
        "items": list(items),
        **more,
    }


def stored(config: Snapshot, prepared: Prepared, **changes: Any) -> KRAInvoice:
    """The prepared document as a row of the branch; signed unless told otherwise."""
    branch, _ = KRABranch.objects.get_or_create(
        key=f"{config.environment}:{PIN}:00",
        defaults={"environment": config.environment, "tin": PIN, "bhf_id": "00"},
    )
    values = {
        "branch": branch,
        "environment": config.environment,
        "kind": prepared.kind,
        "state": InvoiceState.SIGNED,
        "trader_number": prepared.trader_number,
        "issued_at": prepared.issued_at,
        "customer_pin": prepared.customer_pin,
        "customer_name": prepared.customer_name,
        "currency": prepared.currency,
        "exchange_rate": prepared.exchange_rate,
        "total": prepared.total,
        "tax": prepared.tax,
        "taxable": prepared.taxable,
        "document": prepared.document,
        "digest": prepared.digest,
        "profile": config.values["amount_profile"],
        "transport": config.values["transport"],
        **changes,
    }
    return KRAInvoice.objects.get(pk=KRAInvoice.objects.create(**values).pk)
