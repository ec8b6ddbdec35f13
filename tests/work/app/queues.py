"""Queues whose handlers leave a trace, for worker processes that a test starts and kills."""

from __future__ import annotations

import os
import time

from integrations import work
from tests.work.app.models import Errand, Job, Parcel, Trace


def trace(what: str, *, row: int | None = None, lane: int | None = None) -> None:
    Trace.objects.create(what=what, row=row, lane=lane, pid=os.getpid())


def handle_job(job: Job) -> None:
    """Do what the note says: nothing, or wait until the deadline check and answer."""
    trace("start", row=job.pk)
    if job.note.startswith("wait "):
        time.sleep(float(job.note.removeprefix("wait ")))
    trace("end" if job.has_time_left() else "late", row=job.pk)


def handle_parcel(parcel: Parcel) -> None:
    trace("start", row=parcel.pk, lane=parcel.street_id)
    time.sleep(0.01)
    trace("end", row=parcel.pk, lane=parcel.street_id)


JOBS = work.Queue(
    name="tests.jobs",
    model=Job,
    handle=handle_job,
    concurrency=2,
    batch=4,
    lease_seconds=2.0,
    deadline_seconds=0.4,
)
PARCELS = work.Queue(
    name="tests.parcels",
    model=Parcel,
    handle=handle_parcel,
    batch=5,
    lease_seconds=2.0,
    deadline_seconds=0.3,
    lane_field="street",
    ordered=True,
)
ERRANDS = work.Queue(
    name="tests.errands",
    model=Errand,
    handle=lambda row: trace("errand", row=row.pk),
    lease_seconds=2.0,
    deadline_seconds=1.0,
)
CHIME = work.Periodic(name="tests.chime", every_seconds=3600, run=lambda: trace("chime"))


def register_all() -> None:
    """Make these the only queues and jobs of the process."""
    for queue in work.queues():
        work.unregister(queue.name)
    for job in work.periodic_jobs():
        work.unregister_periodic(job.name)
    work.register(JOBS)
    work.register(PARCELS)
    work.register(ERRANDS)
    work.register_periodic(CHIME)
