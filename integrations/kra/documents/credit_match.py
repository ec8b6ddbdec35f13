"""Which lines of the original a credit note takes, and how much of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.kra.documents.credited import Left
from integrations.models import KRAInvoice
from integrations.providers.kra.payloads.invoice import Line

NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Taken:
    """A quantity of a line of the original; `source` is the credit note's line from 0."""

    source: int
    left: Left
    quantity: Decimal


def all_left(left: Mapping[int, Left]) -> list[Taken]:
    """Everything that is left."""
    open_lines = (each for each in left.values() if each.quantity > 0)
    return [Taken(index, each, each.quantity) for index, each in enumerate(open_lines)]


def of_line(
    line: Line, index: int, left: Mapping[int, Left], used: dict[int, Decimal], original: KRAInvoice
) -> list[Taken]:
    """What a line takes, be it told KRA or excluded from eTIMS.

    `used` is what earlier lines of the same credit note took, by position; it is added to. Raises
    InvalidInput for a line that the original does not have, that differs from it, or that takes
    more than is left.
    """
    named = [each for each in left.values() if _is_named(line, each.line)]
    if not named:
        raise InvalidInput(
            f"items[{index}].{_key_field(line)}",
            f"{original.trader_number} has no such line.",
            code="not_the_original",
        )
    same = [each for each in named if each.line["name"] == line.description]
    named = same or named
    _check_copy(line, index, named)
    taken, wanted = [], line.quantity
    for each in named:
        position = each.line["position"]
        free = each.quantity - used.get(position, NONE)
        quantity = min(free, wanted)
        if quantity > 0:
            taken.append(Taken(index, each, quantity))
            used[position] = used.get(position, NONE) + quantity
            wanted -= quantity
    if wanted > 0:
        raise InvalidInput(
            f"items[{index}].quantity",
            f"{line.quantity} is more than the {line.quantity - wanted} that "
            f"{original.trader_number} has left to credit.",
            code="over_credit",
        )
    return taken


def _is_named(line: Line, of: Mapping[str, Any]) -> bool:
    if line.original_line:
        return bool(of["source"] == line.original_line - 1)
    key = line.item_code or line.reference or line.description
    return key in of["keys"]


def _key_field(line: Line) -> str:
    if line.original_line:
        return "original_line"
    if line.item_code:
        return "item_code"
    return "reference" if line.reference else "description"


def _check_copy(line: Line, index: int, named: Sequence[Left]) -> None:
    """Raise InvalidInput where a price, type or rate is given and is not the original's."""
    for name, given in (
        ("unit_price", line.unit_price),
        ("tax_rate", line.tax_rate),
        ("tax_type", line.tax_type or None),
    ):
        if given is None:
            continue
        fitting = [each for each in named if _said(each, name) == given]
        if not fitting:
            raise InvalidInput(
                f"items[{index}].{name}",
                f"{given} is not the original's {_said(named[0], name)}.",
                code="not_the_original",
            )


def _said(left: Left, name: str) -> Any:
    if name == "tax_type":
        return left.line["tax_type"]
    return Decimal(left.line["rate" if name == "tax_rate" else "unit_price"])
