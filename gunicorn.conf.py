"""Read by gunicorn by itself when it is started in this folder.

It gives the workers a folder in which their counters meet, so that /metrics tells of all of them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_OURS = "bengoerp-metrics-"
if _FOLDER not in os.environ:
    # Before anything counts: the client library looks once, when it is first loaded.
    os.environ[_FOLDER] = tempfile.mkdtemp(prefix=_OURS)


def on_starting(_server: Any) -> None:
    """Begin at zero: what an earlier run has left would be counted again."""
    folder = Path(os.environ[_FOLDER])
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink(missing_ok=True)


def child_exit(_server: Any, worker: Any) -> None:
    """A worker has ended; what it counted stays."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(_server: Any) -> None:
    """Leave nothing behind."""
    folder = Path(os.environ[_FOLDER])
    if folder.name.startswith(_OURS):
        shutil.rmtree(folder, ignore_errors=True)
