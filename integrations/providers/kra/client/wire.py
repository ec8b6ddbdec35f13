"""What goes over eTIMS's wire and how it is read: times, numbers, keys. Source: section 2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.crypto import redact
from integrations.exceptions import InvalidInput
from integrations.providers.kra.payloads.times import NAIROBI

_MOMENT = "%Y%m%d%H%M%S"
_FORMS = (_MOMENT, "%Y%m%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d")
_DEEPEST = 30


def moment_text(moment: datetime) -> str:
    """yyyyMMddHHmmss of an instant, in Nairobi's wall time."""
    return moment.astimezone(NAIROBI).strftime(_MOMENT)


def read_moment(value: object) -> datetime | None:
    """An instant from any of KRA's forms, or None for what is none (such as -1)."""
    text = str(value if value is not None else "").strip()
    if not re.fullmatch(r"[0-9:. \-]{8,32}", text):
        return None
    # More digits of a second than Python reads.
    text = re.sub(r"(\.\d{6})\d+$", r"\1", text)
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=NAIROBI)
        except ValueError:
            continue
    return None


def read_number(value: object) -> int | None:
    """A counter, which KRA sends as number or text; None for anything else."""
    amount = read_amount(value)
    if amount is None or amount != amount.to_integral_value():
        return None
    number = int(amount)
    return number if abs(number) < 2**63 else None


def read_amount(value: object) -> Decimal | None:
    """An amount, number or text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        amount = Decimal(str(value).strip().replace(",", ""))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) < Decimal(10) ** 30 else None


def read_text(value: object, limit: int = 300) -> str:
    """KRA's own words as they may be kept and shown: no NUL, no secrets, cut."""
    if value is None or isinstance(value, dict | list):
        return ""
    text = str(value).replace("\x00", "").encode("utf-8", "replace").decode()
    return redact(text).strip()[:limit]


def clean_keys(value: Any, depth: int = 0) -> Any:
    """The same value with keys that carry stray spaces stripped, at every depth."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        return {str(key).strip(): clean_keys(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [clean_keys(item, depth + 1) for item in value]
    return value


def rows_of(data: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The rows of a list in `data`; what is no row is left out."""
    found = data.get(name)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def wire_value(value: Any, where: str = "body") -> Any:
    """The value as JSON carries it: Decimals become numbers that read back as the same Decimal.

    Raises InvalidInput for an amount with more digits than a JSON number holds.
    """
    if isinstance(value, Decimal):
        return _number(value, where)
    if isinstance(value, Mapping):
        return {str(key): wire_value(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [wire_value(item, f"{where}[{at}]") for at, item in enumerate(value)]
    return value


def _number(value: Decimal, where: str) -> int | float:
    if value == value.to_integral_value():
        return int(value)
    number = float(value)
    if Decimal(repr(number)) != value:
        raise InvalidInput(where, "has more digits than can be sent.")
    return number
