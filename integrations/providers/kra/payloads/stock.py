"""`insertStockIO` and `saveStockMaster` (reference, section 5.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

from integrations.config import Snapshot
from integrations.providers.kra.payloads.values import decimal, number, optional, registrar

# The gateway refuses null for `orgSarNo`; no movement of ours corrects another.
NO_ORIGINAL = 0


class Movement(StrEnum):
    """Class 12; in are 01 to 06, out 11 to 16.

    One source swaps 05 and 06 (section 10): `stock_adjusted_in_code` says which adjusts.
    """

    IMPORT = "01"
    PURCHASE = "02"
    RETURN_IN = "03"
    MOVED_IN = "04"
    PROCESSED_IN = "05"
    ADJUSTED_IN = "06"
    SALE = "11"
    RETURN_OUT = "12"
    MOVED_OUT = "13"
    PROCESSED_OUT = "14"
    DISCARDED = "15"
    ADJUSTED_OUT = "16"


IN = frozenset(movement for movement in Movement if movement < "10")
OUT = frozenset(movement for movement in Movement if movement > "10")


def sign_of(movement: str) -> int:
    """1 where the movement adds to the stock, -1 where it takes away."""
    return 1 if movement in IN else -1


def stock_io_body(
    document: Mapping[str, Any], config: Snapshot, *, number_of: int
) -> dict[str, Any]:
    """The body of `insertStockIO`; `number_of` is its sarNo."""
    lines = [_line(line, seq) for seq, line in enumerate(document["lines"], start=1)]
    return {
        "sarNo": number_of,
        "orgSarNo": NO_ORIGINAL,
        "regTyCd": document["registration"],
        "custTin": optional(document, "partner_pin"),
        "custNm": optional(document, "partner_name"),
        "custBhfId": optional(document, "partner_branch"),
        "sarTyCd": document["movement"],
        "ocrnDt": document["day"],
        "totItemCnt": len(lines),
        **_totals(document["lines"]),
        "remark": optional(document, "remark"),
        **registrar(config),
        "itemList": lines,
    }


def _totals(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = {"totTaxblAmt": "taxable", "totTaxAmt": "tax", "totAmt": "total"}
    return {
        field: number(sum((decimal(line[name]) for line in lines), Decimal(0)))
        for field, name in names.items()
    }


def _line(line: Mapping[str, Any], seq: int) -> dict[str, Any]:
    return {
        "itemSeq": seq,
        "itemCd": line["item_code"],
        "itemClsCd": line["class_code"],
        "itemNm": line["name"],
        "bcd": optional(line, "barcode"),
        "pkgUnitCd": line["packaging_unit"],
        "pkg": number(line["packages"]),
        "qtyUnitCd": line["quantity_unit"],
        "qty": number(line["quantity"]),
        "itemExprDt": optional(line, "expires_on"),
        "prc": number(line["price"]),
        "splyAmt": number(line["supply"]),
        "totDcAmt": number(line["discount"]),
        "taxblAmt": number(line["taxable"]),
        "taxTyCd": line["tax_type"],
        "taxAmt": number(line["tax"]),
        "totAmt": number(line["total"]),
    }


def stock_master_body(item_code: str, remaining: Decimal, config: Snapshot) -> dict[str, Any]:
    """The body of `saveStockMaster`: what is left in all, not what was moved."""
    return {"itemCd": item_code, "rsdQty": number(remaining), **registrar(config)}
