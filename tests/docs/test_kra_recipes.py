"""The recipes of "Check taxpayers", run as they are printed against the emulator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from integrations.services import KRAService
from tests.kra.conftest import kra_hosts
from tests.kra.gava import Portal, portal, service

__all__ = ["kra_hosts", "portal", "service"]
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
