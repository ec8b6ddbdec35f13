"""Celery workers and beats as processes, on a broker and a Celery queue of a test's own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import wait_until
from tests.processes import ROOT, child_environment

TICK = "0.5"  # seconds; five in earnest


class Cluster:
    """`start` returns when the process is ready; all are killed by `stop`."""

    def __init__(self, broker: str, folder: Path) -> None:
        self.queue = f"test-{os.getpid()}-{folder.name}"
        self._broker, self._folder = broker, folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def environment(self) -> dict[str, str]:
        return child_environment(
            WORK_TEST_QUEUES="1",
            CELERY_BROKER_URL=self._broker,
            CELERY_TEST_QUEUE=self.queue,
            CELERY_TEST_TICK=TICK,
        )

    def start(self, *names: str) -> None:
        """Start workers and beats; a name begins with what it is."""
        for name in names:
            self._spawn(name)
        for name in names:
            word = "ready" if name.startswith("worker") else "beat: Starting"
            wait_until(lambda name=name, word=word: word in self.log(name))  # type: ignore[misc]

    def _spawn(self, name: str) -> None:
        if name.startswith("worker"):
            options = ["worker", "--concurrency=1", "-n", f"{name}-{self.queue}@%h"]
        else:
            options = ["beat", "--pidfile=", "-s", str(self._folder / f"{name}.schedule")]
        with self._log(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "tests.work.celery_app", *options,
                 "--loglevel=INFO"],
                cwd=ROOT, env=self.environment(), stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def log(self, name: str) -> str:
        return self._log(name).read_text(errors="replace")

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def terminate(self, name: str) -> int:
        """Ask it to finish, as a service manager does; its exit status."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=60)

    def stop(self) -> None:
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()
