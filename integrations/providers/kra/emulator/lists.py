"""What KRA tells: code lists, item classes, branches, notices, feeds (section 5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from integrations.providers.kra.emulator.code_table import CLASSES, ITEM_CLASSES, MADE, Code, codes
from integrations.providers.kra.emulator.refusals import Refusal, malformed, missing
from integrations.providers.kra.emulator.visits import Found, Visit


def code_list(visit: Visit) -> Found:
    """`selectCodeList`: the classes that have something newer than `lastReqDt`."""
    since = last_request(visit)
    extra = [
        Code(each["cls"], each["code"], each["name"], each["first"], each["stamp"])
        for each in visit.world.extra_codes
    ]
    known = [*codes(visit.world.settings), *extra]
    rows = []
    for cls, name, first in CLASSES:
        newer = [code for code in known if code.cls == cls and code.at > since]
        if newer:
            rows.append(_class_row(cls, name, first) | {"dtlList": _details(newer)})
    return Found("clsList", rows)


def item_classes(visit: Visit) -> Found:
    """`selectItemClsList`."""
    since = last_request(visit)
    rows = [
        {"itemClsCd": code, "itemClsNm": name, "itemClsLvl": 4, "taxTyCd": tax, "mjrTgYn": None,
         "useYn": "Y"}
        for code, (name, tax) in ITEM_CLASSES.items()
    ]  # fmt: skip
    return Found("itemClsList", rows if since < MADE else [])


def last_request(visit: Visit) -> str:
    """`lastReqDt`, mandatory for lists; E31 where it is no time (section 8 [1])."""
    value = visit.body.get("lastReqDt")
    if value in (None, ""):
        raise missing("lastReqDt")
    if not isinstance(value, str):
        raise malformed("lastReqDt", "is not a text")
    if re.fullmatch(r"[0-9]{14}", value) is None:
        raise Refusal("E31")
    return value


def newer(rows: Iterable[Mapping[str, Any]], since: str) -> list[dict[str, Any]]:
    """The rows that appeared after `since`, without what only the emulator knows."""
    return [
        {name: value for name, value in row.items() if name not in ("at", "decision")}
        for row in rows
        if str(row["at"]) > since
    ]


def _class_row(cls: str, name: str, first: str) -> dict[str, Any]:
    return {"cdCls": cls, "cdClsNm": name, "cdClsDesc": None, "useYn": "Y",
            "userDfnNm1": first or None, "userDfnNm2": None, "userDfnNm3": None}  # fmt: skip


def _details(found: Iterable[Code]) -> list[dict[str, Any]]:
    return [
        {"cd": each.code, "cdNm": each.name, "cdDesc": each.name, "useYn": "Y", "srtOrd": order,
         "userDfnCd1": each.first or None, "userDfnCd2": None, "userDfnCd3": None}
        for order, each in enumerate(found, start=1)
    ]  # fmt: skip
