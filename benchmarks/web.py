"""A gunicorn beside this process, and what its workers use of the machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from benchmarks.stage import ROOT

HOST = "127.0.0.1"
_TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 30.0


class Web:
    """A running gunicorn: its port and the processes that answer."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process, self.port = process, port

    def get(self, path: str) -> requests.Response:
        """One answer, as a proxy that ends TLS would ask for it."""
        return requests.get(
            f"http://{HOST}:{self.port}{path}",
            headers={"X-Forwarded-Proto": "https"},
            timeout=30,
            allow_redirects=False,
        )

    def workers(self) -> list[int]:
        """Process ids, without the arbiter's."""
        pid = self._process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(part) for part in text.split()]

    def cpu_seconds(self) -> float:
        """CPU that the workers have used so far."""
        return sum(cpu_seconds(pid) for pid in self.workers())

    def wait_until_up(self) -> None:
        """Return when it answers; RuntimeError when it ended or takes too long."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise RuntimeError(f"gunicorn ended with code {self._process.returncode}.")
            try:
                self.get("/livez")
                return
            except requests.ConnectionError:
                time.sleep(0.1)
        raise RuntimeError("gunicorn did not start in time.")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process of this machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def gunicorn(
    *arguments: str, folder: Path = ROOT, env: dict[str, str] | None = None
) -> Iterator[Web]:
    """gunicorn with these arguments on a free port; its output goes to the run's log."""
    log = Path(os.environ["BENCH_FOLDER"]) / "gunicorn.log"
    with socket.create_server((HOST, 0), backlog=512) as server, log.open("ab") as output:
        server.set_inheritable(True)
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--bind", f"fd://{server.fileno()}", *arguments],
            cwd=folder, env={**os.environ, **(env or {})}, pass_fds=[server.fileno()],
            stdout=output, stderr=output,
        )  # fmt: skip
        try:
            web = Web(process, server.getsockname()[1])
            web.wait_until_up()
            yield web
        finally:
            process.terminate()
            process.wait(30)
