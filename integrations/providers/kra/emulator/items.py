"""Items of the catalogue and what they are made of (section 5.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from integrations.providers.kra.emulator.code_table import ITEM_CLASSES
from integrations.providers.kra.emulator.entries import commit
from integrations.providers.kra.emulator.fields import REGISTRAR, check, fields, number
from integrations.providers.kra.emulator.line_rules import check_codes
from integrations.providers.kra.emulator.lists import last_request, newer
from integrations.providers.kra.emulator.refusals import Refusal, malformed, not_in_table
from integrations.providers.kra.emulator.visits import Found, Visit

ITEM = (
    *fields(
        """
        itemCd C20 M; itemClsCd C10 M; itemTyCd C5 M; itemNm C200 M; itemStdNm C200;
        orgnNatCd C5 M; pkgUnitCd C5 M; qtyUnitCd C5 M; taxTyCd C5 M; btchNo C10; bcd C20;
        dftPrc N18,2 M; grpPrcL1 N18,2; grpPrcL2 N18,2; grpPrcL3 N18,2; grpPrcL4 N18,2;
        grpPrcL5 N18,2; addInfo C7; sftyQty N13,2; isrcAplcbYn F1 M; useYn F1 M
        """
    ),
    *REGISTRAR,
)
COMPOSITION = (*fields("itemCd C20 M; cpstItemCd C20 M; cpstQty N13,3 M"), *REGISTRAR)
_EXTRA = {"tin": "", "rraModYn": "N"}


def save_item(visit: Visit) -> None:
    """Enter an item. An existing one is updated, but not through the gateway."""
    body = visit.body
    check(body, ITEM)
    check_codes(visit.world, body, (("itemTyCd", "24"), ("taxTyCd", "04")))
    if not re.fullmatch("[A-Z]{2}", body["orgnNatCd"]):
        raise not_in_table("<orgnNatCd>", body["orgnNatCd"])
    if body["itemClsCd"] not in ITEM_CLASSES:
        raise not_in_table("<itemClsCd>", body["itemClsCd"])  # section 5.1 [1]
    if visit.is_gateway:
        _check_code(visit)
    commit(visit.world, "item", **visit.where, stamp=visit.row_stamp(), body=visit.text)


def item_list(visit: Visit) -> Found:
    """`selectItemList`: what was entered since, by any branch of the PIN."""
    rows = newer(visit.taxpayer.items.values(), last_request(visit))
    return Found("itemList", [row | _EXTRA | {"tin": visit.unit.tin} for row in rows])


def save_composition(visit: Visit) -> None:
    """What an item is made of; both must be known."""
    body = visit.body
    check(body, COMPOSITION)
    if number(body, "cpstQty") <= 0:
        raise malformed("cpstQty", "is below 0.001")
    require_items(visit, [body["itemCd"], body["cpstItemCd"]])
    commit(visit.world, "composition", **visit.where, body=visit.text)


def require_items(visit: Visit, codes: list[str]) -> None:
    """Raises Refusal for items that the taxpayer never entered."""
    unknown = [code for code in dict.fromkeys(codes) if code not in visit.taxpayer.items]
    if unknown:
        raise Refusal("910", f"Items {', '.join(unknown)} do not exist in your stock")


def _check_code(visit: Visit) -> None:
    """The gateway's stricter rules of item codes (section 5.2 [1 live])."""
    body: Mapping[str, Any] = visit.body
    code, expected = str(body["itemCd"]), visit.taxpayer.last_item + 1
    head = f"{body['orgnNatCd']}{body['itemTyCd']}{body['pkgUnitCd']}"
    unit = str(body["qtyUnitCd"])
    if code[: len(head)] != head:
        raise Refusal("910", f"Incorrect itemCd Prefix. Expected: {head}")
    middle = code[len(head) : -7]
    if len(middle) != 2 or middle not in (unit, f"X{unit}"):
        raise Refusal("910", "Incorrect QtyUnitCd Prefix")
    if code[-7:] != f"{expected:07d}":
        raise Refusal(
            "910", f"Invalid itemCd Sequence. Expected sequence ending with: {expected:07d}"
        )
