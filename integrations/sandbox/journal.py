"""An append-only file of JSON lines, so that a killed sandbox keeps its book."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


class Journal:
    """Lines have left the process before `append` returns; without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file = path.open("ab") if path else None
        if self._file is not None and path is not None:
            self._end_torn_line(path)

    def entries(self) -> Iterator[dict[str, Any]]:
        """What earlier runs wrote, in order; a line torn by a kill is left out."""
        if self._path is None:
            return
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    entry = json.loads(line)
                except ValueError:
                    logger.warning("Journal line %d is torn and was left out", number)
                    continue
                if isinstance(entry, dict):
                    yield entry

    def append(self, entry: Mapping[str, Any]) -> None:
        """Write one entry and flush it: a kill of the process loses nothing written."""
        if self._file is None:
            return
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            if not self._file.closed:
                self._file.write(line)
                self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()

    def _end_torn_line(self, path: Path) -> None:
        content_length = path.stat().st_size
        if content_length == 0 or self._file is None:
            return
        with path.open("rb") as existing:
            existing.seek(-1, os.SEEK_END)
            if existing.read(1) != b"\n":
                self._file.write(b"\n")
                self._file.flush()
