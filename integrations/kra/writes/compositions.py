"""What an item is made of (`saveItemComposition`, section 5.5)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.config import branch_of
from integrations.kra.writes.inputs import amount_of
from integrations.kra.writes.items import find_item
from integrations.kra.writes.store import queue_subject
from integrations.models import KRAWrite, WriteKind

LEAST = Decimal("0.001")


def save_composition(
    config: Snapshot, item: object, component: object, quantity: object, *, by: Any = None
) -> KRAWrite:
    """Report that one `item` takes so much of `component`; raises InvalidInput."""
    branch = branch_of(config)
    whole, part = find_item(branch, "item", item), find_item(branch, "component", component)
    if whole.pk == part.pk:
        raise InvalidInput("component", "is the item itself.")
    amount = amount_of("quantity", quantity, least=LEAST, step=LEAST)
    document = {
        "item_code": whole.item_code,
        "component_code": part.item_code,
        "quantity": str(amount),
    }
    subject = f"{whole.item_code}:{part.item_code}"
    write, _ = queue_subject(
        branch, WriteKind.COMPOSITION, subject, document, business=config.business, by=by
    )
    return write
