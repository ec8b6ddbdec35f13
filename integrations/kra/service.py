"""KRA for ERP code: one import, one call, an honest answer."""

from __future__ import annotations

from integrations.kra.check_service import CheckService
from integrations.kra.device_service import DeviceService
from integrations.kra.filing_service import FilingService
from integrations.kra.invoice_service import InvoiceService
from integrations.kra.list_service import ListService
from integrations.kra.receipt_service import ReceiptService
from integrations.kra.stock_service import StockService


class KRAService(
    DeviceService,
    InvoiceService,
    ListService,
    StockService,
    CheckService,
    FilingService,
    ReceiptService,
):
    """All of KRA, as 2-tuples `(success, data or message)`; each product has its own module.

    `KRAService(business="", branch="")`: `branch` is KRA's two digits, "" the main one. A
    failure's message is a text for people with `code`, `field`, `help` and `data` for programs.
    """
