"""Real processes: the workers of a gunicorn add up, and a worker tells by a port of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.conftest import wait_until
from tests.hunt.plants import planted
from tests.hunt.spool import spool
from tests.observability.test_metrics import Scrape
from tests.private_services import free_port
from tests.processes import ROOT, child_environment
from tests.work.app.models import Job

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = planted("access token")
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts Python programs in the project's folder; stops them and keeps what they wrote."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        env = child_environment(
            DJANGO_SETTINGS_MODULE="tests.settings", METRICS_TOKEN=TOKEN, TMPDIR=str(tmp_path),
            **environment,
        )  # fmt: skip
        with (tmp_path / "output").open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=env, stdout=file, stderr=file,
                start_new_session=True,
            )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    spool.note("output of a child process", (tmp_path / "output").read_bytes())


def get(url: str, token: str = TOKEN) -> requests.Response | None:
    headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(url, headers=headers, timeout=90)
    return None


def read(url: str) -> Scrape:
    answer = get(url)
    assert answer is not None and answer.status_code == 200
    spool.note("HTTP answer", answer.content, where="metrics")
    return Scrape(answer.text)


@pytest.mark.parametrize("options", [(), ("--preload",)])
def test_the_counters_of_all_gunicorn_workers_add_up(
    start: Start, tmp_path: Path, options: tuple[str, ...]
) -> None:
    place = f"127.0.0.1:{free_port()}"
    web = f"http://{place}"
    master = start(
        "-m", "gunicorn", "bengoerp.wsgi", "--workers", "3", "--threads", "2", "--bind", place,
        "--no-control-socket", *options,
    )  # fmt: skip

    def is_up() -> bool:
        assert master.poll() is None, (tmp_path / "output").read_text()[-4000:]
        return get(f"{web}/readyz") is not None

    wait_until(is_up, seconds=90)
    (folder,) = tmp_path.glob("bengoerp-metrics-*")

    def processes() -> int:
        return len(list(folder.glob("counter_*.db")))

    sent = 0
    while sent < 60 or processes() < 2:
        answer = get(f"{web}/livez")
        assert answer is not None and answer.text == "ok"
        sent += 1
        assert sent < 2000, "one process answers everything"
    labels = {"view": "livez", "method": "GET", "status": "200"}
    # Whichever worker answers.
    for _ in range(5):
        found = read(f"{web}/metrics")
        assert found("integrations_http_requests_total", **labels) == sent
        assert found("integrations_http_request_seconds_count", view="livez") == sent
        assert found("integrations_database_up") == 1
    refused = get(f"{web}/metrics", token="wrong")
    assert refused is not None and refused.status_code == 404
    master.send_signal(signal.SIGTERM)
    master.wait(timeout=30)
    assert not folder.exists()


def test_a_worker_tells_what_it_did_on_a_port_of_its_own(start: Start, tmp_path: Path) -> None:
    Job.objects.bulk_create(Job() for _ in range(7))
    port = free_port()
    worker = start("manage.py", "worker", "--metrics-port", str(port), WORK_TEST_QUEUES="1")
    url = f"http://127.0.0.1:{port}/metrics"
    wait_until(lambda: worker.poll() is not None or get(url) is not None, seconds=60)
    assert worker.poll() is None, (tmp_path / "output").read_text()[-4000:]
    wait_until(lambda: not Job.objects.exclude(work_state="done").exists())

    def has_counted() -> bool:
        done = {"queue": "tests.jobs", "outcome": "done"}
        return read(url)("integrations_work_handled_total", **done) == 7

    wait_until(has_counted)
    # Loopback needs no token; nothing else is there.
    assert requests.get(url, timeout=10).status_code == 200
    assert requests.get(url.replace("metrics", "else"), timeout=10).status_code == 404
    assert read(url)("integrations_queue_rows", queue="tests.jobs", state="due") == 0


def test_a_worker_whose_port_is_taken_says_so(start: Start, tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        worker = start("manage.py", "worker", "--metrics-port", str(port))
        assert worker.wait(timeout=60) == 1
    assert f"can't be served on port {port}" in (tmp_path / "output").read_text()
