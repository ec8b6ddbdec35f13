"""Markdown as the generated pages use it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTE = "<!-- Made by `manage.py make_reference` from the code: change the code, not this page. -->"


def page(title: str, *parts: str) -> str:
    """A whole page: its title, the note who makes it, and its parts."""
    return "\n\n".join([NOTE, f"# {title}", *parts]) + "\n"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown in one line."""
    lines = [_row(headers), "|" + "---|" * len(headers)]
    return "\n".join([*lines, *(_row([_cell(text) for text in row]) for row in rows)])


def code(text: object) -> str:
    """A code span, "" for nothing."""
    return f"`{text}`" if str(text) else ""


def first_paragraph(docstring: str | None) -> str:
    """The first paragraph of a docstring in one line."""
    return " ".join((docstring or "").strip().partition("\n\n")[0].split())


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split()) or "-"
