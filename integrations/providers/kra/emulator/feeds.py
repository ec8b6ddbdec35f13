"""What KRA has to tell: feeds, notices, codes and taxpayers that the control API enters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.providers.emulation import Rejected
from integrations.providers.kra.emulator.amounts import expected_line
from integrations.providers.kra.emulator.code_table import CLASSES
from integrations.providers.kra.emulator.entries import commit
from integrations.providers.kra.emulator.sale_fields import LETTERS
from integrations.providers.kra.emulator.wire import dump, feed_time, wire_time
from integrations.providers.kra.emulator.world import World

Payload = Mapping[str, Any]
SUPPLIER = {"spplrTin": "P051999888Z", "spplrNm": "WHOLESALE LIMITED", "spplrBhfId": "00",
            "spplrSdcId": "KRACU0199999999"}  # fmt: skip


def enter(world: World, where: Mapping[str, str], name: str, row: Mapping[str, Any]) -> None:
    """Add a row to a feed of a branch."""
    commit(world, "feed", **where, list=name, stamp=world.row_stamp(), body=dump(row).decode())


def purchase(world: World, where: Mapping[str, str], payload: Payload) -> dict[str, Any]:
    """A supplier's invoice: `lines` (itemCd, itemNm, qty, prc, taxTyCd), `number`, `changes`."""
    now = world.now()
    lines = payload.get("lines") or [{}]
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise Rejected("lines: a list of objects.")
    whole = [_line(world, position, line) for position, line in enumerate(lines, start=1)]
    told = len(world.unit(where["tin"], where["branch"]).feeds.get("purchases", []))
    row = {
        **SUPPLIER, "spplrInvcNo": payload.get("number", told + 1), "rcptTyCd": "S",
        "pmtTyCd": "01", "cfmDt": feed_time(now), "salesDt": wire_time(now)[:8],
        "stockRlsDt": None, "totItemCnt": len(whole), **_sums(world, whole), "remark": None,
        "itemList": whole, **_changes(payload),
    }  # fmt: skip
    enter(world, where, "purchases", row)
    return {"spplrInvcNo": row["spplrInvcNo"], "spplrTin": row["spplrTin"]}


def imported(world: World, where: Mapping[str, str], payload: Payload) -> dict[str, Any]:
    """An imported item, to be matched with one's own: `task`, `sequence`, `name`, `changes`."""
    day = wire_time(world.now())[:8]
    row = {
        "taskCd": str(payload.get("task", "2231943")), "dclDe": day,
        "itemSeq": payload.get("sequence", 1), "dclNo": "C3460-2019-TZDL", "hsCd": "84159090000",
        "itemNm": str(payload.get("name", "AIR CONDITIONER")), "imptItemsttsCd": "2",
        "orgnNatCd": "CN", "exptNatCd": "CN", "pkg": 2, "pkgUnitCd": "CT", "qty": 19,
        "qtyUnitCd": "NO", "totWt": 51, "netWt": 49, "spplrNm": "FACTORY LTD",
        "agntNm": "CLEARING AGENT LTD", "invcFcurAmt": 500, "invcFcurCd": "USD",
        "invcFcurExcrt": Decimal("129.35"), **_changes(payload),
    }  # fmt: skip
    enter(world, where, "imports", row)
    return {"taskCd": row["taskCd"], "dclDe": row["dclDe"], "itemSeq": row["itemSeq"]}


def moved(world: World, where: Mapping[str, str], payload: Payload) -> dict[str, Any]:
    """Goods that another branch sent here: `sender`, `number`, `lines`, `changes`."""
    lines = payload.get("lines") or [{}]
    whole = [_line(world, position, line) for position, line in enumerate(lines, start=1)]
    sums = _sums(world, whole)
    row = {
        "custTin": where["tin"], "custBhfId": str(payload.get("sender", "01")),
        "sarNo": payload.get("number", 1), "ocrnDt": wire_time(world.now())[:8],
        "totItemCnt": len(whole), "totTaxblAmt": sums["totTaxblAmt"],
        "totTaxAmt": sums["totTaxAmt"], "totAmt": sums["totAmt"], "remark": None,
        "itemList": whole, **_changes(payload),
    }  # fmt: skip
    enter(world, where, "moves", row)
    return {"sarNo": row["sarNo"]}


def notice(world: World, where: Mapping[str, str], payload: Payload) -> dict[str, Any]:
    """A notice to everybody: `title`, `text`."""
    number = len(world.notices) + 1
    row = {
        "noticeNo": number, "title": str(payload.get("title", "Notice")),
        "cont": str(payload.get("text", "")), "dtlUrl": None, "regrNm": "KRA",
        "regDt": wire_time(world.now()),
    }  # fmt: skip
    enter(world, where, "notices", row)
    return {"noticeNo": number}


def code(world: World, payload: Payload) -> dict[str, Any]:
    """A new code in a list: `class`, `code`, `name`, `first` (userDfnCd1)."""
    cls = payload.get("class")
    if cls not in {known for known, _name, _first in CLASSES} or not payload.get("code"):
        raise Rejected("class: one of the code list's; code: text.")
    commit(
        world, "code", cls=cls, code=str(payload["code"]), name=str(payload.get("name", "")),
        first=str(payload.get("first", "")), stamp=world.row_stamp(),
    )  # fmt: skip
    return {"class": cls, "code": payload["code"]}


def outage(world: World, payload: Payload) -> dict[str, Any]:
    """KRA is away: `start` and `end` (ISO with zone), or `on`, or `seconds` from now on."""
    now = world.now()
    start, end = payload.get("start"), payload.get("end", "")
    if start is None:
        is_on = bool(payload.get("on", True))
        start = now.isoformat() if is_on else ""
        seconds = payload.get("seconds")
        if is_on and isinstance(seconds, int | float):
            end = datetime.fromtimestamp(now.timestamp() + seconds, now.tzinfo).isoformat()
    for each in (start, end):
        _check_moment(each)
    commit(world, "outage", start=start, end=end)
    return {"outage": list(world.outage), "is_away": world.is_away()}


def line_to_kra(world: World, where: Mapping[str, str] | None, payload: Payload) -> dict[str, Any]:
    """Cut the line of VSCUs to KRA (`cut` true) or mend it; of one branch, or of all."""
    cut_at = world.now().isoformat() if payload.get("cut", True) else ""
    if where is None:
        commit(world, "line", cut_at=cut_at)
    else:
        commit(world, "device", **where, change={"line_cut_at": cut_at})
    return {"line_cut_at": cut_at}


def _check_moment(text: Any) -> None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except (TypeError, ValueError):
        raise Rejected("start and end: ISO times with a zone.") from None
    if moment is not None and moment.tzinfo is None:
        raise Rejected("start and end: ISO times with a zone.")


def _changes(payload: Payload) -> Mapping[str, Any]:
    changes = payload.get("changes", {})
    if not isinstance(changes, dict):
        raise Rejected("changes: an object.")
    return changes


def _line(world: World, position: int, given: Mapping[str, Any]) -> dict[str, Any]:
    line = {
        "itemSeq": position, "itemCd": "KE2CTNO0000009", "itemClsCd": "5059690800",
        "itemNm": "Supplied goods", "bcd": None, "spplrItemClsCd": None, "spplrItemCd": None,
        "spplrItemNm": None, "pkgUnitCd": "CT", "pkg": given.get("qty", 1), "qtyUnitCd": "NO",
        "qty": 1, "prc": 1160, "dcRt": 0, "taxTyCd": "B", "itemExprDt": None, **given,
    }  # fmt: skip
    if line["taxTyCd"] not in LETTERS:
        raise Rejected("lines: taxTyCd is A to E.")
    exact = {name: Decimal(str(line[name])) for name in ("pkg", "qty", "prc", "dcRt")}
    line.update(exact)
    amounts = expected_line(line, world.settings)
    return line | amounts | {"totDcAmt": amounts["dcAmt"]}


def _sums(world: World, lines: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for letter in LETTERS:
        of_type = [line for line in lines if line["taxTyCd"] == letter]
        found[f"taxblAmt{letter}"] = _sum(of_type, "taxblAmt")
        found[f"taxRt{letter}"] = world.settings.rate(letter)
        found[f"taxAmt{letter}"] = _sum(of_type, "taxAmt")
    return found | {
        "totTaxblAmt": _sum(lines, "taxblAmt"), "totTaxAmt": _sum(lines, "taxAmt"),
        "totAmt": _sum(lines, "totAmt"),
    }  # fmt: skip


def _sum(lines: list[dict[str, Any]], name: str) -> Decimal:
    return sum((line[name] for line in lines), Decimal(0))
