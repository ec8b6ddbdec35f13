"""`saveItem` and `saveItemComposition` (reference, sections 5.2 and 5.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.config import Snapshot
from integrations.providers.kra.payloads.values import flag, number, optional, registrar

RUNNING_DIGITS = 7
# grpPrcL1 to grpPrcL5.
PRICE_LEVELS = 5
_CODE = re.compile(r"[A-Z]{2}[0-9][A-Z0-9]{2,6}([0-9]{7})")
LAST_RUNNING = 10**RUNNING_DIGITS - 1


def item_code(
    *, origin: str, type_code: str, packaging_unit: str, quantity_unit: str, running: int
) -> str:
    """KE2NTBA0000012: origin, product type, units, running number (section 5.2).

    The gateway wants two characters of the quantity unit; a single one gets an X before it.
    """
    unit = quantity_unit.rjust(2, "X")
    return f"{origin}{type_code}{packaging_unit}{unit}{running:0{RUNNING_DIGITS}d}"


def running_number(code: str) -> int | None:
    """The running number at the end of an item code; None where it has another form."""
    found = _CODE.fullmatch(code)
    return int(found[1]) if found else None


def item_body(document: Mapping[str, Any], config: Snapshot) -> dict[str, Any]:
    """The body of `saveItem`."""
    return {
        "itemCd": document["item_code"],
        "itemClsCd": document["class_code"],
        "itemTyCd": document["type_code"],
        "itemNm": document["name"],
        "itemStdNm": optional(document, "standard_name"),
        "orgnNatCd": document["origin"],
        "pkgUnitCd": document["packaging_unit"],
        "qtyUnitCd": document["quantity_unit"],
        "taxTyCd": document["tax_type"],
        "btchNo": optional(document, "batch"),
        "bcd": optional(document, "barcode"),
        "dftPrc": number(document["price"]),
        **_group_prices(document["group_prices"]),
        "addInfo": optional(document, "additional_info"),
        "sftyQty": _optional_number(document["safety_quantity"]),
        "isrcAplcbYn": flag(document["is_insured"]),
        "useYn": flag(document["is_used"]),
        **registrar(config),
    }


def _group_prices(prices: Sequence[str | None]) -> dict[str, int | float | None]:
    told = [*prices, *[None] * (PRICE_LEVELS - len(prices))]
    return {f"grpPrcL{level}": _optional_number(price) for level, price in enumerate(told, 1)}


def _optional_number(text: str | None) -> int | float | None:
    return None if text is None else number(text)


def composition_body(document: Mapping[str, Any], config: Snapshot) -> dict[str, Any]:
    """The body of `saveItemComposition`."""
    return {
        "itemCd": document["item_code"],
        "cpstItemCd": document["component_code"],
        "cpstQty": number(document["quantity"]),
        **registrar(config),
    }
