"""Child processes that work on this very test database."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import quote

from django.db import connection

ROOT = Path(__file__).resolve().parents[1]
# What a killed process held is free again soon. Seconds.
SHORT_LEASES = {
    "INTEGRATIONS_LEASE_SECONDS": "2",
    "INTEGRATIONS_DEADLINE_SECONDS": "1.8",
    "INTEGRATIONS_KRA_LEASE_SECONDS": "2",
    "INTEGRATIONS_KRA_DEADLINE_SECONDS": "1.8",
}


def child_environment(**extra: str) -> dict[str, str]:
    """The environment by which a child process uses this test's database and keys."""
    path = os.pathsep.join([str(ROOT), *sys.path])
    env = {**os.environ, **SHORT_LEASES, "PYTHONPATH": path, **extra}
    if connection.vendor == "postgresql":
        have = connection.settings_dict
        credentials = ":".join(
            quote(have[key], safe="") for key in ("USER", "PASSWORD") if have[key]
        )
        address = f"{have['HOST']}:{have['PORT'] or 5432}"
        env["DATABASE_URL"] = f"postgres://{credentials}@{address}/{have['NAME']}"
    return env
