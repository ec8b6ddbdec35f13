"""The recipes of "Check taxpayers", run as they are printed against the emulator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from integrations.kra.gava_writes import LOST_AFTER
from integrations.providers.kra.client.gavaconnect import PRODUCTS
from integrations.services import KRAService
from tests.kra.gava import Portal

PAGE = Path(__file__).parent.parent.parent / "docs/how-to/check-taxpayers.md"


def test_the_printed_calls_do_what_the_page_says(service: KRAService, portal: Portal) -> None:
    portal.certificate("KRAWON0000000001", "A744610021G")
    portal.record("invoice", "KRACU0100000001/7", invoiceDate="2026-03-01")
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        exec(block, names)
        assert names["success"], names
    assert names["taxpayer"]["is_active"]
    assert (names["answer"]["compliant"], names["answer"]["missing"]) == (True, [])
    assert names["request"]["certificate_number"]
    assert names["filing"]["prn"]
    filed = [each["operation"] for each in portal.filings]
    assert filed == ["tcc_application", "nil_return", "withholding_vat"]


def test_every_product_stands_in_the_reference() -> None:
    told = (PAGE.parent.parent / "reference/kra.md").read_text()
    for product in PRODUCTS.values():
        codes = ", ".join(f"`{code}`" for code in sorted(product.codes)) or "no error"
        own = f"`{product.credentials}_client_id`" if product.credentials else "-"
        write = "yes" if product.is_write else ""
        line = f"| `{product.name}` | `{product.path}` | {codes} | {own} | {write} |"
        assert line in told, line
    assert LOST_AFTER.total_seconds() == 360
