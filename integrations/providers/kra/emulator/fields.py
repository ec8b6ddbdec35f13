"""Fields of a body: which, how long, of which type, mandatory or not (sections 5 and 6)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.providers.kra.emulator.refusals import malformed, missing

_NOTATION = re.compile(r"(\w+) ([CNTDF])(\d+)(?:,(\d+))?( M)?")


@dataclass(frozen=True, slots=True)
class Field:
    """One field. Kinds: C text, N number, T time (14), D date (8), F flag (Y or N)."""

    name: str
    kind: str
    size: int
    scale: int
    is_mandatory: bool


def fields(notation: str) -> tuple[Field, ...]:
    """Fields in the reference's own notation: `itemCd C20 M; dftPrc N18,2 M; bcd C20`."""
    found = []
    for part in notation.replace("\n", " ").split(";"):
        text = " ".join(part.split())
        if text:
            match = _NOTATION.fullmatch(text)
            if match is None:
                raise ValueError(text)
            name, kind, size, scale, must = match.groups()
            found.append(Field(name, kind, int(size), int(scale or 0), must is not None))
    return tuple(found)


# Section 2 [3+]: mandatory on nearly all writes; the gateway rejects null for any of the four.
REGISTRAR = fields("regrId C20 M; regrNm C60 M; modrId C20 M; modrNm C60 M")


def check(body: Mapping[str, Any], wanted: Sequence[Field], place: str = "") -> None:
    """Raises Refusal (910) for the first field that is missing or not as described."""
    for each in wanted:
        path = f"{place}<{each.name}>" if place else each.name
        value = body.get(each.name)
        if value is None or value == "":
            if each.is_mandatory:
                raise missing(path)
        elif each.kind == "N":
            _check_number(value, each, path)
        else:
            _check_text(value, each, path)


def number(body: Mapping[str, Any], name: str) -> Decimal:
    """A number that was checked; 0 where it is absent."""
    return Decimal(body.get(name) or 0)


def _check_number(value: Any, each: Field, path: str) -> None:
    # Section 2 [3+]: numbers are JSON numbers.
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise malformed(path, "is not a number")
    exact = Decimal(value)
    if exact < 0:
        raise malformed(path, "is negative")  # section 6.6 [3+]: positive, credit notes too
    if exact != round(exact, each.scale):
        raise malformed(path, f"has more than {each.scale} decimals")
    if exact >= Decimal(10) ** (each.size - each.scale):
        raise malformed(path, f"has more than {each.size} digits")


def _check_text(value: Any, each: Field, path: str) -> None:
    if not isinstance(value, str):
        raise malformed(path, "is not a text")
    if each.kind in "TD":
        if not _is_time(value, each.size):
            raise malformed(path, f"is not a time of {each.size} digits")
    elif len(value) > each.size:
        raise malformed(path, f"is longer than {each.size} characters")
    if each.kind == "F" and value not in ("Y", "N"):
        raise malformed(path, "is neither Y nor N")


def _is_time(text: str, size: int) -> bool:
    if len(text) != size or not (text.isascii() and text.isdigit()):
        return False
    try:
        datetime.strptime(text, "%Y%m%d%H%M%S" if size == 14 else "%Y%m%d")  # noqa: DTZ007
    except ValueError:
        return False
    return True
