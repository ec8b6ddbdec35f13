"""Rows of every list about tax, made by hand: nobody asked KRA."""

from __future__ import annotations

from typing import Any

from integrations.models import (
    KRABranch,
    KRACertificateRequest,
    KRAComplianceCheck,
    KRACursor,
    KRAFiling,
    KRAImport,
    KRAItem,
    KRAPurchase,
    KRARecord,
    KRAStock,
    KRAWrite,
)
from tests.kra.receipts.rows import invoice_row

PIN = "P051234567X"
# (table, column) of what no list shows.
LARGE = tuple(
    f'{table}"."{column}"'
    for table, columns in {
        "krawrite": ("document", "body"), "krainvoice": ("document", "body"),
        "kraitem": ("data",), "krarecord": ("data",), "krabranch": ("details",),
        "krafiling": ("body", "response_payload"), "kracertificaterequest": ("response_payload",),
    }.items()
    for column in columns
)  # fmt: skip


def plant(count: int, business: str = "") -> None:
    """So many branches of a business, each with a row in every list."""
    for _ in range(count):
        _plant_one(KRABranch.objects.count(), business)


def _plant_one(n: int, business: str) -> None:
    mine: dict[str, Any] = {"business": business, "environment": "sandbox"}
    unit = KRABranch.objects.create(**mine, tin=PIN, bhf_id=f"{n:02d}", key=f"k{n}")
    item = KRAItem.objects.create(
        **mine, tin=PIN, item_code=f"KE{n}", name="Sugar", class_code="1", type_code="2",
        packaging_unit="CT", quantity_unit="NO", tax_type="B",
    )  # fmt: skip
    write = KRAWrite.objects.create(
        **mine, branch=unit, kind="purchase", key="K", document={}, digest="0" * 64,
        next_attempt_at=None,
    )  # fmt: skip
    sale = invoice_row(unit, number=1)
    invoice_row(unit, number=2, original=sale, kind="credit_note")
    KRAStock.objects.create(branch=unit, item=item, quantity=n)
    KRAPurchase.objects.create(
        business=business, branch=unit, supplier_pin="P", write=write, supplier_number=1
    )
    KRAImport.objects.create(
        business=business, branch=unit, task_code="T", item=item, declared_on="20261127",
        item_sequence=1, write=write,
    )  # fmt: skip
    KRACursor.objects.create(**mine, tin=PIN, bhf_id=unit.bhf_id, list_name="codes")
    KRARecord.objects.create(**mine, tin=PIN, kind="notice", key=f"{n}")
    KRAFiling.objects.create(
        **mine, kind="nil_return", kra_pin=PIN, key=f"{n}", body={}, digest="0" * 64
    )
    KRAComplianceCheck.objects.create(**mine, kra_pin=PIN)
    KRACertificateRequest.objects.create(
        **mine, kra_pin=PIN, cert_type="tax_compliance", period=f"{n}"
    )
