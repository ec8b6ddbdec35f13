"""Prices of two decimals that give an amount exactly, over a quantity that may have to be split."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import NamedTuple

_CENT = Decimal("0.01")
_ZERO = Decimal("0.00")
# By how many cents the prices of a split may differ; nearly always one cent is enough.
MOST_CENTS = 50


class Part(NamedTuple):
    """A quantity at one price; `supply` is before, `discount` off it."""

    quantity: Decimal
    price: Decimal
    discount_rate: Decimal
    supply: Decimal
    discount: Decimal


def fit(quantity: Decimal, target: Decimal) -> Iterator[tuple[Part, ...]]:
    """Ways in which quantity times price, rounded half up by part, adds up to `target`.

    One part wherever one price does. Else some units cost some cents more than the others, as
    few cents as possible first.
    """
    price = (target / quantity).quantize(_CENT, ROUND_HALF_UP)
    whole = _part(quantity, price)
    if whole.supply == target:
        yield (whole,)
        return
    units = quantity.to_integral_value(ROUND_DOWN)
    rest: tuple[Part, ...] = ()
    if units != quantity:
        # Less than one unit reaches every cent.
        over = quantity - units
        share = (target * over / quantity).quantize(_CENT, ROUND_HALF_UP)
        rest = (_part(over, (share / over).quantize(_CENT, ROUND_HALF_UP)),)
        target -= rest[0].supply
    for parts in _by_units(int(units), int(target / _CENT)):
        yield (*parts, *rest)


def _by_units(units: int, cents: int) -> Iterator[tuple[Part, ...]]:
    price, over = divmod(cents, units)
    if not over:
        yield (_units(units, price),)
        return
    for more in range(1, min(max(over, units - over), MOST_CENTS) + 1):
        if over % more == 0:
            dear = over // more
            yield _units(units - dear, price), _units(dear, price + more)
        if (units - over) % more == 0 and price + 1 >= more:
            cheap = (units - over) // more
            yield _units(units - cheap, price + 1), _units(cheap, price + 1 - more)


def _units(units: int, cents: int) -> Part:
    return _part(Decimal(units), cents * _CENT)


def _part(quantity: Decimal, price: Decimal) -> Part:
    supply = (quantity * price).quantize(_CENT, ROUND_HALF_UP)
    return Part(quantity, price, _ZERO, supply, _ZERO)
