"""From a receipt to the bytes of a PDF."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from integrations.kra.receipts.data import Receipt
from integrations.kra.receipts.pdf import roll, sheet
from integrations.kra.receipts.pdf.fonts import load_fonts
from integrations.kra.receipts.pdf.pen import Pen
from integrations.kra.receipts.words import printable

SIZES = ("a4", "roll")


def pdf_of(receipt: Receipt, size: str = "a4") -> bytes:
    """The receipt as a PDF; `size` is one of SIZES. The same receipt gives the same bytes."""
    load_fonts()
    return _roll(receipt) if size == "roll" else _sheet(receipt)


def _roll(receipt: Receipt) -> bytes:
    """Drawn twice: the first time on paper without an end, to know how long it has to be."""
    trial = Pen(_canvas(BytesIO(), receipt, 100, 100), width=roll.WIDTH, height=None,
                margin=roll.MARGIN)  # fmt: skip
    roll.draw_roll(trial, receipt)
    height = min(-trial.y + roll.TAIL, roll.LONGEST)
    file = BytesIO()
    canvas = _canvas(file, receipt, roll.WIDTH, height)
    roll.draw_roll(Pen(canvas, width=roll.WIDTH, height=height, margin=roll.MARGIN), receipt)
    canvas.save()
    return file.getvalue()


def _sheet(receipt: Receipt) -> bytes:
    """Drawn twice: the first time to know how many pages there are."""
    pages, file = 0, BytesIO()
    for _ in range(2):
        file = BytesIO()
        canvas = _canvas(file, receipt, sheet.WIDTH, sheet.HEIGHT)
        pen = _sheet_pen(canvas, receipt, pages)
        sheet.draw_sheet(pen, receipt)
        pages = pen.page
        canvas.save()
    return file.getvalue()


def _sheet_pen(canvas: Any, receipt: Receipt, pages: int) -> Pen:
    return Pen(
        canvas, width=sheet.WIDTH, height=sheet.HEIGHT, margin=sheet.MARGIN, foot=sheet.FOOT,
        on_page=lambda pen: sheet.draw_foot(pen, receipt, pages),
    )  # fmt: skip


def _canvas(file: BytesIO, receipt: Receipt, width: float, height: float) -> Any:
    from reportlab.pdfgen.canvas import Canvas

    # Without the moment of printing: the same receipt is the same file.
    canvas = Canvas(file, pagesize=(width, height), pageCompression=1, invariant=1, lang="en")
    canvas.setTitle(printable(f"{receipt.title} {receipt.trader_number}"))
    canvas.setAuthor(printable(receipt.trader.name))
    canvas.setSubject(receipt.control_unit.invoice_number if receipt.control_unit else "")
    return canvas
