"""The leak hunt's part of pytest: what only the test process sees, and the search at the end."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Generator
from typing import Any

import _pytest.raises
import pytest

from tests.hunt.search import Result, hunt
from tests.hunt.spool import hunt_folder, spool

_RESULT = pytest.StashKey[tuple[Result, float]]()
_SHOWN = 40


def describe_error(error: BaseException) -> str:
    """What anybody who logs, shows or reports the error could tell, causes included."""
    told: list[str] = []
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        told.append(f"{each!r} {each} {each.args!r} {vars(each)!r}")
        waiting += [each.__cause__, each.__context__]
    return "\n".join(told)


def _keep_expected_errors() -> None:
    leave = _pytest.raises.RaisesExc.__exit__

    def leave_and_keep(self: Any, kind: Any, error: Any, trace: Any) -> bool:
        if error is not None:
            spool.note("exception", describe_error(error), where=kind.__name__)
        return leave(self, kind, error, trace)

    _pytest.raises.RaisesExc.__exit__ = leave_and_keep  # type: ignore[method-assign]


def _keep_output_of_children() -> None:
    communicate = subprocess.Popen.communicate

    def communicate_and_keep(self: Any, *args: Any, **kwargs: Any) -> Any:
        streams = communicate(self, *args, **kwargs)
        for text in filter(None, streams):
            spool.note("output of a child process", text)
        return streams

    subprocess.Popen.communicate = communicate_and_keep  # type: ignore[method-assign, assignment]


def _shorten_reports(config: pytest.Config) -> None:
    """The hunt listens at DEBUG; a failed test's report is for people."""
    shown = config.pluginmanager.getplugin("logging-plugin")
    if shown is not None:
        shown.report_handler.setLevel(logging.INFO)


def pytest_configure(config: pytest.Config) -> None:
    """Begin to collect."""
    _shorten_reports(config)
    _keep_expected_errors()
    _keep_output_of_children()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Keep what the test printed. Captured log records are left out: no handler wrote them."""
    report = yield
    for name, text in report.sections:
        if name in (f"Captured stdout {call.when}", f"Captured stderr {call.when}"):
            spool.note("standard output", text, where=name)
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Search what all processes left; a finding fails the run."""
    if hasattr(session.config, "workerinput"):
        return
    began = time.perf_counter()
    result = hunt(hunt_folder())
    session.config.stash[_RESULT] = result, time.perf_counter() - began
    if result.findings and session.exitstatus in (pytest.ExitCode.OK, 5):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was searched, and name every place with a secret in it."""
    result, seconds = config.stash.get(_RESULT, (None, 0.0))
    if result is None:
        return
    searched = ", ".join(f"{count} x {name}" for name, count in sorted(result.records.items()))
    terminalreporter.section("leak hunt")
    terminalreporter.line(
        f"{result.size / 1e6:.1f} MB searched in {seconds:.1f} s: {searched or 'nothing'}."
    )
    for finding in result.findings[:_SHOWN]:
        terminalreporter.line(f"LEAK {finding}", red=True)
    if result.findings:
        terminalreporter.line(f"{len(result.findings)} leaks of planted secrets.", red=True)
