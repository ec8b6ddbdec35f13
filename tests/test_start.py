"""What a process loads when it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.processes import ROOT

# Nobody needs these before an integration that uses them is called.
HEAVY = ("celery", "stripe", "twilio", "africastalking", "boto3", "anymail", "pycurl",
         "reportlab", "segno", "PIL")  # fmt: skip
LOADED = """
import json, sys, django
django.setup()
from django.urls import get_resolver
get_resolver().url_patterns
print(json.dumps(sorted(set(sys.argv[1:]) & set(sys.modules))))
"""
APP = """
import django
django.setup()
from celery import current_app
is_known = "integrations.run_queue" in current_app.tasks
print(current_app.main, current_app.conf.task_acks_late, is_known)
"""


def run(code: str, *, broker: str) -> str:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "bengoerp.settings", "CELERY_BROKER_URL": broker}
    done = subprocess.run(
        [sys.executable, "-c", code, *HEAVY],
        cwd=ROOT, env=env, check=True, text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return done.stdout.strip()


def test_neither_celery_nor_a_providers_sdk_is_loaded_at_start() -> None:
    assert json.loads(run(LOADED, broker="")) == []


def test_with_a_broker_rings_are_published_by_the_projects_own_celery_app() -> None:
    assert run(APP, broker="memory://") == "bengoerp True True"


@pytest.mark.parametrize("broker", ["", "memory://"])
def test_the_celery_command_finds_the_app(broker: str) -> None:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "bengoerp.settings", "CELERY_BROKER_URL": broker}
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "bengoerp", "report"],
        cwd=ROOT, env=env, check=True, text=True, capture_output=True, timeout=60,
    )  # fmt: skip
    assert "task_reject_on_worker_lost: True" in done.stdout
