"""What the scripts share: figures with their bounds, interleaved rounds, the printed table."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

COLUMNS = ("figure", "measured", "bound", "ratio", "")


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    `ratio` is measured to bound; where the issue sets none, measured to the floor that `bound`
    names. `is_met` is None where there is nothing to meet.
    """

    name: str
    measured: str
    bound: str = ""
    ratio: float | None = None
    is_met: bool | None = None
    is_left_out: bool = False

    def cells(self) -> tuple[str, ...]:
        """The texts of the row."""
        ratio = "" if self.ratio is None else f"{self.ratio:#.3g}"
        verdict = {None: "", True: "ok", False: "short"}[self.is_met]
        return self.name, self.measured, self.bound, ratio, verdict


def at_most(name: str, value: float, unit: str, bound: float, note: str = "") -> Figure:
    """A figure that must not exceed `bound` (same unit)."""
    limit = f"<= {amount(bound, unit)}{note}"
    ratio = value / bound if bound else None
    return Figure(name, amount(value, unit), limit, ratio, value <= bound)


def at_least(name: str, value: float, unit: str, bound: float) -> Figure:
    """A figure that must reach `bound` (same unit)."""
    limit = f">= {amount(bound, unit)}"
    return Figure(name, amount(value, unit), limit, value / bound, value >= bound)


def exactly(name: str, value: float, unit: str, bound: float) -> Figure:
    """A figure that must be `bound`."""
    ratio = value / bound if bound else None
    return Figure(name, amount(value, unit), f"= {amount(bound, unit)}", ratio, value == bound)


def beside(name: str, value: float, unit: str, floor: str, ratio: float) -> Figure:
    """A figure without a bound, beside a floor measured in the same run."""
    return Figure(name, amount(value, unit), floor, ratio)


def shown(name: str, measured: str) -> Figure:
    """A figure for information."""
    return Figure(name, measured)


def left_out(name: str, reason: str, bound: str = "") -> Figure:
    """A figure that this stack or environment can't give; `reason` says what it needs."""
    return Figure(name, reason, bound, is_left_out=True)


def amount(value: float, unit: str) -> str:
    """A number with as many digits as it deserves, and its unit."""
    if value == int(value) and value < 100_000:
        text = f"{int(value):,}"
    else:
        text = f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"
    return f"{text} {unit}".rstrip()


def interleave(rounds: int, *legs: Callable[[], float]) -> list[list[float]]:
    """The legs' measurements, one list per leg, the order turned round at every other round."""
    answers: list[list[float]] = [[] for _ in legs]
    turns: Sequence[int] = range(len(legs))
    gc.collect()
    for _ in range(rounds):
        for position in turns:
            answers[position].append(legs[position]())
        turns = turns[::-1]
    return answers


def median_ratio(upper: Iterable[float], lower: Iterable[float]) -> float:
    """The median of the rounds' own ratios: noise that hits a whole round cancels."""
    return median(above / below for above, below in zip(upper, lower, strict=True))


def print_table(figures: Sequence[Figure]) -> None:
    """Print the figures in columns."""
    rows = [COLUMNS, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        print(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        )
