"""What has to hold before an invoice may be credited (reference, section 6.6)."""

from __future__ import annotations

import calendar
from datetime import date, datetime

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.documents.credited import living_credits
from integrations.kra.documents.dates import day_of
from integrations.models import KRAInvoice
from integrations.models.kra_invoice import InvoiceKind, InvoiceState
from integrations.providers.kra.payloads.amounts import ONE
from integrations.providers.kra.payloads.invoice import Customer, Invoice

_FIELD = "original_invoice_number"
# One that is not signed yet is credited behind it: a branch's documents go in order, so that the
# original has its number by then, or was rejected and its credit notes with it.
_NOT_CREDITABLE = (InvoiceState.REJECTED,)


def check_original(invoice: Invoice, original: KRAInvoice | None, config: Snapshot) -> KRAInvoice:
    """The original, or InvalidInput: it has to be a sale of the same branch."""
    named = invoice.original_invoice_number
    if original is None or named not in (original.trader_number, str(original.number)):
        raise InvalidInput(
            _FIELD, f"no invoice {named!r} was submitted from this branch.", code="unknown_original"
        )
    if original.kind != InvoiceKind.SALE:
        raise InvalidInput(_FIELD, f"{named} is a credit note itself.", code="not_creditable")
    here = (config.environment, config.values["kra_pin"], config.values["branch_code"])
    branch = original.branch
    if here != (branch.environment, branch.tin, branch.bhf_id):
        raise InvalidInput(
            _FIELD,
            f"{named} is of another branch ({branch}): credit it there.",
            code="not_the_original",
        )
    if original.state in _NOT_CREDITABLE:
        raise InvalidInput(
            _FIELD, f"{named} was rejected by KRA: there is nothing to credit.",
            code="not_creditable",
        )  # fmt: skip
    return original


def customer_of(invoice: Invoice, original: KRAInvoice, config: Snapshot) -> Customer:
    """The original's buyer; InvalidInput where the credit note names another one."""
    given = invoice.customer
    for field, said, right in (
        ("customer.kra_pin", given.kra_pin, original.customer_pin),
        ("customer.name", given.name, original.customer_name),
    ):
        if said and said != right:
            raise InvalidInput(
                field,
                f"must be the original's, {right!r}." if right else "the original has none.",
                code="not_the_original",
            )
    if not original.customer_name and config.values["transport"] == "oscu_gateway":
        raise InvalidInput(
            "customer.name",
            f"{original.trader_number} was sent without one, and the gateway does not credit such.",
            code="not_creditable",
        )
    phone = given.phone or original.document["customer"]["phone"]
    return Customer(original.customer_name, original.customer_pin, phone)


def check_currency(invoice: Invoice, original: KRAInvoice) -> None:
    """Raise InvalidInput for another currency or rate than the original's."""
    if invoice.currency not in ("KES", original.currency):
        raise InvalidInput(
            "currency", f"must be the original's, {original.currency}.", code="invalid_currency"
        )
    rate = invoice.exchange_rate
    if rate is not None and rate not in (ONE, original.exchange_rate):
        raise InvalidInput(
            "exchange_rate",
            f"must be the original's, {original.exchange_rate.normalize():f}.",
            code="invalid_document",
        )


def check_reason(invoice: Invoice, config: Snapshot) -> None:
    """Raise InvalidInput for a reason that the settings don't list."""
    known = str(config.values["credit_reasons"] or "").replace(",", " ").split()
    if invoice.reason not in known:
        said = f"{invoice.reason!r} is not among" if invoice.reason else "is missing; it is one of"
        raise InvalidInput("reason", f"{said} {', '.join(known)}.", code="invalid_reason")


def check_time(issued_at: datetime, original: KRAInvoice, config: Snapshot) -> None:
    """Raise InvalidInput for a date before the original's, or too long after it."""
    first = original.issued_at.replace(microsecond=0)
    if issued_at.replace(microsecond=0) < first:
        raise InvalidInput(
            "issue_date",
            f"is before {original.trader_number} of {day_of(original.issued_at)}.",
            code="invalid_date",
        )
    months = config.values["credit_note_months"]
    if months is not None and day_of(issued_at) > _months_after(day_of(first), months):
        raise InvalidInput(
            "issue_date",
            f"is more than {months} months after {original.trader_number} of {day_of(first)}.",
            code="not_creditable",
        )


def _months_after(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def check_limit(original: KRAInvoice, config: Snapshot) -> None:
    """Raise InvalidInput where the settings allow no further credit note of the invoice."""
    limit = config.values["credit_note_limit"]
    if limit is not None and living_credits(original).count() >= limit:
        raise InvalidInput(
            _FIELD,
            f"{original.trader_number} has {limit} credit notes, which is the most.",
            code="not_creditable",
        )
