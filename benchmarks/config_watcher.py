"""The other process of `config_read`: says when it first reads a new short code.

Prints "<short code> <time.monotonic()>" per change; that clock is the machine's, so the parent
can compare. Ends with its parent.
"""

from __future__ import annotations

import os
import time

import django

PAUSE = 0.002


def watch() -> None:
    """Read the configuration, as a busy web process does, until the parent is gone."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    django.setup()
    from integrations.services import IntegrationConfigService

    parent = os.getppid()
    known = IntegrationConfigService.get_mpesa_config()["short_code"]
    print("ready", flush=True)
    while os.getppid() == parent:
        found = IntegrationConfigService.get_mpesa_config()["short_code"]
        if found != known:
            print(found, time.monotonic(), flush=True)
            known = found
        time.sleep(PAUSE)


if __name__ == "__main__":
    watch()
