"""How a thread at work talks to the worker that started it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _nothing() -> None:
    return None


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Shift:
    """`call_for_help()` says that there is more work than this thread takes; `is_over()` says
    that the worker is stopping: finish the row in hand and give back the others.
    """

    call_for_help: Callable[[], None] = _nothing
    is_over: Callable[[], bool] = _never


ALONE = Shift()
