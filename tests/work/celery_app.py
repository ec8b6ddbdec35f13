"""The project's Celery app on a Celery queue of its own, so that test runs can share a broker.

Run as a module it rings the queue named on the command line, prints how many seconds that took
its caller and what was really published, and exits: with `--flush` when the ring has left or
failed, else at once. The last line says how many seconds after the first ring it ended.
"""

from __future__ import annotations

import atexit
import os
import statistics
import sys
import time
from typing import Any

from bengoerp.celery import app

app.conf.task_default_queue = os.environ["CELERY_TEST_QUEUE"]
if "CELERY_TEST_TICK" in os.environ:
    for entry in app.conf.beat_schedule.values():
        entry["schedule"] = float(os.environ["CELERY_TEST_TICK"])

if __name__ == "__main__":
    rung: list[float] = []
    # Registered first, so run last: after whatever holds up the end of a process.
    atexit.register(lambda: print("ended", time.monotonic() - rung[0], flush=True))

    import django

    django.setup()

    from celery.signals import before_task_publish

    from integrations import tasks, work

    def say(body: Any = None, **_rest: Any) -> None:
        print("published", *body[0], flush=True)

    before_task_publish.connect(say)
    work.set_doorbell(tasks.ring_celery)
    took = []
    rung.append(time.monotonic())
    for _ in range(9):
        start = time.monotonic()
        work.ring(sys.argv[1])
        took.append(time.monotonic() - start)
    print(statistics.median(took), max(took), flush=True)
    if "--flush" in sys.argv:
        tasks._bell.flush(seconds=20)
