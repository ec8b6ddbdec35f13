"""NIL returns and turnover tax, as they are typed. Source: eTIMS reference, section 11."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.kra.checks.inputs import read_pin, today
from integrations.models import FilingKind
from integrations.models.kra_rules import read_obligations
from integrations.money import parse_amount

_EARLIEST = 2000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filing that was read and checked. `key` names what it is about."""

    kind: FilingKind
    kra_pin: str
    period: str
    key: str
    values: dict[str, Any] = field(repr=False)
    amount: Decimal | None = None


def read_nil_return(
    config: Snapshot, *, obligation: object, month: object, year: object, kra_pin: object = ""
) -> Wanted:
    """A NIL return of one month; raises InvalidInput naming the field.

    `obligation` is one of the codes of the setting `obligation_codes`, or its name there.
    """
    pin, period = read_pin(kra_pin or config.text("kra_pin")), read_period(month, year)
    code = read_obligation(config, obligation)
    values = {"pin": pin, "obligation": code, "month": period[5:], "year": period[:4]}
    return Wanted(FilingKind.NIL_RETURN, pin, period, f"{code}:{period}", values)


def read_turnover_tax(
    config: Snapshot, *, turnover: object, month: object, year: object, kra_pin: object = ""
) -> Wanted:
    """Turnover tax of one month; `turnover` is the gross of it in KES. Raises InvalidInput."""
    pin, period = read_pin(kra_pin or config.text("kra_pin")), read_period(month, year)
    gross = read_money(turnover, "turnover")
    values = {"pin": pin, "month": period[5:], "year": period[:4], "turnover": gross}
    return Wanted(FilingKind.TURNOVER_TAX, pin, period, period, values, amount=gross)


def read_period(month: object, year: object) -> str:
    """A month that has begun, as "2026-04"; raises InvalidInput."""
    numbers = {"month": month, "year": year}
    for name, value in numbers.items():
        text = str(value).strip()
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,4}", text):
            raise InvalidInput(name, "must be a whole number.")
        numbers[name] = int(text)
    read_month, read_year = int(str(numbers["month"])), int(str(numbers["year"]))
    if not 1 <= read_month <= 12:
        raise InvalidInput("month", "must be between 1 and 12.")
    if read_year < _EARLIEST:
        raise InvalidInput("year", "must have four digits.")
    now = today()
    if (read_year, read_month) > (now.year, now.month):
        raise InvalidInput("month", "lies in the future.")
    return f"{read_year:04d}-{read_month:02d}"


def read_money(value: object, name: str) -> Decimal:
    """A positive amount of KES with at most two decimals; raises InvalidInput."""
    amount = parse_amount(value, name)
    if amount <= 0:
        raise InvalidInput(name, "must be more than zero.", code="invalid_amount")
    if amount != round(amount, 2):
        raise InvalidInput(name, "has more than two decimals.", code="fractional_amount")
    return amount


def read_obligation(config: Snapshot, value: object) -> str:
    """A code of the settings' table, by code or name; raises InvalidInput."""
    table = obligation_codes(config)
    text = str(value or "").strip()
    if text in table:
        return text
    by_name = {name.lower(): code for code, name in table.items()}
    if text.lower() in by_name:
        return by_name[text.lower()]
    known = ", ".join(f"{code} ({name})" for code, name in table.items())
    raise InvalidInput("obligation", f"must be one of {known}.")


def obligation_codes(config: Snapshot) -> dict[str, str]:
    """The settings' table, {code: name}; sources disagree, so it is theirs (section 11).

    Raises ConfigurationError for a text that is no such table.
    """
    table = read_obligations(str(config.values["obligation_codes"] or ""))
    if not table:
        raise ConfigurationError(
            "obligation_codes: holds no “code=name”, such as “5=VAT”: enter the obligations."
        )
    return table
