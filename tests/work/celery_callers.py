"""Callers who make rows and ring for them until standard input closes.

Half of them ring inside a transaction, half outside. The last line of output is JSON: how many
seconds each ring took.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import django

django.setup()

from django.db import connection, transaction  # noqa: E402  (Django is set up first)

from integrations import tasks, work  # noqa: E402
from tests.work.app.models import Job  # noqa: E402

CALLERS = 4
PAUSE = 0.05
rings: list[float] = []
stopped = threading.Event()


def timed_ring(queue_name: str) -> None:
    start = time.perf_counter()
    tasks.ring_celery(queue_name)
    rings.append(time.perf_counter() - start)


def call(*, is_inside: bool) -> None:
    while not stopped.wait(PAUSE):
        if is_inside:
            with transaction.atomic():
                Job.objects.create()
                work.ring("tests.jobs")
        else:
            Job.objects.create()
            work.ring("tests.jobs")
    connection.close()


if __name__ == "__main__":
    work.set_doorbell(timed_ring)
    threads = [
        threading.Thread(target=call, kwargs={"is_inside": bool(number % 2)})
        for number in range(CALLERS)
    ]
    for thread in threads:
        thread.start()
    print("calling", flush=True)
    sys.stdin.read()
    stopped.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"rings": rings}), flush=True)
