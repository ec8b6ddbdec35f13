"""Goods that came in by an accepted purchase or import, reported behind the decision."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils import timezone

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.writes.amounts import stock_line
from integrations.kra.writes.inputs import amount_of
from integrations.kra.writes.movements import AUTOMATIC, SERVICE, line_of, queue_movement
from integrations.models import KRAImport, KRAItem, KRAPurchase, KRAWrite
from integrations.providers.kra.payloads.stock import Movement
from integrations.providers.kra.payloads.values import CENT, day, decimal


def purchase_arrival(
    config: Snapshot, purchase: KRAPurchase, items: Mapping[str, KRAItem]
) -> list[KRAWrite]:
    """The goods of an accepted supplier's invoice; of his credit note, as gone back."""
    lines: list[dict[str, Any]] = []
    for place, line in enumerate(purchase.data.get("itemList") or [], start=1):
        item, quantity = items[str(place)], decimal(line.get("qty"))
        price = decimal(line.get("prc")) or item.price
        if item.type_code == SERVICE or item.is_excluded or quantity <= 0 or price <= 0:
            continue
        rounded = max(price.quantize(CENT), CENT)
        lines += stock_line(line_of(item), quantity.quantize(CENT), rounded, config)
    is_return = purchase.receipt_type == "R"
    movement = Movement.RETURN_OUT if is_return else Movement.PURCHASE
    partner = {
        "partner_pin": purchase.supplier_pin[:11],
        "partner_name": purchase.supplier_name[:100],
        "partner_branch": purchase.supplier_branch[:2],
    }
    return _queue(purchase, movement, lines, partner)


def import_arrival(
    config: Snapshot, imported: KRAImport, item: KRAItem, price: object = None
) -> list[KRAWrite]:
    """The goods of an accepted import; raises InvalidInput where no price is known."""
    quantity = decimal(imported.data.get("qty"))
    if item.type_code == SERVICE or item.is_excluded or quantity <= 0:
        return []
    cost = item.price if price is None or price == "" else amount_of("price", price)
    if cost <= 0:
        raise InvalidInput("price", "must be more than zero: the item has none of its own.")
    lines = stock_line(line_of(item), quantity.quantize(CENT), Decimal(cost), config)
    partner = {"partner_pin": "", "partner_name": "", "partner_branch": ""}
    return _queue(imported, Movement.IMPORT, lines, partner)


def _queue(
    row: KRAPurchase | KRAImport,
    movement: Movement,
    lines: list[dict[str, Any]],
    partner: Mapping[str, str],
) -> list[KRAWrite]:
    if not lines or row.write is None:
        return []
    document = {
        "movement": str(movement),
        "registration": AUTOMATIC,
        "day": day(timezone.now()),
        "remark": "",
        **partner,
        "lines": lines,
    }
    kind = "import" if isinstance(row, KRAImport) else "purchase"
    write = row.write
    return queue_movement(
        row.branch, f"{kind}:{write.public_id}", document, business=write.business, after=write
    )
