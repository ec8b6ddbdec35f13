"""`insertTrnsPurchase`: what becomes of a supplier's invoice (reference, section 5.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.config import Snapshot
from integrations.providers.kra.payloads.values import (
    TAX_TYPES,
    decimal,
    digits_of,
    number,
    optional,
    registrar,
    whole,
)

ACCEPTED = "02"
_HEADER_AMOUNTS = (
    *(f"{name}{tax}" for name in ("taxblAmt", "taxRt", "taxAmt") for tax in TAX_TYPES),
    "totTaxblAmt", "totTaxAmt", "totAmt",
)  # fmt: skip
_LINE_AMOUNTS = ("pkg", "qty", "prc", "splyAmt", "dcRt", "dcAmt", "taxblAmt", "taxAmt", "totAmt")


def purchase_body(
    document: Mapping[str, Any], config: Snapshot, *, number_of: int
) -> dict[str, Any]:
    """The body of `insertTrnsPurchase`; `number_of` is the own invcNo.

    Amounts are KRA's own, from the feed; only the items are ours.
    """
    feed = document["feed"]
    items = feed.get("itemList") or []
    ours = document["items"]
    lines = [_line(line, ours.get(str(seq), {}), seq) for seq, line in enumerate(items, start=1)]
    return {
        "spplrTin": optional(feed, "spplrTin"),
        "invcNo": number_of,
        "orgInvcNo": 0,
        "spplrBhfId": optional(feed, "spplrBhfId"),
        "spplrNm": (optional(feed, "spplrNm") or "")[:60] or None,
        "spplrInvcNo": whole(feed.get("spplrInvcNo")),
        "regTyCd": "A",
        "pchsTyCd": "N",
        "rcptTyCd": _receipt_type(feed),
        "pmtTyCd": optional(feed, "pmtTyCd") or "01",
        "pchsSttsCd": document["status"],
        "cfmDt": document["decided_at"],
        "pchsDt": digits_of(feed.get("salesDt") or feed.get("cfmDt"), 8) or document["day"],
        "wrhsDt": None,
        "cnclReqDt": None,
        "cnclDt": None,
        "rfdDt": None,
        "totItemCnt": len(lines),
        **{name: number(feed.get(name)) for name in _HEADER_AMOUNTS},
        "remark": optional(document, "remark"),
        **registrar(config),
        "itemList": lines,
    }


def _receipt_type(feed: Mapping[str, Any]) -> str:
    """A supplier's sale (S) is our purchase (P); a credit note stays R (classes 37 and 38)."""
    return "R" if str(feed.get("rcptTyCd") or "").strip() == "R" else "P"


def _line(line: Mapping[str, Any], ours: Mapping[str, Any], seq: int) -> dict[str, Any]:
    """A line of the feed, under our item's code, with the supplier's beside it."""
    supply = decimal(line.get("splyAmt"))
    amounts: dict[str, Any] = {name: number(line.get(name)) for name in _LINE_AMOUNTS}
    if not supply:
        amounts["splyAmt"] = number(decimal(line.get("qty")) * decimal(line.get("prc")))
    return {
        "itemSeq": seq,
        "itemCd": ours.get("item_code") or optional(line, "itemCd"),
        "itemClsCd": ours.get("class_code") or optional(line, "itemClsCd"),
        "itemNm": ours.get("name") or optional(line, "itemNm"),
        "bcd": optional(line, "bcd"),
        "spplrItemClsCd": optional(line, "itemClsCd"),
        "spplrItemCd": optional(line, "itemCd"),
        "spplrItemNm": optional(line, "itemNm"),
        "pkgUnitCd": optional(line, "pkgUnitCd") or ours.get("packaging_unit"),
        "qtyUnitCd": optional(line, "qtyUnitCd") or ours.get("quantity_unit"),
        **amounts,
        "taxTyCd": optional(line, "taxTyCd"),
        "itemExprDt": None,
    }
