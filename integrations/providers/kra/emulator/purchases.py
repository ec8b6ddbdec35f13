"""Suppliers' invoices and imports: what KRA knows, and what becomes of it (sections 5.1, 5.4)."""

from __future__ import annotations

from typing import Any

from integrations.providers.kra.emulator.amounts import check_amounts
from integrations.providers.kra.emulator.code_table import ITEM_CLASSES, TABLE
from integrations.providers.kra.emulator.entries import commit
from integrations.providers.kra.emulator.fields import REGISTRAR, check, fields
from integrations.providers.kra.emulator.items import require_items
from integrations.providers.kra.emulator.line_rules import (
    check_codes,
    check_line_codes,
    check_lines,
)
from integrations.providers.kra.emulator.movements import feed, require_place
from integrations.providers.kra.emulator.refusals import Refusal, missing, not_in_table
from integrations.providers.kra.emulator.sale_fields import LINE as SALE_LINE
from integrations.providers.kra.emulator.sale_fields import TAX_FIELDS
from integrations.providers.kra.emulator.visits import Found, Visit

HEADER = (
    *fields(
        """
        spplrTin C11; invcNo N38 M; orgInvcNo N38 M; spplrBhfId C2; spplrNm C60; spplrInvcNo N38;
        regTyCd C5 M; pchsTyCd C5 M; rcptTyCd C5 M; pmtTyCd C5 M; pchsSttsCd C5 M; cfmDt T14;
        pchsDt D8 M; wrhsDt T14; cnclReqDt T14; cnclDt T14; rfdDt T14; totItemCnt N10 M;
        remark C400
        """
    ),
    *TAX_FIELDS,
    *REGISTRAR,
)
LINE = (
    *SALE_LINE,
    *fields("spplrItemClsCd C10; spplrItemCd C20; spplrItemNm C200; itemExprDt D8"),
)
IMPORT = fields(
    """
    taskCd C50 M; dclDe D8 M; itemSeq N10 M; hsCd C17 M; itemClsCd C10; itemCd C20;
    imptItemSttsCd C5 M; remark C400; modrId C20 M; modrNm C60 M
    """
)
_TABLES = (("regTyCd", "31"), ("pchsTyCd", "14"), ("rcptTyCd", "38"), ("pmtTyCd", "07"),
           ("pchsSttsCd", "11"))  # fmt: skip
_APPROVED = "3"  # class 26


def purchase_list(visit: Visit) -> Found:
    """`selectTrnsPurchaseSalesList`."""
    require_place(visit)
    return Found("saleList", feed(visit, "purchases"))


def save_purchase(visit: Visit) -> None:
    """Take the decision about a supplier's invoice, or a purchase entered by hand."""
    body, unit = visit.body, visit.unit
    check(body, HEADER)
    check_lines(body, LINE)
    given, expected = body["invcNo"], unit.last_purchase + 1
    if given in unit.purchases:
        raise Refusal("994")
    if given != expected:
        raise Refusal("910", f"Invalid invcNo sequence, expected: {expected} but found: {given}")
    check_codes(visit.world, body, _TABLES)
    check_line_codes(visit.world, body["itemList"])
    if visit.is_gateway or body["regTyCd"] == "A":
        _check_known(visit)
    if _identity(body) in map(_identity, unit.purchases.values()) and body.get("spplrInvcNo"):
        raise Refusal("994")
    # Section 5.4 [1 live]: the item must be in one's own catalogue.
    require_items(visit, [line["itemCd"] for line in body["itemList"]])
    check_amounts(body, visit.world.settings)
    commit(visit.world, "purchase", **visit.where, body=visit.text)


def import_list(visit: Visit) -> Found:
    """`selectImportItemList`."""
    return Found("itemList", feed(visit, "imports"))


def update_import(visit: Visit) -> None:
    """Take the decision about an imported item."""
    body = visit.body
    check(body, IMPORT)
    if body["imptItemSttsCd"] not in TABLE["26"]:
        raise not_in_table("<imptItemSttsCd>", body["imptItemSttsCd"], TABLE["26"])
    is_approved = body["imptItemSttsCd"] == _APPROVED
    for name in ("itemClsCd", "itemCd") if is_approved else ():
        if not body.get(name):
            raise missing(name)
    if body.get("itemClsCd") and body["itemClsCd"] not in ITEM_CLASSES:
        raise not_in_table("<itemClsCd>", body["itemClsCd"])
    told = visit.unit.feeds.get("imports", [])
    if not any(_import_key(each) == _import_key(body) for each in told):
        raise Refusal("910", "The imported item does not exist")
    if is_approved:
        require_items(visit, [body["itemCd"]])
    commit(visit.world, "import", **visit.where, stamp=visit.row_stamp(), body=visit.text)


def _check_known(visit: Visit) -> None:
    told = visit.unit.feeds.get("purchases", [])
    if _identity(visit.body) not in map(_identity, told):
        raise Refusal("910", "The supplier's invoice does not exist")  # section 5.4 [1 live]


def _identity(body: Any) -> tuple[Any, ...]:
    # What the supplier sold (S) was purchased (P): classes 37 and 38.
    is_credit = body.get("rcptTyCd") == "R"
    return (*(body.get(name) for name in ("spplrTin", "spplrBhfId", "spplrInvcNo")), is_credit)


def _import_key(body: Any) -> tuple[Any, ...]:
    return body["taskCd"], body["dclDe"], body["itemSeq"]
