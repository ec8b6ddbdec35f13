"""Reading what callers hand over; everything that is wrong raises InvalidInput with its field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from integrations.exceptions import InvalidInput
from integrations.models.kra_rules import PIN
from integrations.money import parse_amount
from integrations.providers.kra.payloads.times import NAIROBI
from integrations.providers.kra.payloads.values import CENT

# NUMBER(13,2) of quantities (reference, section 2).
MOST_QUANTITY = Decimal(10) ** 11


def text_of(field: str, value: object, limit: int, *, required: bool = False) -> str:
    """Printable text of at most `limit` characters; "" where it may be empty."""
    if value is None or value == "":
        if required:
            raise InvalidInput(field, "must be given.")
        return ""
    if not isinstance(value, str):
        raise InvalidInput(field, "must be text.")
    text = " ".join(value.split())
    if required and not text:
        raise InvalidInput(field, "must be given.")
    if len(text) > limit:
        raise InvalidInput(field, f"has {len(text)} characters; KRA takes {limit}.")
    if not text.isprintable():
        raise InvalidInput(field, "holds characters that can't be printed.")
    return text


def amount_of(
    field: str, value: object, *, least: Decimal = Decimal(0), step: Decimal = CENT
) -> Decimal:
    """A Decimal of at least `least`, no finer than `step`."""
    amount = parse_amount(value, field)
    if amount < least:
        raise InvalidInput(field, f"must be at least {least}.")
    if amount != amount.quantize(step):
        raise InvalidInput(field, f"{amount} is finer than {step}.")
    if amount >= MOST_QUANTITY:
        raise InvalidInput(field, "is too large.")
    return amount


def quantity_of_input(field: str, value: object) -> Decimal:
    """More than zero, with at most two decimals."""
    return amount_of(field, value, least=CENT)


def pin_of(field: str, value: object) -> str:
    """A KRA PIN, upper case."""
    text = value.strip().upper() if isinstance(value, str) else ""
    if not PIN.fullmatch(text):
        raise InvalidInput(field, "must be a letter, 9 digits and a letter.", code="invalid_pin")
    return text


def flag_of(field: str, value: object) -> bool:
    """True or False, nothing else."""
    if not isinstance(value, bool):
        raise InvalidInput(field, "must be true or false.")
    return value


def day_of(field: str, value: object) -> str:
    """A date as yyyyMMdd in Nairobi; None is today. The future is refused."""
    today = timezone.now().astimezone(NAIROBI).date()
    if value is None or value == "":
        day = today
    elif isinstance(value, datetime):
        day = value.astimezone(NAIROBI).date() if timezone.is_aware(value) else value.date()
    elif isinstance(value, date):
        day = value
    else:
        day = _iso(field, value)
    if day > today:
        raise InvalidInput(field, "lies in the future.")
    return day.strftime("%Y%m%d")


def _iso(field: str, value: object) -> date:
    try:
        if isinstance(value, str):
            return date.fromisoformat(value.strip())
    except ValueError:
        pass
    raise InvalidInput(field, "must be a date such as 2026-11-30.")


def mapping_of(field: str, value: object, known: Iterable[str]) -> Mapping[str, Any]:
    """A dict with no other names than the known ones: a misspelt one would be lost silently."""
    if not isinstance(value, Mapping):
        raise InvalidInput(field, "must be an object with names and values.")
    allowed = set(known)
    for name in value:
        if name not in allowed:
            where = f"{field}.{name}" if field else str(name)
            raise InvalidInput(where[:60], f"is not known; there are: {', '.join(allowed)}.")
    return value
