"""Who takes the events: nginx on loopback, or the tests' own receiver where there is no nginx."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from benchmarks.web import HOST, cpu_seconds
from tests.chaos.receiver import Receiver

# Two hundred and nothing more: what is measured is the sender.
_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {host}:{port} backlog=4096;
        location / {{ default_type text/plain; return 200 "ok"; }}
    }}
}}
"""
NGINX_ADVICE = "apt-get install nginx-light, or any nginx on the PATH"
START_SECONDS = 10.0


@dataclass(frozen=True)
class Address:
    """Where the receiver listens, what it is, and the processes that answer."""

    place: str
    what: str
    pids: tuple[int, ...]

    def url(self, path: str = "/ok/") -> str:
        """The address of one of its paths."""
        return f"http://{self.place}{path}"

    def cpu_seconds(self) -> float:
        """CPU that it has used so far."""
        return sum(cpu_seconds(pid) for pid in self.pids)


def nginx_program() -> str | None:
    """The path of nginx, which Debian keeps outside an ordinary user's PATH."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@contextmanager
def receiver() -> Iterator[Address]:
    """The fastest receiver that this machine has, allowed as a receiver inside the block."""
    program = nginx_program()
    with _nginx(program) if program else _plain() as address, allowed(address.place):
        yield address


@contextmanager
def allowed(place: str) -> Iterator[None]:
    """The operator's permission to send to this host:port, for child processes as well."""
    from django.test import override_settings

    before = os.environ.get("BENCH_RECEIVER")
    os.environ["BENCH_RECEIVER"] = place
    try:
        with override_settings(OUTBOUND_ALLOWED_HOSTS=[place]):
            yield
    finally:
        os.environ.pop("BENCH_RECEIVER")
        if before is not None:
            os.environ["BENCH_RECEIVER"] = before


@contextmanager
def _nginx(program: str) -> Iterator[Address]:
    from tests.private_services import free_port

    folder = Path(tempfile.mkdtemp(prefix="nginx-", dir=os.environ["BENCH_FOLDER"]))
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, host=HOST, port=port))
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(configuration)])
    try:
        _wait_for(port, process)
        listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Address(f"{HOST}:{port}", "nginx", tuple(int(pid) for pid in listed))
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            requests.get(f"http://{HOST}:{port}/", timeout=2)
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise RuntimeError("nginx did not start.")


@contextmanager
def _plain() -> Iterator[Address]:
    with recording_receiver() as own:
        yield Address(own.place, f"a Python receiver (for nginx: {NGINX_ADVICE})", (own.pid,))


@contextmanager
def recording_receiver() -> Iterator[Receiver]:
    """The tests' receiver, which can hang and knows when each event came."""
    folder = Path(tempfile.mkdtemp(prefix="receiver-", dir=os.environ["BENCH_FOLDER"]))
    with Receiver(folder) as own:
        yield own
