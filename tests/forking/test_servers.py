"""The servers that fork our code: gunicorn with --preload, Celery with its prefork pool."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import wait_until
from tests.forking.test_fork_safety import Told, backends
from tests.forking.witness import Witness, witness
from tests.hunt.spool import spool
from tests.private_services import free_port
from tests.processes import ROOT, child_environment

__all__ = ["witness"]
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(witness: Witness, tmp_path: Path) -> Iterator[Start]:
    """Starts Python programs that find the witness; stops them, and their children."""
    errors = tmp_path / "errors"
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        environment = child_environment(
            DJANGO_SETTINGS_MODULE="tests.settings", **witness.environment()
        )
        with errors.open("a") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments], cwd=ROOT, env=environment,
                stdout=subprocess.PIPE, stderr=file, text=True, start_new_session=True,
            )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            # Its session is its own, and it leads it as long as it lives.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    spool.note("output of a child process", errors.read_text())


def assert_apart(parent: dict[str, Any], children: list[dict[str, Any]]) -> None:
    """Each child has connections of its own, the same at each use, and none of its parent's."""
    for name in ("http", "database"):
        if parent[name] is None:
            continue
        by_process: dict[int, set[int]] = defaultdict(set)
        for told in children:
            by_process[told["pid"]].add(told[name])
        assert len(by_process) == 2
        used = [number for numbers in by_process.values() for number in numbers]
        assert len(used) == len(set(used)) == 2, (name, by_process)
        assert parent[name] not in used, name


def test_preloaded_workers_of_gunicorn_use_none_of_their_masters_connections(
    start: Start, witness: Witness, tmp_path: Path
) -> None:
    place = f"127.0.0.1:{free_port()}"
    master = start(
        "gunicorn", "tests.forking.wsgi:application", "--preload", "--workers", "2",
        "--bind", place, "--no-control-socket",
    )  # fmt: skip

    def ask(path: str) -> requests.Response | None:
        assert master.poll() is None, (tmp_path / "errors").read_text()[-4000:]
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"http://{place}{path}", timeout=20)
        return None

    wait_until(lambda: ask("/livez"), seconds=60)
    witness.begin("workers")
    answers: list[dict[str, Any]] = []

    def both_answered_twice() -> bool:
        answer = ask("/uses")
        assert answer is not None and answer.status_code == 200
        answers.append(answer.json())
        counts = defaultdict(int)
        for told in answers:
            counts[told["worker"]["pid"]] += 1
        return len(counts) == 2 and min(counts.values()) >= 2

    wait_until(both_answered_twice, seconds=60)
    assert_apart(answers[0]["master"], [told["worker"] for told in answers])
    for ports in (witness.cache_ports, witness.broker_ports):
        assert len(ports("workers")) == 2
        assert ports("before").isdisjoint(ports("workers"))
    # The master's session is as alive as before.
    assert answers[0]["master"]["database"] in {None, *backends()}
    ready = ask("/readyz")
    assert ready is not None and ready.status_code == 200


def test_a_prefork_pool_of_celery_uses_none_of_its_main_process_connections(
    start: Start, witness: Witness, tmp_path: Path
) -> None:
    worker = start(
        "celery", "-A", "tests.forking.celery_app", "worker", "--pool", "prefork",
        "--concurrency", "2", "--loglevel", "WARNING",
    )  # fmt: skip
    told = Told(worker, tmp_path / "errors")
    main = told.next("main")
    at_first = witness.cache_ports("before")
    witness.begin("pool")
    uses: list[dict[str, Any]] = []
    while len({each["pid"] for each in uses}) < 2 or len(uses) < 8:
        start("tests.forking.celery_app").wait(60)
        uses += [told.next("pool") for _ in range(8)]
        assert len(uses) < 80, "one process does all the work"
    assert_apart(main, uses)
    assert at_first and at_first.isdisjoint(witness.cache_ports("pool"))
