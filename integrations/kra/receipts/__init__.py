"""Receipts of documents: as data, as a page, as PDF, with their QR codes."""

from __future__ import annotations

from integrations.kra.receipts.build import control_number, receipt_of
from integrations.kra.receipts.data import Receipt
from integrations.kra.receipts.html import html_of
from integrations.kra.receipts.pdf import SIZES, pdf_of
from integrations.kra.receipts.printing import hand_out
from integrations.kra.receipts.qr import qr_png, qr_text
from integrations.models import KRAInvoice

__all__ = [
    "SIZES", "Receipt", "control_number", "hand_out", "html_of", "pdf_of", "qr_png", "qr_text",
    "receipt_of", "render_html", "render_pdf",
]  # fmt: skip


def render_html(invoice: KRAInvoice, *, copy: bool | None = None) -> str:
    """Hand the receipt out as a page; `copy` as of `hand_out`."""
    return hand_out(invoice, html_of, copy=copy)


def render_pdf(invoice: KRAInvoice, *, copy: bool | None = None, size: str = "a4") -> bytes:
    """Hand the receipt out as PDF; `size` is one of SIZES, `copy` as of `hand_out`."""
    return hand_out(invoice, lambda receipt: pdf_of(receipt, size), copy=copy)
