"""Items that are known and stocked from the start, for who does not test items (control)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.providers.emulation import Rejected
from integrations.providers.kra.emulator.code_table import ITEM_CLASSES, TABLE
from integrations.providers.kra.emulator.entries import commit
from integrations.providers.kra.emulator.wire import dump
from integrations.providers.kra.emulator.world import World

# Code, class, type (24), name, packaging, quantity unit, tax type, price.
STANDARD = (
    ("KE2NTNO0000001", "5059690800", "2", "Sugar 1 kg", "NT", "NO", "B", "1160"),
    ("KE2NTNO0000002", "5022110000", "2", "Maize flour 2 kg", "NT", "NO", "A", "55.50"),
    ("KE2CTNO0000003", "5110000000", "2", "Painkiller", "CT", "NO", "C", "750.25"),
    ("KE2CTNO0000004", "9999999900", "2", "Sundries", "CT", "NO", "D", "33.35"),
    ("KE2CTNO0000005", "1511150000", "2", "Gas 6 kg", "CT", "NO", "E", "108"),
    ("KE3CTNO0000006", "8010000000", "3", "Delivery", "CT", "NO", "B", "500"),
)
_NAMES = (
    "itemCd",
    "itemClsCd",
    "itemTyCd",
    "itemNm",
    "pkgUnitCd",
    "qtyUnitCd",
    "taxTyCd",
    "dftPrc",
)


def stock_catalogue(
    world: World, where: Mapping[str, str], payload: Mapping[str, Any]
) -> dict[str, Any]:
    """Enter items and their stock as if they had been reported.

    `items` is a list of wire bodies, of which only `itemCd` must be there (default: a standard
    catalogue); `stock` is the quantity of each (default 1,000,000; null: never stocked).
    """
    items = payload.get("items")
    standard = [dict(zip(_NAMES, row, strict=True)) for row in STANDARD]
    entered = [_whole(each) for each in (standard if items is None else items)]
    quantity = _quantity(payload.get("stock", 1_000_000))
    stamp = world.row_stamp()
    for body in entered:
        commit(world, "item", **where, stamp=stamp, body=dump(body).decode())
    if quantity is not None:
        quantities = {body["itemCd"]: quantity for body in entered}
        commit(world, "stock", **where, quantities=quantities)
    return {"items": [body["itemCd"] for body in entered]}


def _quantity(given: Any) -> str | None:
    if given is None:
        return None
    try:
        return f"{Decimal(str(given)):f}"
    except InvalidOperation:
        raise Rejected("stock: a quantity, or null.") from None


def _whole(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict) or not isinstance(given.get("itemCd"), str):
        raise Rejected("items: objects with itemCd.")
    body = {
        "itemClsCd": "9999999900", "itemTyCd": "2", "itemNm": given["itemCd"], "itemStdNm": None,
        "orgnNatCd": "KE", "pkgUnitCd": "CT", "qtyUnitCd": "NO", "taxTyCd": "B", "btchNo": None,
        "bcd": None, "dftPrc": "0", "isrcAplcbYn": "N", "useYn": "Y",
        "regrId": "admin", "regrNm": "Admin", "modrId": "admin", "modrNm": "Admin",
    } | given  # fmt: skip
    if body["itemClsCd"] not in ITEM_CLASSES or body["taxTyCd"] not in TABLE["04"]:
        raise Rejected("items: itemClsCd or taxTyCd is in no list.")
    body["dftPrc"] = Decimal(str(body["dftPrc"]))
    return body
