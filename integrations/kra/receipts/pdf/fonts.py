"""The two fonts of receipts: DejaVu Sans Condensed, for every Latin letter with its accents."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

REGULAR, BOLD = "ReceiptSans", "ReceiptSans-Bold"
_FOLDER = Path(__file__).parent.parent / "fonts"
_FILES = {REGULAR: "DejaVuSansCondensed.ttf", BOLD: "DejaVuSansCondensed-Bold.ttf"}
_lock = threading.Lock()
# What stands for a letter that the fonts don't have.
_UNKNOWN = "?"


@cache
def _load(name: str) -> Any:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    font = TTFont(name, str(_FOLDER / _FILES[name]))
    pdfmetrics.registerFont(font)
    return font


def load_fonts() -> None:
    """Make both known to ReportLab; safe in threads."""
    with _lock:
        for name in _FILES:
            _load(name)


def text_width(text: str, font: str, size: float) -> float:
    """Width in points."""
    return float(_load(font).stringWidth(text, size))


def drawable(text: str) -> str:
    """The text with a question mark for each letter that can't be drawn."""
    known = _load(REGULAR).face.charToGlyph
    return "".join(each if ord(each) in known else _UNKNOWN for each in text)
