"""What the buyer pays by the ERP's own figures, to the cent, or which figure is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from integrations.exceptions import InvalidInput
from integrations.kra.documents.catalogue import Sold
from integrations.providers.kra.payloads.amounts import ZERO, Paid, paid_for
from integrations.providers.kra.payloads.invoice import Invoice

# Field, what was given, what it has to be.
_Wrong = tuple[str, Decimal, Decimal]


def paid_by(invoice: Invoice, sold: Sequence[Sold]) -> tuple[bool, list[Paid]]:
    """Whether prices include the tax, and what is paid for each line.

    Where the invoice does not say it, its totals do: the reading that agrees with every figure is
    taken. Raises InvalidInput naming the first figure that is off, be it by a cent.
    """
    told = invoice.prices_include_tax
    readings = (told,) if told is not None else (True, False)
    found: list[tuple[Decimal, _Wrong]] = []
    for includes in readings:
        paid = _paid(invoice, sold, includes_tax=includes)
        wrong = _first_wrong(invoice, paid, includes_tax=includes)
        if wrong is None:
            return includes, paid
        found.append((_distance(invoice, paid), wrong))
    field, given, right = min(found, key=lambda each: each[0])[1]
    raise InvalidInput(
        field,
        f"{given} was given, but it is {right} by quantity, price, discount and rate, rounded by "
        "line as KRA does.",
        code="wrong_amount",
    )


def _paid(invoice: Invoice, sold: Sequence[Sold], *, includes_tax: bool) -> list[Paid]:
    every = []
    for index, (line, item) in enumerate(zip(invoice.items, sold, strict=True)):
        paid = paid_for(
            quantity=line.quantity,
            unit_price=line.unit_price or ZERO,
            rate=item.rate,
            includes_tax=includes_tax,
            discount_rate=line.discount_rate,
            discount_amount=line.discount_amount,
        )
        if paid.discount > paid.supply:
            raise InvalidInput(
                f"items[{index}].discount_amount",
                f"{paid.discount} is more than the line's {paid.supply}.",
                code="invalid_amount",
            )
        every.append(paid)
    return every


def _first_wrong(invoice: Invoice, paid: Sequence[Paid], *, includes_tax: bool) -> _Wrong | None:
    return _wrong_line(invoice, paid, includes_tax=includes_tax) or _wrong_total(invoice, paid)


def _wrong_line(invoice: Invoice, paid: Sequence[Paid], *, includes_tax: bool) -> _Wrong | None:
    """The first line off; without tax in the prices, line totals are all with it or all without."""
    wrongs = []
    for with_tax in (True,) if includes_tax else (False, True):
        wrong = None
        for index, (line, each) in enumerate(zip(invoice.items, paid, strict=True)):
            right = each.total if with_tax else each.net
            if line.total is not None and line.total != right:
                wrong = f"items[{index}].total", line.total, right
                break
        if wrong is None:
            return None
        wrongs.append((abs(wrong[1] - wrong[2]), wrong))
    return min(wrongs)[1]


def _wrong_total(invoice: Invoice, paid: Sequence[Paid]) -> _Wrong | None:
    if invoice.totals is None:
        return None
    sums = {
        "total": sum((each.total for each in paid), ZERO),
        "tax_amount": sum((each.tax for each in paid), ZERO),
        "subtotal": sum((each.net for each in paid), ZERO),
    }
    for name, right in sums.items():
        given = getattr(invoice.totals, name)
        if given is not None and given != right:
            return f"totals.{name}", given, right
    return None


def _distance(invoice: Invoice, paid: Sequence[Paid]) -> Decimal:
    """How far a reading is from what was given: the closer one is the one that was meant."""
    lines = sum(
        (
            min(abs(line.total - each.total), abs(line.total - each.net))
            for line, each in zip(invoice.items, paid, strict=True)
            if line.total is not None
        ),
        ZERO,
    )
    total = invoice.totals.total if invoice.totals else None
    return lines if total is None else lines + abs(total - sum((p.total for p in paid), ZERO))
