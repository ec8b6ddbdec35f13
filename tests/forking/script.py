"""python -m tests.forking.script: use, fork with every lock held, use in both, fork in a storm."""

from __future__ import annotations

import os
import time
from pathlib import Path

import django


def main() -> None:
    django.setup()
    from django.db import connection

    from tests.forking import sqlite_gate, uses

    if connection.vendor == "sqlite":
        sqlite_gate.install()

    uses.limit_time(3 * uses.DEADLOCK_SECONDS)
    told = uses.use_everything("parent")
    uses.say({**told, "phase": "before"})
    wait_for("child")

    def child() -> None:
        uses.say({**uses.use_everything("child"), "phase": "child"})
        uses.say({**uses.use_everything("child"), "phase": "child"})
        wait_for("end-of-child")

    with uses.all_locks_held() as count:
        uses.in_child(child)
    uses.say({**uses.use_everything("parent"), "phase": "after", "locks": count})
    wait_for("storm")
    with uses.busy_threads(2):
        for _ in range(5):
            time.sleep(0.05)
            uses.in_child(lambda: uses.say({**uses.use_everything("stormy"), "phase": "storm"}))
    uses.say({**uses.use_everything("parent"), "phase": "end"})


def wait_for(word: str) -> None:
    """Until the witness has looked: it then makes this file."""
    path = Path(os.environ["FORK_FOLDER"]) / word
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, f"nobody said {word}"
        time.sleep(0.01)


if __name__ == "__main__":
    main()
