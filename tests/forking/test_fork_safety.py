"""No connection of a parent is used by its child, and the parent's go on working.

The servers say which connection was used: ports at a listener, Redis' MONITOR, PostgreSQL's
backends.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.forking.witness import Witness, witness
from tests.hunt.spool import spool
from tests.processes import ROOT, child_environment

__all__ = ["witness"]
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
]


class Told:
    """The lines that a process and its children print."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self._process, self._errors = process, errors

    def next(self, phase: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = next((line for line in self._process.stdout if '"phase"' in line), "")
        if not line:
            raise AssertionError(self._errors.read_text()[-6000:])
        told: dict[str, Any] = json.loads(line)
        assert told["phase"] == phase, told
        return told


@pytest.fixture
def script(witness: Witness, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    errors = tmp_path / "errors"
    with errors.open("w") as file:
        # A session of its own, so that a child that is stuck ends with it.
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.forking.script"],
            cwd=ROOT,
            env=child_environment(
                DJANGO_SETTINGS_MODULE="tests.settings", FORK_FOLDER=str(tmp_path),
                **witness.environment(),
            ),
            stdout=subprocess.PIPE, stderr=file, text=True, start_new_session=True,
        )  # fmt: skip
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    spool.note("output of a child process", errors.read_text())


def backends() -> dict[int, Any]:
    """PostgreSQL's sessions: their start, which a new session has not."""
    if connection.vendor != "postgresql":
        return {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid, backend_start, client_port FROM pg_stat_activity")
        return {pid: (start, port) for pid, start, port in cursor.fetchall()}


def test_a_child_uses_no_connection_of_its_parent_whatever_was_locked(
    script: subprocess.Popen[str], witness: Witness, tmp_path: Path
) -> None:
    told = Told(script, tmp_path / "errors")
    before = told.next("before")
    at_first = backends()
    witness.begin("child")
    (tmp_path / "child").touch()
    children = [told.next("child"), told.next("child")]
    while_both_live = backends()
    witness.begin("after")
    (tmp_path / "end-of-child").touch()
    after = told.next("after")

    assert after["locks"] >= 10, "the search for locks finds no locks any more"
    assert len({each["pid"] for each in children} | {before["pid"]}) == 2
    # The child's: new to every server, and kept from one use to the next.
    for name in ("http", "database"):
        assert children[0][name] == children[1][name], name
        assert children[0][name] != before[name] or before[name] is None, name
    for ports in (witness.cache_ports, witness.broker_ports, witness.gate_ports):
        assert ports("before") and ports("child")
        assert ports("before").isdisjoint(ports("child"))
        # The parent's: the same as ever, also after a child has ended.
        assert ports("after") <= ports("before")
    assert (after["http"], after["database"]) == (before["http"], before["database"])
    if connection.vendor == "postgresql":
        mine, its = before["database"], children[0]["database"]
        assert while_both_live[mine] == at_first[mine] == backends()[mine]
        assert its not in at_first and its in while_both_live

    witness.begin("storm")
    (tmp_path / "storm").touch()
    stormy = [told.next("storm") for _ in range(5)]
    end = told.next("end")
    used = [each["http"] for each in stormy]
    assert len(set(used)) == 5
    parents = witness.callers["parent"] | witness.callers["parent-thread"]
    assert parents.isdisjoint(witness.callers["child"] | witness.callers["stormy"])
    sessions = [each["database"] for each in stormy if each["database"] is not None]
    assert len(set(sessions)) == len(sessions)
    assert before["database"] not in sessions
    # Among threads, any kept connection of the parent's may serve any of its calls.
    assert end["http"] in parents
    assert end["database"] == before["database"]
    assert script.wait(30) == 0
    assert "Traceback" not in (tmp_path / "errors").read_text()
