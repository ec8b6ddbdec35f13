"""A documented import path: `from integrations.utils_api import …`, and nothing else."""

from __future__ import annotations

from integrations.kra.billing import build_kra_invoice_payload_from_billing_document

__all__ = ["build_kra_invoice_payload_from_billing_document"]
