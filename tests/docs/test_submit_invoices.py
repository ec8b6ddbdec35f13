"""The documents of "Submit invoices", prepared as they are printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from integrations.config import Snapshot
from integrations.kra.documents import check_credit, prepare, read_invoice
from integrations.models import KRAItem
from tests.docs.test_recipes import DOCS
from tests.kra.documents.conftest import config_of, items, stored  # noqa: F401

PAGE = DOCS / "how-to/submit-invoices.md"


class Service:
    """Takes what the page hands over, up to the point where it would be stored."""

    taken: list[Any] = []

    def submit_invoice(self, document: Any) -> tuple[bool, Any]:
        self.taken.append(document)
        return True, {}


def test_the_printed_documents_are_taken(
    config_of: Callable[..., Snapshot],  # noqa: F811
    items: list[KRAItem],  # noqa: F811
) -> None:
    config, names = config_of(), {"KRAService": Service}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(block.replace("from integrations.services import KRAService\n", ""), names)
    sale, typed, credit, part = Service.taken
    original = stored(config, prepare(read_invoice(sale), config))
    assert original.total == 2320
    assert prepare(read_invoice(typed), config).total == Decimal("1323.88")
    for document, total in ((credit, 2320), (part, 1160)):
        prepared = prepare(read_invoice(document), config, original=original)
        check_credit(prepared, original)
        assert prepared.total == total
