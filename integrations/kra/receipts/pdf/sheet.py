"""A receipt on A4: lines as a table that goes on over pages, the signature beside its QR code."""

from __future__ import annotations

from integrations.kra.receipts import words
from integrations.kra.receipts.data import Receipt, ReceiptLine
from integrations.kra.receipts.pdf.pen import MM, Align, Cell, Pen

WIDTH, HEIGHT, MARGIN, FOOT = 210 * MM, 297 * MM, 16 * MM, 8 * MM
QR_SIDE = 38 * MM
_SIZE, _SMALL = 9.0, 7.6
_GREY = 0.35
_GUTTER = 6.0
# Widths in millimetres, which with the gutters fill the page between its margins.
_COLUMNS: tuple[tuple[str, float, Align], ...] = (
    ("#", 8, "right"), ("Item", 69, "left"), ("Quantity", 20, "right"), ("Price", 24, "right"),
    ("Discount", 18, "right"), ("Tax", 8, "centre"), ("Amount", 0, "right"),
)  # fmt: skip


def draw_sheet(pen: Pen, receipt: Receipt) -> None:
    """The whole receipt from the pen's place down."""
    _head(pen, receipt)
    _parties(pen, receipt)
    _column_heads(pen, receipt)
    for line in receipt.lines:
        _line(pen, line, receipt)
    pen.rule(before=2, after=5)
    pen.need(150)
    _sums(pen, receipt)
    _control_unit(pen, receipt)
    if receipt.bottom_message:
        pen.gap(6)
        pen.centred(receipt.bottom_message, size=10)


def draw_foot(pen: Pen, receipt: Receipt, pages: int) -> None:
    """What every page has at its bottom, and every further one at its top."""
    y = pen.y
    pen.y = pen.margin + FOOT - 2
    third = pen.inner / 3
    numbers = f"{receipt.trader_number} {receipt.label}".strip()
    pen.row(
        Cell(f"PIN {receipt.trader.pin}", third, size=_SMALL, grey=_GREY),
        Cell(f"Page {pen.page} of {pages}" if pages else "", third, "centre", size=_SMALL,
             grey=_GREY),
        Cell(numbers, third, "right", size=_SMALL, grey=_GREY),
    )  # fmt: skip
    pen.y = y
    if pen.page > 1:
        pen.row(
            Cell(receipt.trader.name, pen.inner * 0.55, is_bold=True, size=_SIZE),
            Cell(f"{receipt.title} {receipt.trader_number}, continued", pen.inner * 0.45, "right",
                 size=_SIZE),
        )  # fmt: skip
        if receipt.notices:
            pen.row(Cell(" · ".join(receipt.notices), pen.inner, is_bold=True, size=_SIZE))
        pen.gap(6)


def _head(pen: Pen, receipt: Receipt) -> None:
    trader = receipt.trader
    left, right = pen.inner * 0.58, pen.inner * 0.42
    pen.row(
        Cell(trader.name, left - 10, is_bold=True, size=17),
        Cell(receipt.title, right + 10, "right", is_bold=True, size=17),
    )
    branch = " ".join(filter(None, (trader.branch, trader.branch_name)))
    lines = [trader.legal_name if trader.legal_name != trader.name else "", trader.address,
             f"PIN {trader.pin} · Branch {branch}"]  # fmt: skip
    facts = [f"No. {receipt.trader_number}",
             f"{words.day(receipt.issued_at)} {words.clock(receipt.issued_at)}",
             f"KRA number {receipt.number}" if receipt.number is not None else ""]  # fmt: skip
    pen.row(
        Cell(lines[0] or lines[1] or lines[2], left - 10, size=_SIZE),
        Cell(facts[0], right + 10, "right", size=_SIZE),
    )
    rest = [line for line in lines if line][1:]
    facts = [fact for fact in facts if fact][1:]
    for at in range(max(len(rest), len(facts))):
        pen.row(
            Cell(rest[at] if at < len(rest) else "", left - 10, size=_SIZE),
            Cell(facts[at] if at < len(facts) else "", right + 10, "right", size=_SIZE),
        )
    if receipt.top_message:
        pen.gap(3)
        pen.centred(receipt.top_message, size=10)
    pen.rule(before=5, after=5, weight=1.2)
    for notice in receipt.notices:
        pen.framed(notice, size=11)
        pen.gap(2)


def _parties(pen: Pen, receipt: Receipt) -> None:
    half = pen.inner / 2
    is_for_credit = bool(receipt.original_trader_number or receipt.original_control_number)
    heads = ("Buyer", "Credits" if is_for_credit else "")
    pen.row(*(Cell(head, half, size=_SMALL, grey=_GREY) for head in heads))
    left = [receipt.buyer.name or "-"]
    if receipt.buyer.pin:
        left.append(f"PIN {receipt.buyer.pin}")
    right = []
    if is_for_credit:
        right = [f"Invoice {receipt.original_trader_number}"]
        if receipt.original_control_number:
            right.append(f"CU invoice no. {receipt.original_control_number}")
        if receipt.reason:
            right.append(f"Reason: {receipt.reason}")
    for at in range(max(len(left), len(right))):
        pen.row(
            Cell(left[at] if at < len(left) else "", half - 8, size=_SIZE, is_bold=at == 0),
            Cell(right[at] if at < len(right) else "", half, size=_SIZE),
            gutter=8,
        )
    pen.gap(8)


def _cells(pen: Pen, texts: tuple[str, ...], *, size: float, is_bold: bool = False,
           grey: float = 0.0) -> list[Cell]:  # fmt: skip
    known = sum(width for _, width, _ in _COLUMNS) * MM + _GUTTER * (len(_COLUMNS) - 1)
    return [
        Cell(text, width * MM or pen.inner - known, align, is_bold, size, grey)
        for text, (_, width, align) in zip(texts, _COLUMNS, strict=True)
    ]


def _column_heads(pen: Pen, receipt: Receipt) -> None:
    net = {"Price": "Price + tax"} if receipt.is_net else {}
    heads = tuple(net.get(name, name) for name, _, _ in _COLUMNS)
    pen.row(*_cells(pen, heads, size=_SMALL, is_bold=True), gutter=_GUTTER)
    pen.rule(before=1, after=3)


def _line(pen: Pen, line: ReceiptLine, receipt: Receipt) -> None:
    texts = (
        str(line.number), line.name, f"{words.quantity(line.quantity)} {line.unit}".strip(),
        words.money(line.price), words.money(-line.discount) if line.discount else "",
        line.tax_type or "*", words.money(line.total),
    )  # fmt: skip
    # A name and the code below it stay together, under heads of their own on every page.
    if pen.need(len(line.name) / 40 * _SIZE * 1.3 + 4 * _SIZE):
        _column_heads(pen, receipt)
    pen.row(*_cells(pen, texts, size=_SIZE), gutter=_GUTTER)
    if line.code:
        code = ("", line.code, "", "", "", "", "")
        pen.row(*_cells(pen, code, size=_SMALL, grey=_GREY), gutter=_GUTTER)
    pen.gap(2)


def _sums(pen: Pen, receipt: Receipt) -> None:
    """The tax table at the left, totals at the right, both from one height."""
    top, first_page = pen.y, pen.page
    left = pen.inner * 0.54
    shares: tuple[tuple[str, float, Align], ...] = (
        ("Tax", 0.42, "left"), ("Rate", 0.14, "right"), ("Taxable", 0.23, "right"),
        ("Tax", 0.21, "right"),
    )  # fmt: skip
    pen.row(*(Cell(name, left * share, align, is_bold=True, size=_SMALL)
              for name, share, align in shares))  # fmt: skip
    for row in receipt.taxes:
        texts = (f"{row.tax_type} {row.name}", words.rate(row.rate), words.money(row.taxable),
                 words.money(row.tax))  # fmt: skip
        pen.row(*(Cell(text, left * share, align, size=_SMALL)
                  for text, (_, share, align) in zip(texts, shares, strict=True)))  # fmt: skip
    below, pen.y = pen.y, top if pen.page == first_page else pen.y
    x = pen.inner * 0.60
    for name, value, is_large in _totals(receipt):
        size = 13.0 if is_large else _SIZE
        wide = pen.inner - x
        pen.row(
            Cell(name, wide * 0.55, is_bold=is_large, size=size),
            Cell(value, wide * 0.45, "right", is_bold=is_large, size=size),
            indent=x,
        )
        if is_large:
            pen.gap(3)
    pen.y = min(below, pen.y)


def _totals(receipt: Receipt) -> list[tuple[str, str, bool]]:
    found = [
        ("Discounts, taken off", words.money(-receipt.discount), False),
        ("Taxable amount", words.money(receipt.taxable), False),
        ("Total tax", words.money(receipt.tax), False),
        ("* Not for eTIMS", words.money(receipt.excluded), False),
        ("Total KES", words.money(receipt.total), True),
    ]
    hidden = {"Discounts, taken off": receipt.discount, "* Not for eTIMS": receipt.excluded}
    found = [each for each in found if hidden.get(each[0], True)]
    if foreign := receipt.foreign:
        found.append((f"Total {foreign.currency}", words.money(foreign.total), False))
        found.append((f"1 {foreign.currency} in KES", words.quantity(foreign.rate), False))
    found.append(("Paid by", receipt.payment, False))
    found.append(("Items", str(len(receipt.lines)), False))
    return found


def _control_unit(pen: Pen, receipt: Receipt) -> None:
    unit = receipt.control_unit
    if unit is None:
        return
    pen.gap(8)
    pen.need(QR_SIDE + 20)
    pen.rule(before=0, after=4)
    top = pen.y
    if receipt.qr:
        pen.qr(receipt.qr, x=pen.width - pen.margin - QR_SIDE, side=QR_SIDE)
    pen.row(Cell("SCU information", pen.inner - QR_SIDE, is_bold=True, size=10))
    signed = "-"
    if unit.signed_at is not None:
        signed = f"{words.day(unit.signed_at)} {words.clock(unit.signed_at)}"
    counters = f"{unit.receipt_number or '-'}/{unit.total_receipt_number or '-'} {receipt.label}"
    told = [
        ("Date and time", signed), ("SCU ID", unit.unit_id),
        ("CU invoice number", unit.invoice_number), ("Receipt number", counters),
        ("Internal data", words.dashed(unit.internal_data)),
        ("Receipt signature", words.dashed(unit.signature)), ("MRC", unit.mrc_no),
    ]  # fmt: skip
    for name, value in told:
        if value:
            pen.row(Cell(name, 34 * MM, size=_SIZE, grey=_GREY),
                    Cell(value, pen.inner - QR_SIDE - 38 * MM, size=_SIZE), gutter=4)  # fmt: skip
    pen.y = min(pen.y, top - QR_SIDE)
