"""The exact body of a report, made when its turn comes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from integrations.config import Snapshot
from integrations.kra.writes.amounts import stock_line
from integrations.kra.writes.stock import quantity_of
from integrations.models import KRAWrite, WriteKind
from integrations.providers.kra.payloads.imports import import_body
from integrations.providers.kra.payloads.items import composition_body, item_body
from integrations.providers.kra.payloads.parties import customer_body, insurance_body
from integrations.providers.kra.payloads.purchases import purchase_body
from integrations.providers.kra.payloads.stock import Movement, stock_io_body, stock_master_body

OPERATIONS: Mapping[str, str] = MappingProxyType(
    {
        WriteKind.ITEM: "save_item",
        WriteKind.COMPOSITION: "save_composition",
        WriteKind.STOCK_IO: "save_stock_io",
        WriteKind.STOCK_MASTER: "save_stock_master",
        WriteKind.PURCHASE: "save_purchase",
        WriteKind.IMPORT: "update_import",
        WriteKind.CUSTOMER: "save_customer",
        WriteKind.INSURANCE: "save_insurance",
    }
)
# Which counter of the branch gives a kind its number.
COUNTERS: Mapping[str, str] = MappingProxyType(
    {
        WriteKind.STOCK_IO: "last_stock_number",
        WriteKind.PURCHASE: "last_purchase_number",
    }
)
_PLAIN = {
    WriteKind.ITEM: item_body,
    WriteKind.COMPOSITION: composition_body,
    WriteKind.IMPORT: import_body,
    WriteKind.CUSTOMER: customer_body,
    WriteKind.INSURANCE: insurance_body,
}


def body_of(write: KRAWrite, config: Snapshot, number: int | None) -> dict[str, Any]:
    """The body of a report whose turn has come. Raises InvalidInput for what can't be sent."""
    document = write.document
    if write.kind == WriteKind.STOCK_IO:
        return stock_io_body(document, config, number_of=number or 0)
    if write.kind == WriteKind.PURCHASE:
        return purchase_body(document, config, number_of=number or 0)
    if write.kind == WriteKind.STOCK_MASTER:
        left = max(quantity_of(write.branch, document["item_code"]), Decimal(0))
        return stock_master_body(document["item_code"], left, config)
    return _PLAIN[WriteKind(write.kind)](document, config)


def settled_target(write: KRAWrite, config: Snapshot) -> dict[str, Any] | None:
    """The document of a count of the stock as the movement that leads to it.

    None where nothing is to be moved. How much there is is known only when the turn has come.
    """
    document = write.document
    line = document["lines"][0]
    difference = Decimal(document["target"]) - quantity_of(write.branch, line["item_code"])
    if not difference:
        return None
    adjusted_in = Movement(config.text("stock_adjusted_in_code"))
    movement = adjusted_in if difference > 0 else Movement.ADJUSTED_OUT
    lines = stock_line(line, abs(difference), Decimal(line["price"]), config)
    return {**document, "movement": str(movement), "lines": lines}
