"""From what the ERP hands over to what is stored and later sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.documents.assemble import assemble, check_payment
from integrations.kra.documents.catalogue import Sold
from integrations.kra.documents.credit import prepare_credit
from integrations.kra.documents.dates import moment_of
from integrations.kra.documents.excluded import excluded_lines
from integrations.kra.documents.pins import check_pin
from integrations.kra.documents.prepared import Prepared
from integrations.kra.documents.rates import code_lists
from integrations.kra.documents.read import read_invoice
from integrations.kra.documents.selling import find_items
from integrations.kra.documents.sums import paid_by
from integrations.kra.documents.wire_lines import wire_lines
from integrations.models import KRAInvoice
from integrations.providers.kra.payloads.invoice import Customer, Invoice


def prepare(invoice: Invoice, config: Snapshot, *, original: KRAInvoice | None = None) -> Prepared:
    """Check everything, convert to KES and work out KRA's amounts; nothing is stored or sent.

    `original` is the stored invoice that a credit note names; hold its lock from here until the
    credit note is stored, and call `check_credit` in between. Raises InvalidInput naming line and
    field, and ConfigurationError where a setting can't be used.
    """
    invoice = read_invoice(invoice)
    if invoice.original_invoice_number:
        return prepare_credit(invoice, original, config)
    return _sale(invoice, config)


def _sale(invoice: Invoice, config: Snapshot) -> Prepared:
    warnings = list(invoice.warnings)
    lists = code_lists(config)
    check_payment(invoice, lists)
    sold = find_items(invoice.items, config, lists, warnings)
    return work_out(invoice, config, rates=lists.rates, sold=sold, warnings=warnings)


def work_out(
    invoice: Invoice,
    config: Snapshot,
    *,
    rates: Mapping[str, Decimal],
    sold: Sequence[Sold],
    warnings: Sequence[str] = (),
) -> Prepared:
    """The amounts of a sale whose items are known; asks nobody. Raises InvalidInput."""
    includes, paid = paid_by(invoice, sold)
    lines = wire_lines(invoice, sold, paid, config, includes_tax=includes)
    return assemble(
        invoice,
        config,
        rates=rates,
        lines=lines,
        customer=_customer(invoice, config),
        issued_at=moment_of(invoice.issue_date),
        excluded=excluded_lines(invoice, sold, paid),
        warnings=warnings,
        digest_source=invoice,
    )


def _customer(invoice: Invoice, config: Snapshot) -> Customer:
    """The buyer; a sale to nobody in particular has the settings' name and PIN, as one without a
    name can't be credited (section 6.6).

    A PIN is somebody's: it never goes out under the retail name. Raises InvalidInput.
    """
    customer, values = invoice.customer, config.values
    if customer.name:
        return customer
    if customer.kra_pin:
        raise InvalidInput(
            "customer.name", "is missing: a PIN names a buyer.", code="invalid_document"
        )
    retail = str(values["retail_customer_name"] or "").strip()
    if not retail and values["transport"] == "oscu_gateway":
        raise InvalidInput(
            "customer.name",
            "is missing, and the settings have no name for retail sales.",
            code="invalid_document",
        )
    pin = str(values["retail_customer_pin"] or "").strip()
    if pin:
        pin = check_pin(pin, "retail_customer_pin").pin
    return replace(customer, name=retail, kra_pin=pin)
