"""Receipts as PDF, on A4 and on a roll of 80 mm. Made with ReportLab, loaded at first use."""

from integrations.kra.receipts.pdf.render import SIZES, pdf_of

__all__ = ["SIZES", "pdf_of"]
