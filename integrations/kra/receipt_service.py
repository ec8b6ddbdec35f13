"""Receipts of signed documents."""

from __future__ import annotations

from integrations.kra.base_service import ServiceBase


class ReceiptService(ServiceBase):
    """Receipts of signed documents."""
