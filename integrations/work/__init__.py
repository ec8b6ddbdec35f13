"""Durable work: rows that are their own jobs, claimed by lease from the database.

    work.register(work.Queue(name="receipts", model=Receipt, handle=send_receipt))
    ...
    Receipt.objects.create(...)     # due at once, in the caller's transaction
    work.ring("receipts")           # a hint, heard after commit

`manage.py worker` (or Celery) does the rest: at least once, whatever crashes.
See docs/explanation/durable-work.md.
"""

from integrations.work.checks import check_queues
from integrations.work.claim import (
    Claim,
    claim_rows,
    finish,
    has_due_rows,
    lease_expressions,
    retry_dead,
    safe_error,
    schedule,
)
from integrations.work.clock import later
from integrations.work.doorbell import ring, set_doorbell
from integrations.work.models import Lane, LeasedWork, PeriodicRun, WorkState, lane_index
from integrations.work.periodic import (
    Periodic,
    periodic_jobs,
    register_periodic,
    run_next_periodic,
    unregister_periodic,
    use_periodic_model,
)
from integrations.work.queue import (
    DEFAULT_BACKOFF,
    Again,
    Dead,
    Done,
    Kept,
    Outcome,
    Queue,
    delay_after,
    get_queue,
    queues,
    register,
    unregister,
)
from integrations.work.run import drain
from integrations.work.worker import Worker

__all__ = [
    "DEFAULT_BACKOFF",
    "Again",
    "Claim",
    "Dead",
    "Done",
    "Kept",
    "Lane",
    "LeasedWork",
    "Outcome",
    "Periodic",
    "PeriodicRun",
    "Queue",
    "WorkState",
    "Worker",
    "check_queues",
    "claim_rows",
    "delay_after",
    "drain",
    "finish",
    "get_queue",
    "has_due_rows",
    "lane_index",
    "later",
    "lease_expressions",
    "periodic_jobs",
    "queues",
    "register",
    "register_periodic",
    "retry_dead",
    "ring",
    "run_next_periodic",
    "safe_error",
    "schedule",
    "set_doorbell",
    "unregister",
    "unregister_periodic",
    "use_periodic_model",
]
