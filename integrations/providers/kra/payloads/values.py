"""What the payloads of lists and reports share: numbers, dates, who registers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from integrations.config import Snapshot
from integrations.providers.kra.payloads.times import NAIROBI

TAX_TYPES = ("A", "B", "C", "D", "E")
CENT = Decimal("0.01")


def number(value: object) -> int | float:
    """A stored amount as a JSON number that is written with the same digits.

    A float is made last, for the encoder alone: money below 10^12 keeps each cent in it.
    """
    amount = decimal(value)
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def decimal(value: object) -> Decimal:
    """A stored amount (text, or a number of KRA's JSON); "", None and garbage are zero."""
    if value is None or isinstance(value, bool):
        return Decimal(0)
    try:
        amount = Decimal(str(value).strip() or "0")
    except ArithmeticError:
        return Decimal(0)
    return amount if amount.is_finite() else Decimal(0)


def whole(value: object) -> int:
    """A count that KRA sends as a number or as text; garbage is zero."""
    return int(decimal(value))


def clean_text(value: object, limit: int) -> str:
    """KRA's text as both databases can store it: no NUL, no lone surrogates, cut."""
    if value is None:
        return ""
    text = str(value).replace("\x00", "").encode("utf-8", "replace").decode()
    return text.strip()[:limit]


def day(value: date | datetime) -> str:
    """yyyyMMdd in Nairobi (reference, section 2)."""
    return _local(value).strftime("%Y%m%d")


def moment(value: datetime) -> str:
    """yyyyMMddHHmmss in Nairobi (reference, section 2)."""
    return _local(value).strftime("%Y%m%d%H%M%S")


def _local(value: date | datetime) -> date | datetime:
    return value.astimezone(NAIROBI) if isinstance(value, datetime) else value


def digits_of(value: object, length: int) -> str | None:
    """A date of any of KRA's forms as its first `length` digits; None for garbage such as -1."""
    text = "".join(filter(str.isdigit, str(value or "")))
    if len(text) < 8:
        return None
    return text[:length].ljust(length, "0")


def registrar(config: Snapshot) -> dict[str, str]:
    """Who registers and who changes; the gateway refuses null for any of the four (section 2)."""
    name, key = config.text("registrar_name")[:60], config.text("registrar_id")[:20]
    return {"regrId": key, "regrNm": name, "modrId": key, "modrNm": name}


def optional(document: Mapping[str, Any], name: str) -> str | None:
    """A text of the document, None (sent as null) where it is empty."""
    return str(document.get(name) or "") or None


def flag(value: object) -> str:
    """Y or N."""
    return "Y" if value else "N"
