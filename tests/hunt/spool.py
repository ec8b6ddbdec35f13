"""Where a test run keeps what left its processes, until it is searched at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.hunt.plants import without_plants

# Begins a record; taken out of the texts themselves.
MARK = b"\x1e"


class Spool:
    """One file per test process, shared with its children: each note is a single append."""

    def __init__(self) -> None:
        self._files: dict[Path, int] = {}
        self._folder: Path | None = None

    def note(self, channel: str, text: str | bytes, *, where: str = "") -> None:
        """Keep a text that left by `channel`; `where` is a logger, a path, a table."""
        if isinstance(text, str):
            text = text.encode("utf-8", "backslashreplace")
        test = os.environ.get("PYTEST_CURRENT_TEST", "outside any test").rpartition(" (")[0]
        head = without_plants(json.dumps({"channel": channel, "where": where, "test": test}))
        self._append("spool", MARK + head.encode() + b"\n" + text.replace(MARK, b"?") + b"\n")

    def learn(self, kind: str, value: str) -> None:
        """A secret that was made during the run: 28 letters and digits, or 32 hex digits."""
        self._append("learned", f"{kind}\t{value}\n".encode())

    @contextmanager
    def redirected(self, folder: Path) -> Iterator[None]:
        """Keep everything in another folder: for the tests of the hunt itself."""
        before, self._folder = self._folder, folder
        try:
            yield
        finally:
            self._folder = before

    def _append(self, suffix: str, record: bytes) -> None:
        folder = self._folder or hunt_folder()
        path = folder / f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}.{suffix}"
        file = self._files.get(path)
        if file is None:
            folder.mkdir(exist_ok=True)
            file = self._files[path] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(file, record)


def hunt_folder() -> Path:
    """The run's own folder for what is collected; removed with it."""
    return Path(os.environ["TEST_DB_DIR"]) / "hunt"


spool = Spool()
