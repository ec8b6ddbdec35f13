"""What is left of an invoice to credit, over all its credit notes (reference, section 6.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from integrations.exceptions import InvalidInput
from integrations.kra.documents.prepared import Prepared
from integrations.models import KRAInvoice
from integrations.models.kra_invoice import InvoiceState
from integrations.providers.kra.payloads.amounts import ZERO

# All others count, also those that wait or are in doubt: each of them may be signed yet.
_DEAD = (InvoiceState.REJECTED,)


@dataclass(slots=True)
class Left:
    """Of one line of the original: what no credit note has taken.

    `is_told` is False where the line's item is excluded from eTIMS. `total` is KES.
    """

    line: Mapping[str, Any]
    # By which the original was worked out.
    profile: str
    is_told: bool
    quantity: Decimal
    total: Decimal
    paid: Decimal


def left_of(original: KRAInvoice) -> dict[int, Left]:
    """What is left of each line of the original, by its position. One query."""
    left = {
        line["position"]: Left(
            line=line,
            profile=original.document["profile"],
            is_told=name == "lines",
            quantity=Decimal(line["quantity"]),
            total=Decimal(line["total"]),
            paid=Decimal(line["paid"]),
        )
        for name in ("lines", "excluded")
        for line in original.document[name]
    }
    for document in living_credits(original).values_list("document", flat=True):
        for line in all_lines(document):
            take(left, line)
    return left


def all_lines(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Those that KRA is told of, and those that it is not."""
    yield from document["lines"]
    yield from document["excluded"]


def take(left: Mapping[int, Left], line: Mapping[str, Any]) -> Left | None:
    """Take a credit note's line off what is left, and say of what; None of no such line."""
    of = left.get(line["original"])
    if of is not None:
        of.quantity -= Decimal(line["quantity"])
        of.total -= Decimal(line["total"])
        of.paid -= Decimal(line["paid"])
    return of


def living_credits(original: KRAInvoice) -> Any:
    """The credit notes of an invoice that are signed or may be yet."""
    return KRAInvoice.objects.filter(original=original).exclude(state__in=_DEAD)


def check_credit(prepared: Prepared, original: KRAInvoice) -> None:
    """Refuse a credit note that takes more than is left of the original, by line or in total.

    Call it with the original's row locked, in the transaction that stores the credit note. Raises
    InvalidInput naming the line.
    """
    left = left_of(original)
    for line in all_lines(prepared.document):
        of = take(left, line)
        field = f"items[{line['source']}]"
        if of is None:
            raise InvalidInput(
                f"{field}.original_line", "the original has no such line.", code="not_the_original"
            )
        if of.quantity < 0:
            raise InvalidInput(
                f"{field}.quantity",
                f"{of.quantity + Decimal(line['quantity'])} is left of line {line['original']} of "
                f"{original.trader_number} to credit.",
                code="over_credit",
            )
        if of.total < 0:
            raise InvalidInput(
                f"{field}.total",
                f"{of.total + Decimal(line['total'])} is left of line {line['original']} of "
                f"{original.trader_number} to credit.",
                code="over_credit",
            )
    if sum((each.total for each in left.values()), ZERO) < 0:
        raise InvalidInput(
            "totals.total", f"is more than {original.trader_number} has left.", code="over_credit"
        )
