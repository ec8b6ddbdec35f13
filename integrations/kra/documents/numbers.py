"""Amounts and quantities of a document as exact decimals, or a refusal that names the field."""

from __future__ import annotations

import re
from decimal import Decimal

from integrations.exceptions import InvalidInput
from integrations.money import parse_amount

_PLAIN = re.compile(r"-?\d{1,15}(?:\.(\d+))?")
_ZERO = Decimal(0)


def exact(value: object, field: str, *, decimals: int) -> Decimal:
    """An int, Decimal or plain decimal text; a float only where it is plainly meant exactly.

    Floats are refused elsewhere. Here they are what the documented helper made: one is taken where
    its shortest text has at most `decimals` decimals. Raises InvalidInput naming the field.
    """
    if type(value) is float:
        text = repr(value)
        found = _PLAIN.fullmatch(text)
        if found is None or len((found[1] or "").rstrip("0")) > decimals:
            raise InvalidInput(
                field,
                f"{text[:40]} is a float and not exact to {decimals} decimals: hand over Decimal "
                "or text.",
                code="float_amount",
            )
        value = text
    return parse_amount(value, field)


def is_finer(value: Decimal, decimals: int) -> bool:
    """Whether it has more digits after the point than `decimals`, noughts at the end aside."""
    return value != round(value, decimals)


def money(value: object, field: str) -> Decimal:
    """An amount of money of at most 2 decimals, zero or more; raises InvalidInput."""
    amount = exact(value, field, decimals=2)
    if amount < _ZERO:
        raise InvalidInput(
            field, "is negative; credit notes have positive amounts too.", code="invalid_amount"
        )
    if is_finer(amount, 2):
        raise InvalidInput(field, f"{amount} is finer than a cent.", code="fractional_amount")
    return amount


def price(value: object, field: str) -> Decimal:
    """A price of one unit, zero or more, of at most 6 decimals; raises InvalidInput."""
    amount = exact(value, field, decimals=2)
    if amount < _ZERO:
        raise InvalidInput(
            field, "is negative; credit notes have positive amounts too.", code="invalid_amount"
        )
    if is_finer(amount, 6):
        raise InvalidInput(field, "has more than 6 decimals.", code="fractional_amount")
    return amount


def quantity(value: object, field: str) -> Decimal:
    """A quantity above zero of at most 2 decimals (NUMBER 13,2, section 2); raises InvalidInput."""
    amount = exact(value, field, decimals=4)
    if amount <= _ZERO:
        raise InvalidInput(field, "must be more than zero.", code="invalid_document")
    if is_finer(amount, 2):
        raise InvalidInput(
            field,
            f"{amount} has more than 2 decimals, which KRA does not carry: sell in a smaller unit.",
            code="invalid_document",
        )
    # The VSCU keeps decimal(11,2).
    if amount >= 10**9:
        raise InvalidInput(field, "is too large.", code="invalid_document")
    return amount


def percent(value: object, field: str) -> Decimal:
    """A rate from 0 to 100 of at most 2 decimals; raises InvalidInput."""
    rate = exact(value, field, decimals=2)
    if not _ZERO <= rate <= 100 or is_finer(rate, 2):
        raise InvalidInput(
            field, f"{rate} is no percentage from 0 to 100.", code="invalid_document"
        )
    return rate
