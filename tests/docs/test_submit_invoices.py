"""The documents of "Submit invoices", handed in as they are printed, to the sandbox as KRA."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from integrations.models import KRAInvoice, KRASettings
from tests.docs.test_recipes import DOCS
from tests.kra.documents.conftest import items  # noqa: F401
from tests.kra.outbox.conftest import Shop, drain, open_shop, shop  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = DOCS / "how-to/submit-invoices.md"


def test_the_printed_documents_are_signed(
    shop: Shop,  # noqa: F811
    items: list[Any],  # noqa: F811
) -> None:
    # The worker's part is done below, so that nobody waits for it.
    KRASettings.objects.update(signature_wait_seconds=0)
    shop.sandbox.kra("catalogue", items=[{"itemCd": item.item_code} for item in items])
    sale, typed, rest, part = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    # A part of the sale is credited first: a credit note without lines takes what is left.
    for block in (sale, typed, part, rest):
        exec(block, names)
        data = names["result"]
        assert data["state"] == "queued", data
        drain()
    assert list(
        KRAInvoice.objects.order_by("pk").values_list("trader_number", "state", "total")
    ) == [
        ("INV-2026-000123", "signed", Decimal(2320)),
        ("INV-2026-000124", "signed", Decimal("1323.88")),
        ("CN-2026-000010", "signed", Decimal(1160)),
        ("CN-2026-000009", "signed", Decimal(1160)),
    ]
    assert [each["trader_number"] for each in shop.book()] == [
        "INV-2026-000123", "INV-2026-000124", "CN-2026-000010", "CN-2026-000009",
    ]  # fmt: skip
