"""Money: Decimal with a currency, exact or refused. No floats, no silent rounding."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from integrations.exceptions import InvalidInput

# One more integer digit than any column holds; also keeps arithmetic inside Decimal's precision.
TOO_LARGE = Decimal(10) ** 12
MOST_DIGITS = 24
# Digits after the point that the currency itself has (ISO 4217).
MINOR_UNITS = {"KES": 2, "USD": 2, "EUR": 2, "GBP": 2, "TZS": 2, "UGX": 0, "RWF": 0}


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in one currency."""

    amount: Decimal
    currency: str = "KES"

    def whole_units(self, field: str = "amount") -> int:
        """The amount as whole currency units; raises InvalidInput when there is a fraction."""
        if self.amount != self.amount.to_integral_value():
            raise InvalidInput(
                field,
                f"{self.amount} has a fraction; this provider carries whole {self.currency} only.",
                code="fractional_amount",
            )
        return int(self.amount)

    def __str__(self) -> str:
        return f"{self.currency} {self.amount:,}"


def parse_amount(value: object, field: str = "amount") -> Decimal:
    """An int, Decimal or plain decimal text as a finite Decimal.

    Raises InvalidInput for floats (they are not exact), booleans, NaN, infinities, digit
    grouping ("1,000"), exponents, amounts of 10^12 and more, and anything else.
    """
    if isinstance(value, bool) or value is None:
        raise InvalidInput(field, "must be a number.", code="invalid_amount")
    if isinstance(value, float):
        raise InvalidInput(
            field,
            "must be Decimal, int or text, never float: floats are not exact.",
            code="float_amount",
        )
    if isinstance(value, int):
        return _bounded(Decimal(value), field)
    if isinstance(value, str):
        text = value.strip()
        if not text.isascii() or not text.replace(".", "", 1).removeprefix("-").isdigit():
            raise InvalidInput(
                field,
                f"{value[:40]!r} is not a plain decimal number such as 1000 or 1000.50.",
                code="invalid_amount",
            )
        value = text
    if not isinstance(value, str | Decimal):
        raise InvalidInput(field, "must be a number.", code="invalid_amount")
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise InvalidInput(field, "is not a number.", code="invalid_amount") from None
    if not amount.is_finite():
        raise InvalidInput(field, "must be a finite number.", code="invalid_amount")
    return _bounded(amount, field)


def _bounded(amount: Decimal, field: str) -> Decimal:
    if amount.copy_abs() >= TOO_LARGE:
        raise InvalidInput(field, "is too large.", code="invalid_amount")
    # Its text is at hand at once; where that is short, so is the number.
    if len(str(amount)) > MOST_DIGITS and len(amount.as_tuple().digits) > MOST_DIGITS:
        raise InvalidInput(field, "has too many digits.", code="invalid_amount")
    return amount


def parse_money(value: object, currency: str = "KES", field: str = "amount") -> Money:
    """A positive amount no finer than the currency's minor unit; raises InvalidInput."""
    amount = parse_amount(value, field)
    if amount <= 0:
        raise InvalidInput(field, "must be more than zero.", code="invalid_amount")
    digits = MINOR_UNITS.get(currency)
    if digits is None:
        raise InvalidInput("currency", f"{currency!r} is not known.", code="invalid_currency")
    if amount != round(amount, digits):
        raise InvalidInput(
            field,
            f"{amount} is finer than {currency} allows ({digits} decimals).",
            code="fractional_amount",
        )
    return Money(amount, currency)
