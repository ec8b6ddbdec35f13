"""Invoices and credit notes: handed in, followed, settled."""

from __future__ import annotations

from integrations.kra.base_service import ServiceBase


class InvoiceService(ServiceBase):
    """Invoices and credit notes: handed in, followed, settled."""
