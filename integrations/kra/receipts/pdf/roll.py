"""A receipt on a thermal roll of 80 mm, in the order of KRA's layout for trader systems."""

from __future__ import annotations

from integrations.kra.receipts import words
from integrations.kra.receipts.data import Receipt, ReceiptLine
from integrations.kra.receipts.pdf.pen import MM, Align, Cell, Pen

WIDTH, MARGIN = 80 * MM, 4 * MM
# The longest page that PDF readers take is 14,400 points.
LONGEST = 14_000.0
TAIL = 8 * MM
QR_SIDE = 34 * MM
_SIZE, _SMALL = 8.0, 7.2
_TIMES = "\N{MULTIPLICATION SIGN}"
# The tax table: heads, shares of the width, sides.
_TAXES: tuple[tuple[str, float, Align], ...] = (
    ("Tax", 0.36, "left"), ("Rate", 0.14, "right"), ("Taxable", 0.27, "right"),
    ("Tax", 0.23, "right"),
)  # fmt: skip


def draw_roll(pen: Pen, receipt: Receipt) -> None:
    """The whole receipt from the pen's place down."""
    _head(pen, receipt)
    for line in receipt.lines:
        _line(pen, line, receipt)
    pen.rule(is_dashed=True)
    _sums(pen, receipt)
    _taxes(pen, receipt)
    _paid(pen, receipt)
    _control_unit(pen, receipt)
    _system(pen, receipt)
    for notice in receipt.notices:
        pen.framed(notice, size=9)
    if receipt.bottom_message:
        pen.gap(3)
        pen.centred(receipt.bottom_message, size=9)


def _head(pen: Pen, receipt: Receipt) -> None:
    trader = receipt.trader
    pen.centred(trader.name, size=13, is_bold=True)
    if trader.legal_name != trader.name:
        pen.centred(trader.legal_name, size=9)
    pen.centred(trader.address)
    pen.centred(f"PIN: {trader.pin}", size=9)
    pen.centred(f"Branch: {' '.join(filter(None, (trader.branch, trader.branch_name)))}")
    if receipt.top_message:
        pen.gap(2)
        pen.centred(receipt.top_message, size=9)
    pen.rule(is_dashed=True)
    pen.centred(receipt.title, size=12, is_bold=True)
    for notice in receipt.notices:
        pen.framed(notice, size=9)
    if receipt.original_control_number or receipt.original_trader_number:
        pen.row(Cell(f"Credits: {receipt.original_trader_number}", pen.inner, size=_SIZE))
        if receipt.original_control_number:
            number = f"Original CU invoice no.: {receipt.original_control_number}"
            pen.row(Cell(number, pen.inner, size=_SIZE))
        if receipt.reason:
            pen.row(Cell(f"Reason: {receipt.reason}", pen.inner, size=_SIZE))
    pen.gap(2)
    pen.row(Cell(f"Buyer: {receipt.buyer.name or '-'}", pen.inner, size=_SIZE))
    if receipt.buyer.pin:
        pen.row(Cell(f"Buyer PIN: {receipt.buyer.pin}", pen.inner, size=_SIZE))
    pen.rule(is_dashed=True)


def _line(pen: Pen, line: ReceiptLine, receipt: Receipt) -> None:
    total = f"{words.money(line.total)} {line.tax_type or '*'}"
    how_much = f"{words.quantity(line.quantity)} {line.unit} {_TIMES} {words.money(line.price)}"
    if receipt.is_net:
        how_much += " + tax"
    pen.need(3 * _SIZE * 1.3)
    pen.row(Cell(line.name, pen.inner, size=_SIZE))
    pen.row(
        Cell(how_much, pen.inner * 0.58, size=_SIZE),
        Cell(total, pen.inner * 0.42, "right", size=_SIZE),
    )
    if line.discount:
        pen.row(Cell(f"incl. discount {words.money(-line.discount)}", pen.inner, size=_SMALL,
                     grey=0.25), indent=6)  # fmt: skip
    pen.gap(1.5)


def _sums(pen: Pen, receipt: Receipt) -> None:
    if receipt.discount:
        pen.pair("Discounts, taken off above", words.money(-receipt.discount), size=_SIZE)
    pen.pair("TOTAL KES", words.money(receipt.total), size=12, is_bold=True, share=0.42)
    pen.pair("TOTAL TAX", words.money(receipt.tax), size=9, is_bold=True)
    if receipt.excluded:
        pen.pair("* not for eTIMS, included", words.money(receipt.excluded), size=_SIZE)
    if foreign := receipt.foreign:
        pen.pair(f"TOTAL {foreign.currency}", words.money(foreign.total), size=9)
        rate = f"1 {foreign.currency} = KES {words.quantity(foreign.rate)}"
        pen.row(Cell(rate, pen.inner, "right", size=_SMALL))
    pen.rule(is_dashed=True)


def _taxes(pen: Pen, receipt: Receipt) -> None:
    wide = pen.inner
    pen.row(*(Cell(head, wide * share, align, True, _SMALL) for head, share, align in _TAXES))
    for row in receipt.taxes:
        texts = (f"{row.tax_type} {row.name}", words.rate(row.rate), words.money(row.taxable),
                 words.money(row.tax))  # fmt: skip
        cells = zip(texts, _TAXES, strict=True)
        pen.row(*(Cell(text, wide * share, align, size=_SMALL)
                  for text, (_, share, align) in cells))  # fmt: skip
    pen.rule(is_dashed=True)


def _paid(pen: Pen, receipt: Receipt) -> None:
    pen.pair(receipt.payment.upper(), words.money(receipt.total), size=9)
    pen.pair("ITEMS NUMBER", str(len(receipt.lines)), size=9)
    pen.rule(is_dashed=True)


def _control_unit(pen: Pen, receipt: Receipt) -> None:
    unit = receipt.control_unit
    if unit is None:
        return
    pen.need(180)
    pen.centred("SCU INFORMATION", size=9, is_bold=True)
    if unit.signed_at is not None:
        when = f"Date: {words.day(unit.signed_at)}", f"Time: {words.clock(unit.signed_at)}"
        pen.pair(*when, size=_SIZE)
    pen.pair("SCU ID:", unit.unit_id, size=_SIZE, share=0.3)
    pen.pair("CU invoice no.:", unit.invoice_number, size=_SIZE, share=0.3)
    counters = f"{unit.receipt_number or '-'}/{unit.total_receipt_number or '-'} {receipt.label}"
    pen.pair("Receipt number:", counters, size=_SIZE)
    pen.row(Cell("Internal data:", pen.inner, size=_SIZE))
    pen.centred(words.dashed(unit.internal_data), size=_SIZE)
    pen.row(Cell("Receipt signature:", pen.inner, size=_SIZE))
    pen.centred(words.dashed(unit.signature), size=_SIZE)
    if receipt.qr:
        pen.need(QR_SIDE)
        pen.qr(receipt.qr, x=(pen.width - QR_SIDE) / 2, side=QR_SIDE)
        pen.gap(QR_SIDE)
    pen.rule(is_dashed=True, before=0)


def _system(pen: Pen, receipt: Receipt) -> None:
    pen.centred("TIS INFORMATION", size=9, is_bold=True)
    pen.pair("Invoice number:", receipt.trader_number, size=_SIZE, share=0.36)
    if receipt.number is not None:
        pen.pair("KRA number:", str(receipt.number), size=_SIZE)
    when = f"Date: {words.day(receipt.issued_at)}", f"Time: {words.clock(receipt.issued_at)}"
    pen.pair(*when, size=_SIZE)
    if receipt.control_unit and receipt.control_unit.mrc_no:
        pen.pair("MRC:", receipt.control_unit.mrc_no, size=_SIZE)
    if receipt.label and not receipt.control_unit:
        pen.pair("Receipt label:", receipt.label, size=_SIZE)
