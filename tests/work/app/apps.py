"""A tiny app whose models stand for every kind of durable work."""

from __future__ import annotations

import os

from django.apps import AppConfig


class WorkTestsConfig(AppConfig):
    """Registers queues for child processes that a test starts, and for those alone."""

    name = "tests.work.app"
    label = "work_tests"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        if os.environ.get("WORK_TEST_QUEUES"):
            from tests.work.app import queues

            queues.register_all()
