"""The settings of an installation that is broken on purpose: the product's own, and two levers."""

from __future__ import annotations

import os
from pathlib import Path

from tests.chaos import levers
from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.chaos.urls"

if os.environ.get("CHAOS_SABOTAGE"):
    INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.sabotage.Sabotage"]  # noqa: F405

levers.install(Path(os.environ["CHAOS_LEVERS"]), name=os.environ["CHAOS_NAME"])
