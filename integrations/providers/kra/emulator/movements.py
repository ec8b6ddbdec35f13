"""Stock movements and what is left of each item (section 5.3)."""

from __future__ import annotations

from typing import Any

from integrations.providers.kra.emulator.amounts import check_stock_amounts
from integrations.providers.kra.emulator.entries import commit
from integrations.providers.kra.emulator.fields import REGISTRAR, check, fields, number
from integrations.providers.kra.emulator.items import require_items
from integrations.providers.kra.emulator.line_rules import (
    check_codes,
    check_line_codes,
    check_lines,
)
from integrations.providers.kra.emulator.lists import last_request, newer
from integrations.providers.kra.emulator.refusals import Refusal, malformed, missing
from integrations.providers.kra.emulator.visits import Found, Visit

HEADER = (
    *fields(
        """
        sarNo N38 M; orgSarNo N38 M; regTyCd C5 M; custTin C11; custNm C100; custBhfId C2;
        sarTyCd C5 M; ocrnDt D8 M; totItemCnt N10 M; totTaxblAmt N18,2 M; totTaxAmt N18,2 M;
        totAmt N18,2 M; remark C400
        """
    ),
    *REGISTRAR,
)
LINE = fields(
    """
    itemSeq N10 M; itemCd C20 M; itemClsCd C10; itemNm C200 M; bcd C20; pkgUnitCd C5 M;
    pkg N13,2 M; qtyUnitCd C5 M; qty N13,2 M; itemExprDt D8; prc N18,2 M; splyAmt N18,2 M;
    totDcAmt N18,2 M; taxblAmt N18,2 M; taxTyCd C5 M; taxAmt N18,2 M; totAmt N18,2 M
    """
)
MASTER = (*fields("itemCd C20 M; rsdQty N13,2 M"), *REGISTRAR)


def save_stock_io(visit: Visit) -> None:
    """Take a movement under the next running number."""
    body, unit = visit.body, visit.unit
    check(body, HEADER)
    check_lines(body, LINE)
    given, expected = number(body, "sarNo"), unit.last_stock + 1
    if given in unit.movements:
        raise Refusal("994")
    if given != expected:
        raise Refusal("910", f"Invalid sarNo sequence, expected: {expected} but found: {given:f}")
    check_codes(visit.world, body, (("sarTyCd", "12"), ("regTyCd", "31")))
    check_line_codes(visit.world, body["itemList"])
    if number(body, "totAmt") == 0:
        raise malformed("totAmt", "is 0")  # the gateway rejects 0
    require_items(visit, [line["itemCd"] for line in body["itemList"]])
    check_stock_amounts(body, visit.world.settings)
    commit(visit.world, "movement", **visit.where, body=visit.text)


def save_stock_master(visit: Visit) -> None:
    """Take the quantity that is left; a movement of the item must have been there."""
    body = visit.body
    check(body, MASTER)
    require_items(visit, [body["itemCd"]])
    if body["itemCd"] not in visit.unit.stock:
        raise Refusal("910", "Stock IO is empty")  # section 5.3 [1 live]
    quantities = {body["itemCd"]: f"{number(body, 'rsdQty'):f}"}
    commit(visit.world, "stock", **visit.where, quantities=quantities)


def stock_list(visit: Visit) -> Found:
    """`selectStockMoveList`: what other branches sent here."""
    require_place(visit)
    return Found("stockList", feed(visit, "moves"))


def feed(visit: Visit, name: str) -> list[dict[str, Any]]:
    """What KRA has for this branch, newer than `lastReqDt`."""
    return newer(visit.unit.feeds.get(name, []), last_request(visit))


def require_place(visit: Visit) -> None:
    """The gateway's quirk: `tin` and `bhfId` in the body, too (section 5 [1 live])."""
    for name in ("tin", "bhfId") if visit.is_gateway else ():
        if not visit.body.get(name):
            raise missing(name)
