"""The Celery application. The database is the queue; Celery only carries rings."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bengoerp.settings")

# The configuration module is read on first use, when Django's settings are complete.
app = Celery("bengoerp")
app.config_from_object("bengoerp.celeryconfig")
app.autodiscover_tasks(["integrations"])
