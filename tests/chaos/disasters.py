"""Which disaster comes when: at random, from a seed that is printed and can be given again."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping

# `make chaos` runs everything at full size, with a new seed each time; CI runs a tenth.
IS_FULL = bool(os.environ.get("CHAOS_FULL"))
USUAL_SEED = 20261123


def sized(count: int) -> int:
    """The number at full size, or a tenth of it."""
    return count if IS_FULL else count // 10


def new_seed() -> int:
    """CHAOS_SEED, or one for this run."""
    given = os.environ.get("CHAOS_SEED")
    if given:
        return int(given)
    return random.SystemRandom().randrange(10**9) if IS_FULL else USUAL_SEED


class Disasters:
    """Calls one of the `kinds` at a time, each after a pause between `pauses` seconds.

    Those in `rare` come a third as often as the others.
    """

    def __init__(
        self,
        kinds: Mapping[str, Callable[[], None]],
        *,
        pauses: tuple[float, float],
        rare: Collection[str] = (),
    ) -> None:
        seed = new_seed()
        print(f"CHAOS_SEED={seed}")
        self.dice = random.Random(seed)
        self.done: Counter[str] = Counter()
        self._kinds, self._pauses = kinds, pauses
        self._weights = [1 if kind in rare else 3 for kind in kinds]
        self._began = time.monotonic()

    def strike(self) -> None:
        """Wait, and let the next one happen: each kind once in their order, then at random."""
        time.sleep(self.dice.uniform(*self._pauses))
        new = [kind for kind in self._kinds if kind not in self.done]
        if new:
            kind = new[0]
        else:
            (kind,) = self.dice.choices(list(self._kinds), self._weights)
        print(f"{time.monotonic() - self._began:6.1f} s  {kind}")
        self._kinds[kind]()
        self.done[kind] += 1

    def strike_missing(self, each: int = 1) -> None:
        """Strike until every kind has happened `each` times: a slow machine got to fewer."""
        while any(self.done[kind] < each for kind in self._kinds):
            self.strike()
