"""What the figures of KRA share: branches with devices in the sandbox, invoices that wait."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from benchmarks.daraja import sandbox

PIN = "P051234567X"
ITEM = "KE2NTNO0000001"


@contextmanager
def taxpayer(branches: int, *, latency: float) -> Iterator[list[Any]]:
    """The settings rows of as many branches, each with its control unit in the sandbox."""
    from integrations.kra.lists.refresh import refresh_lists

    with sandbox() as driver, _allowed(driver.base_url):
        forget_all()
        # The workers' settings let them call it.
        os.environ["BENCH_SANDBOX"] = urlsplit(driver.base_url).netloc
        rows = [_open(driver, number) for number in range(branches)]
        # Now, and not by a worker meanwhile: what is read daily.
        refresh_lists(budget_seconds=120.0)
        driver.kra("settings", latency=latency)
        yield rows
        forget_all()


def _allowed(url: str) -> Any:
    from django.test import override_settings

    return override_settings(OUTBOUND_ALLOWED_HOSTS=[urlsplit(url).netloc])


def _open(driver: Any, number: int) -> Any:
    from integrations.models import KRAItem, KRASettings

    code = f"{number:02d}"
    made = driver.kra_device(branch=code, serial=f"BENCH{number:04d}")
    KRAItem.objects.get_or_create(
        environment="sandbox", tin=PIN, item_code=ITEM,
        defaults={
            "class_code": "5059690800", "name": "Sugar 1 kg", "type_code": "2",
            "packaging_unit": "NT", "quantity_unit": "NO", "tax_type": "B", "reference": "SUGAR",
        },
    )  # fmt: skip
    return KRASettings.objects.create(
        kra_pin=PIN, branch_code=code, is_main=not number, device_serial=f"BENCH{number:04d}",
        communication_key=made["communication_key"], control_unit_id=made["control_unit_id"],
        sandbox_url=driver.etims_url(), requests_per_second=100_000,
    )  # fmt: skip


def forget_all() -> None:
    """Empty the tables of KRA."""
    from integrations.config import clear_cache
    from integrations.models import (
        DomainEvent,
        KRABranch,
        KRAInvoice,
        KRAInvoiceEvent,
        KRAItem,
        KRASettings,
    )

    for model in (KRAInvoiceEvent, KRAInvoice, KRABranch, KRAItem, DomainEvent):
        model._base_manager.all()._raw_delete("default")  # type: ignore[attr-defined]
    KRASettings.objects.all().delete()
    clear_cache()


def queue_up(row: Any, count: int, *, prefix: str) -> None:
    """Have `count` invoices wait in the branch of a settings row."""
    from django.utils import timezone

    from integrations.kra.outbox.submit import submit
    from integrations.models import KRAInvoice

    first = submit(
        {
            "invoice_number": f"{prefix}-0", "issue_date": timezone.localdate(),
            "prices_include_tax": True, "customer": {"name": "Mwangi & Sons"},
            "items": [
                {"description": "Sugar 1 kg", "item_code": ITEM, "quantity": "2",
                 "unit_price": "1160.00"}
            ],
        },
        branch=row.branch_code,
    )  # fmt: skip
    same = {
        field.attname: getattr(first, field.attname)
        for field in KRAInvoice._meta.concrete_fields
        if field.attname not in ("id", "public_id", "trader_number", "document")
    }
    batch = []
    for number in range(1, count):
        name = f"{prefix}-{number}"
        document = {**first.document, "trader_number": name}
        batch.append(KRAInvoice(**same, trader_number=name, document=document))
    KRAInvoice.objects.bulk_create(batch, batch_size=500)
