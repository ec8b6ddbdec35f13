"""Where a push's time goes, by kind: CPU time of the pushing thread, and wall time beside it.

A watched call inside another is taken out of the outer one, so the kinds add up to the whole.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from statistics import median
from typing import Any
from unittest import mock

from benchmarks.daraja import push
from benchmarks.figures import Figure, shown

TIMED = 80
REST = "everything else"
# Kind, and the names in their modules that are watched.
WATCHED = {
    "HTTP exchange": ("integrations.outbound.client.exchange",),
    "safeguards around the exchange": (
        "integrations.providers.mpesa.client.DarajaClient.stk_push",
    ),
    "ORM around the statements": (
        "django.db.models.sql.compiler.SQLCompiler.execute_sql",
        "django.db.models.sql.compiler.SQLInsertCompiler.execute_sql",
        "django.db.models.sql.compiler.SQLUpdateCompiler.execute_sql",
        "django.db.models.base.Model.save_base",
        "django.db.models.query.QuerySet._fetch_all",
    ),
    "encryption": (
        "cryptography.fernet.MultiFernet.encrypt",
        "cryptography.fernet.MultiFernet.decrypt",
    ),
    "ledger, building rows and queries": (
        "integrations.payments.opening.open_row",
        "integrations.payments.ledger.transition",
        "integrations.payments.ledger.note",
        "integrations.payments.ledger.publish",
    ),
    "call record and log line": ("integrations.outbound.recorder._store",),
    "checks before the row": ("integrations.payments.stk.check_stk_push",),
}
STATEMENTS, COMMITS = "statements", "begin and commit"
KINDS = (STATEMENTS, COMMITS, *WATCHED, REST)


def measure() -> list[Figure]:
    """The shares; a pass of its own, since the watching costs something."""
    meters = []
    for _ in range(TIMED):
        meter = Meter()
        with _watched(meter):
            meter.run(push)
        meters.append(meter)
    whole = median(sum(meter.cpu.values()) for meter in meters)
    counted = f"{median(meter.calls[STATEMENTS] for meter in meters):.0f} statements, 2 commits"
    return [
        shown("  where it goes, by CPU (and wall) time", f"{whole * 1000:.2f} ms; {counted}"),
        *(_line(kind, meters) for kind in KINDS),
    ]


def _line(kind: str, meters: list[Meter]) -> Figure:
    cpu = median(meter.cpu[kind] for meter in meters)
    share = median(meter.cpu[kind] / sum(meter.cpu.values()) for meter in meters)
    wall = median(meter.wall[kind] for meter in meters)
    return shown(f"    {kind}", f"{cpu * 1000:.2f} ms, {share:.0%} (wall {wall * 1000:.2f} ms)")


class Meter:
    """Seconds by kind; time goes to the innermost watched call."""

    def __init__(self) -> None:
        self.cpu: defaultdict[str, float] = defaultdict(float)
        self.wall: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._kinds: list[str] = []

    def run(self, act: Callable[[], None]) -> None:
        """Carry `act` out as the whole."""
        self.watch(REST, act)()

    def watch(self, kind: str, act: Callable[..., Any]) -> Callable[..., Any]:
        """`act`, its own time added to `kind`."""

        @wraps(act)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._turn()
            self._kinds.append(kind)
            self.calls[kind] += 1
            try:
                return act(*args, **kwargs)
            finally:
                self._turn()
                self._kinds.pop()

        return timed

    def _turn(self) -> None:
        """Charge the time since the last turn to whoever had it."""
        cpu, wall = time.thread_time(), time.perf_counter()
        if self._kinds:
            self.cpu[self._kinds[-1]] += cpu - self._cpu
            self.wall[self._kinds[-1]] += wall - self._wall
        self._cpu, self._wall = cpu, wall


@contextmanager
def _watched(meter: Meter) -> Iterator[None]:
    from django.db import connection

    def statement(execute: Callable[..., Any], *args: Any) -> Any:
        return meter.watch(STATEMENTS, execute)(*args)

    with ExitStack() as stack:
        stack.enter_context(connection.execute_wrapper(statement))
        for name in ("_commit", "_set_autocommit"):
            act = meter.watch(COMMITS, getattr(connection, name))
            stack.enter_context(mock.patch.object(connection, name, act))
        for kind, targets in WATCHED.items():
            for target in targets:
                original, _ = mock.patch(target).get_original()
                stack.enter_context(mock.patch(target, meter.watch(kind, original)))
        yield
