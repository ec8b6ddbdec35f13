"""The project's Celery app on a Celery queue of its own, so that test runs can share a broker.

Run as a module it rings the queue named on the command line, prints how many seconds that took
its caller and what was really published, and exits: with `--flush` when the ring has left or
failed, else at once.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from bengoerp.celery import app

app.conf.task_default_queue = os.environ["CELERY_TEST_QUEUE"]

if __name__ == "__main__":
    import django

    django.setup()

    from celery.signals import before_task_publish

    from integrations import tasks, work

    def say(body: Any = None, **_rest: Any) -> None:
        print("published", *body[0], flush=True)

    before_task_publish.connect(say)
    work.set_doorbell(tasks.ring_celery)
    start = time.monotonic()
    for _ in range(3):
        work.ring(sys.argv[1])
    print(time.monotonic() - start, flush=True)
    if "--flush" in sys.argv:
        tasks._bell.flush(seconds=20)
