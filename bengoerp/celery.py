"""The Celery application. The database is the queue; Celery only carries rings."""

from __future__ import annotations

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bengoerp.settings")

# The configuration module is read on first use, when Django's settings are complete.
app = Celery("bengoerp")
app.config_from_object("bengoerp.celeryconfig")
app.autodiscover_tasks(["integrations"])


@worker_ready.connect
def serve_worker_metrics(**_: Any) -> None:
    """Serve what the worker's processes count, where METRICS_PORT is set.

    The processes of its pool meet in PROMETHEUS_MULTIPROC_DIR; without it they count for nobody.
    """
    from integrations.conf import hub_settings
    from integrations.metrics_server import serve_metrics

    port = hub_settings.metrics_port
    if not port:
        return
    logger = logging.getLogger("integrations.metrics")
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        logger.warning("Without PROMETHEUS_MULTIPROC_DIR a Celery worker's metrics lack its pool's")
    try:
        serve_metrics(port, address=hub_settings.metrics_address)
    except (OSError, OverflowError) as error:
        logger.error("Metrics can't be served on port %d: %s", port, error)
