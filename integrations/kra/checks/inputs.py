"""What is typed for GavaConnect, read: each raises InvalidInput with the field's name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.models.kra_rules import PIN
from integrations.providers.kra.payloads.times import NAIROBI

# KRA's times are the wall's in Nairobi (eTIMS reference, section 2).


def read_pin(value: object, field: str = "kra_pin") -> str:
    """A KRA PIN, stripped and in upper case (section 10)."""
    text = str(value or "").strip().upper()
    if not PIN.fullmatch(text):
        raise InvalidInput(field, "must be a letter, 9 digits and a letter, such as A123456789B.")
    return text


def read_text(value: object, field: str, limit: int, *, required: bool = True) -> str:
    """Text of one line, stripped, of at most `limit` characters."""
    if isinstance(value, Mapping | list | tuple | bool):
        raise InvalidInput(field, "must be text.")
    text = "" if value is None else str(value).strip()
    if required and not text:
        raise InvalidInput(field, "is needed.")
    if len(text) > limit:
        raise InvalidInput(field, f"must have at most {limit} characters.")
    if not text.isprintable():
        raise InvalidInput(field, "must hold printable characters only.")
    return text


def read_choice(value: object, field: str, choices: Collection[str]) -> str:
    """One of these words."""
    text = str(value or "").strip()
    if text not in choices:
        raise InvalidInput(field, f"must be one of {', '.join(sorted(choices))}.")
    return text


def read_day(value: object, field: str) -> date:
    """A day: a date, or text such as 2026-11-27; of a moment, the day in Nairobi."""
    return read_moment(value, field).date()


def read_moment(value: object, field: str) -> datetime:
    """A moment as the clock in Nairobi shows it, without a zone; of a day, its beginning."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            value = None
    if isinstance(value, datetime):
        local = value.astimezone(NAIROBI) if value.tzinfo else value
        return local.replace(tzinfo=None, microsecond=0)
    if isinstance(value, date):
        return datetime.combine(value, datetime.min.time())
    raise InvalidInput(field, "must be a date such as 2026-11-27.")


def today() -> date:
    """The day in Nairobi."""
    return datetime.now(NAIROBI).date()


def refuse_others(given: Mapping[str, Any], known: Collection[str], prefix: str = "") -> None:
    """Raises InvalidInput for a name that nobody knows: a typing error is no omission."""
    for name in given:
        if name not in known:
            raise InvalidInput(f"{prefix}{str(name)[:64]}", "is not a known field.")
