"""What holds for the lines of sales, purchases and stock movements alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from integrations.providers.kra.emulator.code_table import ITEM_CLASSES
from integrations.providers.kra.emulator.fields import Field, check, number
from integrations.providers.kra.emulator.refusals import malformed, missing, not_in_table
from integrations.providers.kra.emulator.world import World

_MAXIMUM_LINES = 999  # section 6.1
_TABLES = (("pkgUnitCd", "17"), ("qtyUnitCd", "10"), ("taxTyCd", "04"))


def check_codes(world: World, body: Mapping[str, Any], tables: Iterable[tuple[str, str]]) -> None:
    """Fields of the header are in their lists; absent ones are not looked at."""
    for name, cls in tables:
        value, known = body.get(name), world.codes(cls)
        if value is not None and value not in known:
            raise not_in_table(f"<{name}>", value, known)


def check_lines(body: Mapping[str, Any], wanted: Sequence[Field]) -> None:
    """The lines: 1 to 999, counted and numbered from 1, each with its fields."""
    lines = body.get("itemList")
    if not lines:
        raise missing("itemList")
    if not isinstance(lines, list) or len(lines) > _MAXIMUM_LINES:
        raise malformed("itemList", f"is not a list of 1 to {_MAXIMUM_LINES} lines")
    for line in lines:
        if not isinstance(line, dict):
            raise malformed("itemList", "has a line that is not an object")
        check(line, wanted, "<itemList>")
    if number(body, "totItemCnt") != len(lines):
        raise malformed("totItemCnt", f"is not the number of lines, {len(lines)}")
    if [line["itemSeq"] for line in lines] != list(range(1, len(lines) + 1)):
        raise malformed("<itemList><itemSeq>", "does not count from 1")


def check_line_codes(world: World, lines: Iterable[Mapping[str, Any]]) -> None:
    """Units, tax types and classes are in their lists: 913 with the path (section 8 [1 live])."""
    for line in lines:
        for name, cls in _TABLES:
            known = world.codes(cls)
            if line[name] not in known:
                raise not_in_table(f"<itemList><{name}>", line[name], known)
        if line.get("itemClsCd") and line["itemClsCd"] not in ITEM_CLASSES:
            raise not_in_table("<itemList><itemClsCd>", line["itemClsCd"])
        # Section 6.3 [1 live]: 0 packages are rejected.
        for name in ("qty", "pkg"):
            if number(line, name) == 0:
                raise malformed(f"<itemList><{name}>", "is 0")
