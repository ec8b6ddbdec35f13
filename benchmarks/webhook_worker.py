"""A `manage.py worker` for webhooks beside this process, and how much memory it holds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.stage import ROOT
from benchmarks.webhook_stage import QUEUE


@contextmanager
def webhook_worker() -> Iterator[int]:
    """The process id of a worker that has started; its log lines go to the run's folder."""
    command = (sys.executable, "manage.py", "worker", "--skip-checks", "--queues", QUEUE)
    with (Path(os.environ["BENCH_FOLDER"]) / "workers.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
        try:
            if process.stdout is None or not process.stdout.readline():
                raise RuntimeError("The worker did not start.")
            yield process.pid
        finally:
            process.terminate()
            process.wait(60)
            if process.stdout is not None:
                process.stdout.close()


def megabytes(pid: int) -> float:
    """The resident set of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024
