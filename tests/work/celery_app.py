"""The project's Celery app on a Celery queue of its own, so that test runs can share a broker.

Run as a module it rings the queue named on the command line and exits at once.
"""

from __future__ import annotations

import os
import sys

from bengoerp.celery import app

app.conf.task_default_queue = os.environ["CELERY_TEST_QUEUE"]

if __name__ == "__main__":
    import django

    django.setup()

    from integrations import work
    from integrations.tasks import ring_celery

    work.set_doorbell(ring_celery)
    work.ring(sys.argv[1])
