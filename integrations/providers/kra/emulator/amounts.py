"""The amounts of lines and header under the chosen reading (section 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from integrations.providers.kra.emulator.fields import number
from integrations.providers.kra.emulator.refusals import Refusal
from integrations.providers.kra.emulator.sale_fields import LETTERS
from integrations.providers.kra.emulator.settings import Settings
from integrations.providers.kra.emulator.wire import money

_CENT = Decimal("0.01")
_TOTALS = (("totTaxblAmt", "taxblAmt"), ("totTaxAmt", "taxAmt"), ("totAmt", "totAmt"))


def check_amounts(body: Mapping[str, Any], settings: Settings) -> None:
    """Raises Refusal for the first line, rate or sum that is off by more than the tolerance."""
    lines: Sequence[Mapping[str, Any]] = body["itemList"]
    check_rates(body, settings)
    for position, line in enumerate(lines, start=1):
        _check_line(position, line, settings)
    check_sums(body, lines, settings)


def check_stock_amounts(body: Mapping[str, Any], settings: Settings) -> None:
    """The same for stock movements, whose lines have `totDcAmt` and no rate of discount."""
    lines: Sequence[Mapping[str, Any]] = body["itemList"]
    for position, line in enumerate(lines, start=1):
        supply = _round(number(line, "qty") * number(line, "prc"))
        _compare("splyAmt", f" on item: {position}", supply, number(line, "splyAmt"), settings)
        rate = settings.rate(line["taxTyCd"])
        rest = supply - number(line, "totDcAmt")
        for name, expected in _parts(rest, rate, settings.amount_profile).items():
            _compare(name, f" on item: {position}", expected, number(line, name), settings)
    for total, name in _TOTALS:
        expected = sum((number(line, name) for line in lines), Decimal(0))
        _compare(total, "", expected, number(body, total), settings)


def check_rates(body: Mapping[str, Any], settings: Settings) -> None:
    """All fifteen fields carry the rate, even at amount zero (section 7.1)."""
    for letter in LETTERS:
        name, wanted = f"taxRt{letter}", settings.rate(letter)
        if number(body, name) != wanted:
            raise Refusal(
                "910", f"Rule {name} failed. Tax rate mismatch. Expected: {money(wanted)}, "
                f"But Found: {money(number(body, name))}",
            )  # fmt: skip


def check_sums(
    body: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], settings: Settings
) -> None:
    """Header totals are sums of the rounded lines (section 7, I2)."""
    sums: dict[str, Decimal] = {}
    for letter in LETTERS:
        of_type = [line for line in lines if line["taxTyCd"] == letter]
        for name in ("taxblAmt", "taxAmt"):
            sums[name + letter] = sum((number(line, name) for line in of_type), Decimal(0))
    for total, name in _TOTALS:
        sums[total] = sum((number(line, name) for line in lines), Decimal(0))
    for name, expected in sums.items():
        _compare(name, "", expected, number(body, name), settings)


def expected_line(line: Mapping[str, Any], settings: Settings) -> dict[str, Decimal]:
    """What a line must hold, from quantity, price and discount; half up per line (section 7)."""
    supply = _round(number(line, "qty") * number(line, "prc"))
    discount = _round(supply * number(line, "dcRt") / 100)
    rest, rate = supply - discount, settings.rate(line["taxTyCd"])
    told = rest if settings.is_supply_discounted else supply
    return {"splyAmt": told, "dcAmt": discount, **_parts(rest, rate, settings.amount_profile)}


def _parts(rest: Decimal, rate: Decimal, profile: str) -> dict[str, Decimal]:
    if profile == "all_net":
        tax = _round(rest * rate / 100)
        total, taxable = rest + tax, rest
    else:
        tax, total = _round(rest * rate / (100 + rate)), rest
        taxable = rest if profile == "spec_inclusive" else rest - tax
    return {"taxblAmt": taxable, "taxAmt": tax, "totAmt": total}


def _check_line(position: int, line: Mapping[str, Any], settings: Settings) -> None:
    for name, expected in expected_line(line, settings).items():
        _compare(name, f" on item: {position}", expected, number(line, name), settings)


def _compare(name: str, place: str, expected: Decimal, found: Decimal, settings: Settings) -> None:
    if abs(expected - found) > Decimal(settings.tolerance):
        # Section 7 [1 live], the gateway's own words.
        raise Refusal(
            "910", f"Invalid {name}{place}. Expected: {money(expected)}, But Found: {money(found)}"
        )


def _round(value: Decimal) -> Decimal:
    return value.quantize(_CENT, rounding=ROUND_HALF_UP)
