"""What a process works out of rows whose every change touches the stamp, and keeps meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from integrations.config.freshness import freshness

_V = TypeVar("_V")
# Whatever went wrong with the stamp, nothing in memory is older than this many seconds.
FULL_RELOAD = 60.0
_all: list[StampedMemo[object]] = []


class StampedMemo(Generic[_V]):
    """Values by key, each trusted while the stamp stays what it was, as `get_snapshot`'s are.

    For few and small values: what is not asked for any more stays until `clear_cache`.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[str, float, _V]] = {}
        _all.append(self)  # type: ignore[arg-type]

    def get(self, key: Hashable, make: Callable[[], _V]) -> _V:
        """The value of this key, made anew where it may have changed."""
        # Before the rows are read: a change in between is seen at the next call.
        stamp = freshness.current()
        if stamp is None:
            return make()
        found = self._kept.get(key)
        if found is not None and found[0] == stamp and time.monotonic() < found[1]:
            return found[2]
        value = make()
        self._kept[key] = (stamp, time.monotonic() + FULL_RELOAD, value)
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()


def clear_memos() -> None:
    """Forget what every memo of this process holds."""
    for memo in _all:
        memo.clear()
