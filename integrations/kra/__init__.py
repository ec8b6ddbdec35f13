"""Tax: eTIMS documents that are signed without gaps, and GavaConnect's checks and filings."""

from __future__ import annotations

from integrations.kra.billing import build_kra_invoice_payload_from_billing_document
from integrations.providers.kra.payloads.invoice import Customer, Insurance, Invoice, Line, Totals

__all__ = [
    "Customer",
    "Insurance",
    "Invoice",
    "Line",
    "Totals",
    "build_kra_invoice_payload_from_billing_document",
]
