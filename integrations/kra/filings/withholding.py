"""Withheld tax as it is typed: KRA's checks done here first, naming line and field.

Source: eTIMS reference, section 11.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.checks.inputs import read_moment, read_pin, read_text, refuse_others
from integrations.kra.filings.returns import Wanted, read_money
from integrations.models import FilingKind
from integrations.money import parse_amount
from integrations.providers.kra.payloads.withholding import (
    WithheldLine,
    Withholding,
    tax_of,
    withholding_body,
)

MOST_LINES = 1000
K = FilingKind
# What some kinds have beside the rest: our name, KRA's, and whether it is needed [1].
_DETAILS: Mapping[FilingKind, tuple[tuple[str, str, bool], ...]] = MappingProxyType(
    {
        K.WITHHOLDING_VAT: (),
        K.WITHHOLDING_INCOME: (
            ("nature_of_transaction", "natureOfTransaction", True),
            ("residential_status", "residentialStatus", True),
            ("country", "country", False),
            ("withholdee_name", "withholdeeName", False),
            ("withholdee_email", "withholdeeEmail", False),
            ("withholdee_address", "withholdeeAddress", False),
        ),
        K.WITHHOLDING_RENTAL: (
            ("type_of_property", "typeOfProperty", True),
            ("lr_number", "lrNumber", True),
            ("building", "building", False),
            ("street", "street", False),
            ("town", "town", False),
        ),
    }
)
WITHHOLDING = frozenset(_DETAILS)
_COMMON = ("payment_date", "gross_amount", "tax_rate", "tax_amount")
_INVOICE = ("invoice_number", "invoice_date")


def read_withholding(kind: FilingKind, config: Snapshot, given: Mapping[str, Any]) -> Wanted:
    """A PRN's data: `unique_number, period_from, period_to, lines[]`, perhaps `withholder_pin`
    and the totals `gross_amount` and `tax_amount`, which must then be the sums of the lines.

    A line has `withholdee_pin` (of rent: `landlord_pin`), `payment_date, gross_amount,
    tax_rate`, perhaps `tax_amount`; `invoice_number` and `invoice_date`, which rent may lack;
    and the texts of its kind. Raises InvalidInput, whose field is such as
    `lines[2].payment_date`; the first line is lines[1].
    """
    known = {"unique_number", "period_from", "period_to", "lines", "withholder_pin"}
    refuse_others(given, {*known, "gross_amount", "tax_amount"})
    begin = read_moment(given.get("period_from"), "period_from")
    end = read_end(given.get("period_to"), "period_to")
    if begin > end:
        raise InvalidInput("period_to", "comes before period_from.")
    read = Withholding(
        kind=kind.value,
        withholder_pin=read_pin(
            given.get("withholder_pin") or config.text("kra_pin"), "withholder_pin"
        ),
        unique_number=read_text(given.get("unique_number"), "unique_number", 60),
        period_from=begin,
        period_to=end,
        lines=_read_lines(kind, given.get("lines"), begin, end),
    )
    for name, total in (("gross_amount", read.gross), ("tax_amount", read.tax)):
        if given.get(name) is not None and parse_amount(given[name], name) != total:
            raise InvalidInput(name, f"is not the sum of the lines, {total}.")
    return Wanted(
        kind=kind,
        kra_pin=read.withholder_pin,
        period=f"{begin:%Y-%m-%d} to {end:%Y-%m-%d}",
        key=read.unique_number,
        values=withholding_body(read),
        amount=read.tax,
    )


def read_end(value: object, field: str) -> datetime:
    """The end of a period: of a day, its last second."""
    moment = read_moment(value, field)
    is_day = not isinstance(value, datetime) and len(str(value).strip()) <= len("2026-11-27")
    return moment.replace(hour=23, minute=59, second=59) if is_day else moment


def _read_lines(
    kind: FilingKind, given: Any, begin: datetime, end: datetime
) -> Sequence[WithheldLine]:
    if not isinstance(given, list | tuple) or not given:
        raise InvalidInput("lines", "must be a list with at least one line.")
    if len(given) > MOST_LINES:
        raise InvalidInput("lines", f"must have at most {MOST_LINES} lines.")
    lines = []
    for number, line in enumerate(given, start=1):
        prefix = f"lines[{number}]"
        if not isinstance(line, Mapping):
            raise InvalidInput(prefix, "must be an object with named values.")
        lines.append(_read_line(kind, line, f"{prefix}.", begin, end))
    return lines


def _read_line(
    kind: FilingKind, line: Mapping[str, Any], at: str, begin: datetime, end: datetime
) -> WithheldLine:
    is_rent = kind == K.WITHHOLDING_RENTAL
    who = "landlord_pin" if is_rent else "withholdee_pin"
    details = _DETAILS[kind]
    refuse_others(line, {who, *_COMMON, *_INVOICE, *(name for name, _, _ in details)}, at)
    paid = read_moment(line.get("payment_date"), f"{at}payment_date")
    if not begin <= paid <= end:
        raise InvalidInput(f"{at}payment_date", "lies outside the period.")
    invoiced = None
    if not is_rent or line.get("invoice_date"):
        invoiced = read_moment(line.get("invoice_date"), f"{at}invoice_date")
        if invoiced > paid:
            raise InvalidInput(f"{at}invoice_date", "comes after the payment date.")
    gross, rate, tax = _read_amounts(line, at)
    return WithheldLine(
        withholdee_pin=read_pin(line.get(who), f"{at}{who}"),
        payment_date=paid,
        gross_amount=gross,
        tax_rate=rate,
        tax_amount=tax,
        invoice_number=read_text(
            line.get("invoice_number"), f"{at}invoice_number", 60, required=not is_rent
        ),
        invoice_date=invoiced,
        details={
            theirs: read_text(line.get(name), f"{at}{name}", 200, required=is_needed)
            for name, theirs, is_needed in details
        },
    )


def _read_amounts(line: Mapping[str, Any], at: str) -> tuple[Decimal, Decimal, Decimal]:
    """(gross, rate, tax); the tax is worked out, and where it is told it must be the same."""
    gross = read_money(line.get("gross_amount"), f"{at}gross_amount")
    rate = parse_amount(line.get("tax_rate"), f"{at}tax_rate")
    if not 0 < rate <= 100 or rate != round(rate, 2):
        raise InvalidInput(f"{at}tax_rate", "must be above 0, at most 100, with two decimals.")
    tax = tax_of(gross, rate)
    told = line.get("tax_amount")
    if told is not None and parse_amount(told, f"{at}tax_amount") != tax:
        raise InvalidInput(
            f"{at}tax_amount", f"must be gross_amount * tax_rate / 100, which is {tax}."
        )
    if tax == 0:
        raise InvalidInput(f"{at}gross_amount", "is too small for any tax.")
    return gross, rate, tax
