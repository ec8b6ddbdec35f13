"""A fork while another thread is counting: the child goes on counting, and only for itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, child_environment

FORK = """
import os, signal, sys, threading
import django
django.setup()
from prometheus_client import REGISTRY, values
from integrations import metrics

metrics.callbacks.add("stk", "accepted")
metrics.work_seconds.note("q", seconds=1)
counter, times = metrics.callbacks.child(("stk", "accepted")), metrics.work_seconds.child(("q",))
locks = [REGISTRY._lock, metrics.callbacks.family._lock, metrics.work_seconds.family._lock]
inc = values.ValueClass.inc
shared = dict(zip(inc.__code__.co_freevars, inc.__closure__ or ())).get("lock")
locks += [shared.cell_contents] if shared else [
    each._lock for each in (counter._value, times._sum, *times._buckets)
]
held, over = threading.Event(), threading.Event()

def hold():
    for lock in locks:
        assert lock.acquire(timeout=5)
    held.set()
    over.wait(30)
    for lock in locks:
        lock.release()

thread = threading.Thread(target=hold)
thread.start()
held.wait(10)
child = os.fork()
if child == 0:
    signal.alarm(10)
    metrics.callbacks.add("stk", "accepted")
    metrics.callbacks.add("stk", "refused")
    metrics.work_seconds.note("q", seconds=1)
    os._exit(0)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
over.set()
thread.join()
metrics.callbacks.add("stk", "accepted")
print(status, len(locks))
from integrations.exposition import _counters
from prometheus_client import generate_latest
print(generate_latest(_counters()).decode())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("is_shared", [False, True])
def test_a_child_waits_for_no_lock_that_its_parent_held(tmp_path: Path, is_shared: bool) -> None:
    env = child_environment(DJANGO_SETTINGS_MODULE="tests.settings")
    env.pop("PROMETHEUS_MULTIPROC_DIR", None)
    if is_shared:
        env["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FORK], cwd=ROOT, env=env, text=True, capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    status, locks = done.stdout.split()[:2]
    assert (status, int(locks)) == ("0", 4 if is_shared else 14)
    line = 'integrations_callbacks_total{result="accepted",route="stk"}'
    # Together with the child's, where they meet; else each for itself.
    assert f"{line} {3.0 if is_shared else 2.0}" in done.stdout
