"""A credit note: a copy of lines of a signed invoice, all that is left or a part of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.documents import credit_guards as guards
from integrations.kra.documents.assemble import assemble, check_payment
from integrations.kra.documents.credit_lines import credit_lines
from integrations.kra.documents.credit_match import Taken, all_left, of_line
from integrations.kra.documents.credited import left_of
from integrations.kra.documents.dates import moment_of
from integrations.kra.documents.excluded import excluded_credit
from integrations.kra.documents.prepared import Prepared
from integrations.kra.documents.rates import code_lists
from integrations.models import KRAInvoice
from integrations.providers.kra.payloads.amounts import ONE, ZERO
from integrations.providers.kra.payloads.invoice import Invoice


def prepare_credit(invoice: Invoice, original: KRAInvoice | None, config: Snapshot) -> Prepared:
    """The credit note of `original`; without items, of all that is left of it.

    Items, prices, discounts, rates, currency and buyer are the original's. What the last credit
    note of a line takes is what is left of it, so that all of them add up to the original. Raises
    InvalidInput naming line and field.
    """
    original = guards.check_original(invoice, original, config)
    guards.check_reason(invoice, config)
    guards.check_currency(invoice, original)
    customer = guards.customer_of(invoice, original, config)
    issued_at = moment_of(invoice.issue_date, after=original.issued_at)
    guards.check_time(issued_at, original, config)
    guards.check_limit(original, config)
    lists = code_lists(config)
    check_payment(invoice, lists)
    taken = _taken(invoice, original)
    lines = credit_lines([each for each in taken if each.left.is_told], config)
    excluded = excluded_credit([each for each in taken if not each.left.is_told])
    figures = [_Figure(line.source, line.paid, line.amounts.tax) for line in lines]
    figures += [_Figure(line.source, line.paid, line.tax) for line in excluded]
    _check_given(invoice, figures, original)
    rates = {kind: Decimal(rate) for kind, rate in original.document["rates"].items()}
    copied = replace(
        invoice,
        currency=original.currency,
        exchange_rate=original.exchange_rate,
        payment_type=invoice.payment_type or original.document["payment_type"],
    )
    return assemble(
        copied,
        config,
        rates=rates,
        lines=lines,
        customer=customer,
        issued_at=issued_at,
        excluded=excluded,
        warnings=invoice.warnings,
        digest_source=invoice,
    )


def _taken(invoice: Invoice, original: KRAInvoice) -> list[Taken]:
    left = left_of(original)
    used: dict[int, Decimal] = {}
    if invoice.items:
        return [
            taken
            for index, line in enumerate(invoice.items)
            for taken in of_line(line, index, left, used, original)
        ]
    taken = all_left(left)
    if not taken:
        raise InvalidInput(
            "original_invoice_number",
            f"nothing is left of {original.trader_number} to credit.",
            code="over_credit",
        )
    return taken


class _Figure(NamedTuple):
    """What a line of the credit note gives back, in the original's currency; `tax` is KES."""

    source: int
    paid: Decimal
    tax: Decimal


def _check_given(invoice: Invoice, lines: Sequence[_Figure], original: KRAInvoice) -> None:
    """Raise InvalidInput where the ERP's own figures are others, be it by a cent."""
    is_kes = original.exchange_rate == ONE
    for index, line in enumerate(invoice.items):
        own = [each for each in lines if each.source == index]
        if line.total is None or not own:
            continue
        paid = sum((each.paid for each in own), ZERO)
        # A line's total may be without the tax, as on an invoice.
        right = {paid, paid - sum((each.tax for each in own), ZERO)} if is_kes else {paid}
        if line.total not in right:
            _refuse(f"items[{index}].total", line.total, paid)
    given = invoice.totals
    if given is None:
        return
    paid = sum((each.paid for each in lines), ZERO)
    tax = sum((each.tax for each in lines), ZERO)
    if given.total is not None and given.total != paid:
        _refuse("totals.total", given.total, paid)
    if is_kes and given.tax_amount is not None and given.tax_amount != tax:
        _refuse("totals.tax_amount", given.tax_amount, tax)
    if is_kes and given.subtotal is not None and given.subtotal != paid - tax:
        _refuse("totals.subtotal", given.subtotal, paid - tax)


def _refuse(field: str, given: Decimal, right: Decimal) -> None:
    raise InvalidInput(
        field, f"{given} was given, but it is {right} by the original.", code="wrong_amount"
    )
