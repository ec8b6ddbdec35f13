"""Jobs that run every so often, in one process at a time, however many workers there are."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Q
from django.db.models.functions import Now

from integrations.exceptions import ConfigurationError
from integrations.work.claim import new_token
from integrations.work.clock import later, now
from integrations.work.models import PeriodicRun
from integrations.work.shift import ALONE, Shift

logger = logging.getLogger("integrations.work")


@dataclass(frozen=True)
class Periodic:
    """`run` is called every `every_seconds` at most, by whichever worker comes first.

    A run that crashes its process is repeated after `lease_seconds`, which must therefore exceed
    the longest run; one that raises is logged and comes again at its next turn.
    """

    name: str
    every_seconds: float
    run: Callable[[], object]
    lease_seconds: float = 600.0


_jobs: dict[str, Periodic] = {}
_model: type[PeriodicRun] | None = None


def use_periodic_model(model: type[PeriodicRun]) -> None:
    """Name the table in which processes agree about periodic jobs (set in `apps.ready()`)."""
    global _model
    _model = model


def register_periodic(job: Periodic) -> None:
    """Make `job` known to workers; ConfigurationError when its name means something else."""
    if _jobs.setdefault(job.name, job) != job:
        raise ConfigurationError(f"Two different periodic jobs are named {job.name}.")


def unregister_periodic(name: str) -> None:
    """Forget a job (a host project that replaces one, and tests)."""
    _jobs.pop(name, None)


def periodic_jobs() -> list[Periodic]:
    """Every registered periodic job, by name."""
    return [_jobs[name] for name in sorted(_jobs)]


def run_next_periodic(shift: Shift = ALONE) -> bool:
    """Run one job that is due, if there is one; True when it ran."""
    for name in _due_names():
        job = _jobs[name]
        token = new_token()
        if not _take(job, token=token):
            continue
        shift.call_for_help()
        _run(job, token=token)
        return True
    return False


def _due_names() -> list[str]:
    if not _jobs:
        return []
    table = _table()
    missing = set(_jobs) - set(table._base_manager.values_list("name", flat=True))
    if missing:
        rows = [table(name=name) for name in sorted(missing)]
        table._base_manager.bulk_create(rows, ignore_conflicts=True)
    due = table._base_manager.filter(_is_free(), name__in=list(_jobs), next_run_at__lte=now())
    return list(due.order_by("next_run_at").values_list("name", flat=True))


def _take(job: Periodic, *, token: str) -> bool:
    row = _table()._base_manager.filter(_is_free(), name=job.name, next_run_at__lte=now())
    # The next run counts from this start: no more often than `every`, even after a crash.
    taken = row.update(
        lease_until=later(job.lease_seconds),
        next_run_at=later(job.every_seconds),
        claim_token=token,
    )
    return taken == 1


def _run(job: Periodic, *, token: str) -> None:
    try:
        job.run()
    except Exception:
        logger.exception("Periodic job %s failed; it comes again at its next turn", job.name)
    ours = _table()._base_manager.filter(name=job.name, claim_token=token)
    ours.update(lease_until=None, claim_token="")


def _is_free() -> Q:
    return Q(lease_until=None) | Q(lease_until__lte=Now())


def _table() -> type[PeriodicRun]:
    if _model is None:
        raise ConfigurationError("Periodic jobs need a table: call work.use_periodic_model().")
    return _model
