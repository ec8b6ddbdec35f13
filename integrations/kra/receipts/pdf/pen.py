"""A pen that writes rows down a page, and goes on at the top of the next one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from integrations.kra.receipts.pdf.fonts import BOLD, REGULAR, drawable, text_width
from integrations.kra.receipts.qr import QUIET_ZONE, qr_code
from integrations.kra.receipts.words import printable

MM = 72 / 25.4
LEADING = 1.28
# Where letters stand between the top of their line and its bottom.
_ASCENT = 0.96
Align = Literal["left", "right", "centre"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of text in a row; `width` in points, its lines wrapped within."""

    text: str
    width: float
    align: Align = "left"
    is_bold: bool = False
    size: float = 8.0
    grey: float = 0.0

    @property
    def font(self) -> str:
        """Which of the two fonts."""
        return BOLD if self.is_bold else REGULAR


class Pen:
    """Draws on a ReportLab canvas. `y` is where the next row begins, from the bottom.

    `height` is None for paper without an end. `on_page` draws what every page has, and is called
    with the pen at the top margin.
    """

    def __init__(
        self, canvas: Any, *, width: float, height: float | None, margin: float,
        foot: float = 0.0, on_page: Callable[[Pen], None] | None = None,
    ) -> None:  # fmt: skip
        self.canvas = canvas
        self.width, self.height, self.margin, self.foot = width, height, margin, foot
        self.on_page = on_page
        self.page = 0
        self.y = 0.0
        # What every page has is drawn where it belongs, never on a further page.
        self.is_free = False
        self.next_page()

    @property
    def inner(self) -> float:
        """The width between the margins."""
        return self.width - 2 * self.margin

    def next_page(self) -> None:
        """Begin a page."""
        if self.page:
            self.canvas.showPage()
        self.page += 1
        self.y = (self.height or 0.0) - self.margin
        self.is_free = True
        if self.on_page is not None:
            self.on_page(self)
        self.is_free = False

    def need(self, height: float) -> bool:
        """Go on to the next page unless so much fits on this one; tells whether it did."""
        if self.is_free or self.height is None or self.y - height >= self.margin + self.foot:
            return False
        self.next_page()
        return True

    def gap(self, height: float) -> None:
        """Leave paper empty."""
        self.y -= height

    def rule(self, *, is_dashed: bool = False, before: float = 3.0, after: float = 3.0,
             weight: float = 0.6) -> None:  # fmt: skip
        """A line across."""
        self.gap(before)
        self.canvas.setLineWidth(weight)
        self.canvas.setDash(*((1.5, 1.5) if is_dashed else ()))
        self.canvas.setStrokeGray(0.0 if is_dashed else 0.35)
        self.canvas.line(self.margin, self.y, self.width - self.margin, self.y)
        self.canvas.setDash()
        self.gap(after)

    def row(self, *cells: Cell, indent: float = 0.0, gutter: float = 0.0) -> None:
        """Cells side by side, on the next page where they don't fit on this one."""
        wrapped = [wrap(cell) for cell in cells]
        self.need(row_height(cells, wrapped))
        x = self.margin + indent
        for cell, lines in zip(cells, wrapped, strict=True):
            self._write(cell, lines, x)
            x += cell.width + gutter
        self.y -= row_height(cells, wrapped)

    def _write(self, cell: Cell, lines: Sequence[str], x: float) -> None:
        self.canvas.setFont(cell.font, cell.size)
        self.canvas.setFillGray(cell.grey)
        top = self.y - cell.size * _ASCENT
        for at, line in enumerate(lines):
            y = top - at * cell.size * LEADING
            if cell.align == "right":
                self.canvas.drawRightString(x + cell.width, y, line)
            elif cell.align == "centre":
                self.canvas.drawCentredString(x + cell.width / 2, y, line)
            else:
                self.canvas.drawString(x, y, line)

    def centred(self, text: str, *, size: float = 8.0, is_bold: bool = False) -> None:
        """A line of its own in the middle; nothing for no text."""
        if text:
            self.row(Cell(text, self.inner, "centre", is_bold, size))

    def pair(self, name: str, value: str, *, size: float = 8.0, is_bold: bool = False,
             share: float = 0.5) -> None:  # fmt: skip
        """A name at the left and its value at the right."""
        left = self.inner * share
        self.row(
            Cell(name, left, "left", is_bold, size),
            Cell(value, self.inner - left, "right", is_bold, size),
        )

    def framed(self, text: str, *, size: float, x: float | None = None,
               width: float | None = None) -> None:  # fmt: skip
        """A notice in a frame, large enough that nobody overlooks it."""
        x = self.margin if x is None else x
        width = self.inner if width is None else width
        cell = Cell(text, width - 8, "centre", is_bold=True, size=size)
        lines = wrap(cell)
        tall = row_height([cell], [lines]) + 6
        self.need(tall + 6)
        self.gap(3)
        self.canvas.setLineWidth(1.2)
        self.canvas.setStrokeGray(0.0)
        self.canvas.rect(x, self.y - tall, width, tall, stroke=1, fill=0)
        self.y -= 3
        self._write(cell, lines, x + 4)
        self.y -= tall - 3 + 3

    def qr(self, text: str, *, x: float, side: float) -> None:
        """A QR code with its quiet zone, its top at the pen; the pen stays."""
        matrix = [list(row) for row in qr_code(text).matrix_iter(border=QUIET_ZONE)]
        unit = side / len(matrix)
        path = self.canvas.beginPath()
        for down, modules in enumerate(matrix):
            for start, length in _runs(modules):
                path.rect(x + start * unit, self.y - (down + 1) * unit, length * unit, unit)
        self.canvas.setFillGray(0.0)
        self.canvas.drawPath(path, stroke=0, fill=1)


def _runs(modules: Sequence[int]) -> list[tuple[int, int]]:
    """(start, length) of the dark pieces of one row."""
    found: list[tuple[int, int]] = []
    for at, is_dark in enumerate(modules):
        if is_dark and found and sum(found[-1]) == at:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        elif is_dark:
            found.append((at, 1))
    return found


def row_height(cells: Sequence[Cell], wrapped: Sequence[Sequence[str]]) -> float:
    """The height of the tallest cell."""
    return max(
        (len(lines) * cell.size * LEADING for cell, lines in zip(cells, wrapped, strict=True)),
        default=0.0,
    )


def wrap(cell: Cell) -> list[str]:
    """The cell's text in lines that fit: between words, and inside a word that is too long."""
    lines: list[str] = []
    line = ""
    for word in drawable(printable(cell.text)).split(" "):
        together = f"{line} {word}" if line else word
        if text_width(together, cell.font, cell.size) <= cell.width:
            line = together
            continue
        if line:
            lines.append(line)
        *full, line = _pieces(word, cell)
        lines += full
    return [*lines, line] if line else lines


def _pieces(word: str, cell: Cell) -> list[str]:
    """A word in pieces of the cell's width, the last one may be shorter."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and text_width(pieces[-1] + letter, cell.font, cell.size) > cell.width:
            pieces.append("")
        pieces[-1] += letter
    return pieces
