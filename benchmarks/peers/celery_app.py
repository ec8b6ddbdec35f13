"""The Celery application that django-webhook's tasks belong to, set up as Celery's pages say.

Its broker is this run's Redis, under this run's prefix, so that nobody else's workers hear it.
"""

from __future__ import annotations

import os

from celery import Celery

QUEUE = "webhooks"

app = Celery("peers", broker=os.environ["REDIS_URL"])
# django-webhook asks for the current application when it is imported.
app.set_default()
app.conf.update(
    task_default_queue=QUEUE,
    task_ignore_result=True,
    # Shaped like the keys of this run's cache, so they leave with them.
    broker_transport_options={"global_keyprefix": f"{os.environ['BENCH_NAME']}:1:celery:"},
    broker_connection_retry_on_startup=True,
)
