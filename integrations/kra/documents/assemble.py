"""The last step of a document: its header from its lines, and the form that is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.documents.currency import remark_of
from integrations.kra.documents.excluded import ExcludedLine
from integrations.kra.documents.prepared import Prepared, WireLine, digest_of_invoice, sums_of
from integrations.kra.documents.rates import CodeLists
from integrations.kra.documents.read import MOST_LINES
from integrations.models.kra_invoice import InvoiceKind
from integrations.providers.kra.codes.classes import PAYMENT
from integrations.providers.kra.payloads.amounts import ONE, round2
from integrations.providers.kra.payloads.invoice import Customer, Invoice

OTHER_PAYMENT = "07"


def check_payment(invoice: Invoice, lists: CodeLists) -> None:
    """Raise InvalidInput for a payment type that is not in KRA's list (class 07)."""
    if invoice.payment_type and not lists.knows(PAYMENT, invoice.payment_type):
        raise InvalidInput(
            "payment_type",
            f"{invoice.payment_type!r} is not in KRA's list (class {PAYMENT}).",
            code="unknown_code",
        )


def assemble(
    invoice: Invoice,
    config: Snapshot,
    *,
    rates: Mapping[str, Decimal],
    lines: Sequence[WireLine],
    customer: Customer,
    issued_at: datetime,
    excluded: Sequence[ExcludedLine],
    warnings: Sequence[str],
    digest_source: Invoice,
) -> Prepared:
    """The prepared document of checked lines, its header the sum of them.

    `digest_source` is what the ERP handed over, before anything was filled in.
    """
    if len(lines) > MOST_LINES:
        raise InvalidInput(
            "items",
            f"become {len(lines)} lines with prices of whole cents; KRA takes {MOST_LINES}.",
            code="invalid_document",
        )
    sums = sums_of(lines)
    if sums["total"] >= 10**12:
        raise InvalidInput("totals.total", "is too large.", code="invalid_amount")
    credit = bool(invoice.original_invoice_number)
    kind = (InvoiceKind.CREDIT_NOTE if credit else InvoiceKind.SALE).value
    rate = invoice.exchange_rate or ONE
    document = {
        "kind": kind,
        "profile": str(config.values["amount_profile"]),
        "trader_number": invoice.invoice_number,
        "original_trader_number": invoice.original_invoice_number,
        "issued_at": issued_at.isoformat(),
        "customer": {"name": customer.name, "pin": customer.kra_pin, "phone": customer.phone},
        "payment_type": invoice.payment_type or OTHER_PAYMENT,
        "reason": invoice.reason,
        "currency": invoice.currency,
        "exchange_rate": str(rate),
        "remark": remark_of(invoice, lines),
        "rates": {name: str(percent) for name, percent in rates.items()},
        "totals": {name: str(amount) for name, amount in sums.items()},
        "lines": [line.as_json(position) for position, line in enumerate(lines, 1)],
        # Counted on, so that a credit note names either kind by its position.
        "excluded": [
            line.as_json(position) for position, line in enumerate(excluded, len(lines) + 1)
        ],
    }
    return Prepared(
        kind=kind,
        trader_number=invoice.invoice_number,
        issued_at=issued_at,
        customer_pin=customer.kra_pin,
        customer_name=customer.name,
        currency=invoice.currency,
        exchange_rate=rate,
        total=round2(sums["total"]),
        tax=round2(sums["tax"]),
        taxable=round2(sums["taxable"]),
        reason=invoice.reason,
        document=document,
        digest=digest_of_invoice(digest_source),
        is_required=bool(lines),
        warnings=tuple(warnings),
    )
