"""One cell of a statement: instants and sums in the layouts that such files use."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from decimal import Decimal

from integrations.payments.references import clean_reference
from integrations.providers.mpesa.payloads import NAIROBI

# 2026-01-14 09:30:21, 14-01-2026 09:30:21, 14/1/2026 9:30; day before month, as Kenya writes it.
_MOMENT = re.compile(
    r"(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?"
    r"(?: ?([AaPp])\.?[Mm]\.?)?"
)
# As nearly every file has it.
_ISO = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_GROUPED = re.compile(r"\d{1,3}(?:[, '\u00a0\u202f]\d{3})+(?:\.\d{1,2})?")
_USUAL = re.compile(r"-?(?:\d{1,3}(?:,\d{3}){0,2}|\d{1,9})\.\d\d", re.ASCII)
_PLAIN = re.compile(r"\d+(?:\.\d{1,2})?")
# As spreadsheets of other countries save it: 1.234,50 and 500,00.
_COMMA = re.compile(r"(?:\d{1,3}(?:\.\d{3})+|\d+),\d{1,2}")
_CURRENCY = re.compile(r"^(?:KES|KSH|KSHS)[. ]*", re.IGNORECASE)
TOO_LARGE = Decimal(10) ** 12


def plain(cell: str) -> str:
    """The text of a cell without what spreadsheets put around it: =\"...\" and a leading '."""
    text = cell.strip()
    if text.isalnum():
        return text
    if text.startswith('="') and text.endswith('"'):
        text = text[2:-1]
    return text.removeprefix("'").strip()


def cut(cell: str, limit: int) -> str:
    """The cell in one line, as both databases can store it and without what can't be seen: payers
    write into it."""
    if cell.isascii() and cell.isprintable() and "  " not in cell:
        return cell[:limit].strip()  # as nearly every cell is
    return clean_reference(cell, limit)


def parse_moment(cell: str) -> datetime:
    """The instant, East Africa Time; ValueError says what is wrong with it."""
    text = plain(cell)
    if _ISO.fullmatch(text):
        with suppress(ValueError):
            return datetime.fromisoformat(text).replace(tzinfo=NAIROBI)
    found = _MOMENT.fullmatch(text)
    if not found:
        raise ValueError(f"{text[:40]!r} is no date and time such as 2026-01-14 09:30:21")
    first, month, last, hour, minute, second, half = found.groups()
    year, day = (first, last) if len(first) == 4 else (last, first)
    if len(year) != 4:
        raise ValueError(f"{text[:40]!r} has no year of four digits")
    try:
        return datetime(
            int(year), int(month), int(day), _hour(int(hour), half), int(minute),
            int(second or 0), tzinfo=NAIROBI,
        )  # fmt: skip
    except ValueError:
        raise ValueError(f"{text[:40]!r} is a day or an hour that there is not") from None


def _hour(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError
    return hour % 12 + (12 if half in "Pp" else 0)


def parse_sum(cell: str) -> Decimal | None:
    """The sum, negative where it is written so; None for an empty cell.

    ValueError for anything that is not certainly an amount with at most two decimals.
    """
    text = plain(cell)
    if _USUAL.fullmatch(text):
        return Decimal(text.replace(",", ""))
    if not text or text in ("-", "–"):  # noqa: RUF001
        return None
    is_negative = text.startswith("-") or (text.startswith("(") and text.endswith(")"))
    digits = _CURRENCY.sub("", text.strip("()").removeprefix("-").removeprefix("+").strip())
    if _PLAIN.fullmatch(digits):
        number = digits
    elif _GROUPED.fullmatch(digits):
        number = re.sub(r"[^\d.]", "", digits)
    elif _COMMA.fullmatch(digits):
        number = digits.replace(".", "").replace(",", ".")
    else:
        raise ValueError(f"{text[:40]!r} is no amount such as 1,000.50")
    if not number.isascii():
        raise ValueError(f"{text[:40]!r} is no amount such as 1,000.50")
    amount = Decimal(number)
    if amount >= TOO_LARGE:
        raise ValueError(f"{text[:40]!r} is too large")
    return -amount if is_negative else amount
