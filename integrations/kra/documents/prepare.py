"""From what the ERP hands over to what is stored and later sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.documents.catalogue import Sold, find_items
from integrations.kra.documents.currency import remark_of
from integrations.kra.documents.dates import moment_of
from integrations.kra.documents.pins import check_pin
from integrations.kra.documents.prepared import Prepared, WireLine, digest_of, sums_of
from integrations.kra.documents.rates import PAYMENT, CodeLists, code_lists
from integrations.kra.documents.read import MOST_LINES, read_invoice
from integrations.kra.documents.sums import paid_by
from integrations.kra.documents.wire_lines import wire_lines
from integrations.models import KRAInvoice
from integrations.models.kra_invoice import InvoiceKind
from integrations.providers.kra.payloads.amounts import round2
from integrations.providers.kra.payloads.invoice import Customer, Invoice

OTHER_PAYMENT = "07"
ONE = Decimal(1)


def prepare(invoice: Invoice, config: Snapshot, *, original: KRAInvoice | None = None) -> Prepared:
    """Check everything, convert to KES and work out KRA's amounts; nothing is stored or sent.

    `original` is the stored invoice that a credit note names; hold its lock from here until the
    credit note is stored, and call `check_credit` in between. Raises InvalidInput naming line and
    field, and ConfigurationError where a setting can't be used.
    """
    invoice = read_invoice(invoice)
    if invoice.original_invoice_number:
        raise NotImplementedError
    return _sale(invoice, config)


def _sale(invoice: Invoice, config: Snapshot) -> Prepared:
    warnings = list(invoice.warnings)
    lists = code_lists(config)
    check_payment(invoice, lists)
    sold = find_items(invoice.items, config, lists, warnings)
    includes, paid = paid_by(invoice, sold)
    lines = wire_lines(invoice, sold, paid, config, includes_tax=includes)
    excluded = _excluded(invoice, sold, [each.total for each in paid])
    return assemble(
        invoice,
        config,
        lists=lists,
        lines=lines,
        customer=_customer(invoice, config),
        issued_at=moment_of(invoice.issue_date),
        excluded=excluded,
        warnings=warnings,
    )


def check_payment(invoice: Invoice, lists: CodeLists) -> None:
    """Raise InvalidInput for a payment type that KRA's list (class 07) does not have."""
    if invoice.payment_type and not lists.knows(PAYMENT, invoice.payment_type):
        raise InvalidInput(
            "payment_type",
            f"{invoice.payment_type!r} is not in KRA's list (class {PAYMENT}).",
            code="unknown_payment_type",
        )


def _customer(invoice: Invoice, config: Snapshot) -> Customer:
    """The buyer; a sale without one has the settings' name, as one without a name can't be
    credited (section 6.6)."""
    customer, values = invoice.customer, config.values
    if not customer.name:
        retail = str(values["retail_customer_name"] or "").strip()
        if not retail and values["transport"] == "oscu_gateway":
            raise InvalidInput(
                "customer.name",
                "is missing, and the settings have no name for retail sales.",
                code="missing_field",
            )
        customer = replace(customer, name=retail)
        pin = str(values["retail_customer_pin"] or "").strip()
        if pin and not customer.kra_pin:
            customer = replace(customer, kra_pin=check_pin(pin, "retail_customer_pin").pin)
    return customer


def _excluded(
    invoice: Invoice, sold: Sequence[Sold], paid: Sequence[Decimal]
) -> list[dict[str, str | int]]:
    return [
        {
            "source": index,
            "item_code": item.item_code,
            "name": item.name,
            "quantity": str(line.quantity),
            "paid": str(amount),
        }
        for index, (line, item, amount) in enumerate(zip(invoice.items, sold, paid, strict=True))
        if item.is_excluded
    ]


def assemble(
    invoice: Invoice,
    config: Snapshot,
    *,
    lists: CodeLists,
    lines: Sequence[WireLine],
    customer: Customer,
    issued_at: datetime,
    excluded: Sequence[Mapping[str, Any]],
    warnings: Sequence[str],
) -> Prepared:
    """The prepared document of checked lines, its header the sum of them."""
    if len(lines) > MOST_LINES:
        raise InvalidInput(
            "items",
            f"become {len(lines)} lines with prices of whole cents; KRA takes {MOST_LINES}.",
            code="too_many_items",
        )
    sums = sums_of(lines)
    if sums["total"] >= 10**12:
        raise InvalidInput("totals.total", "is too large.", code="invalid_amount")
    credit = bool(invoice.original_invoice_number)
    kind = (InvoiceKind.CREDIT_NOTE if credit else InvoiceKind.SALE).value
    rate = invoice.exchange_rate or ONE
    rates = {kind: str(rate) for kind, rate in lists.rates.items()}
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
        "rates": rates,
        "totals": {name: str(amount) for name, amount in sums.items()},
        "lines": [line.as_json(position) for position, line in enumerate(lines, 1)],
        "excluded": list(excluded),
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
        digest=digest_of(invoice),
        is_required=bool(lines),
        warnings=tuple(warnings),
    )
