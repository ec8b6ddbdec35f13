"""`manage.py check` and a web process's memory, beside an empty project with the same packages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, at_most, exactly, interleave, median_ratio, shown
from benchmarks.projects import Project, empty_project, product
from benchmarks.stage import run_alone
from benchmarks.web import gunicorn

CHECKS = 12
STARTS = 4
BOUND = 1.3
CHECK = "manage.py check, wall time by that of an empty project"
MEMORY = "web process, memory by that of an empty project"
# Both projects answer this with a redirect to the login.
PAGE = "/admin/"
# Top-level modules of providers' SDKs and of senders; none may be loaded before it is used.
SDKS = ("stripe", "twilio", "africastalking", "boto3", "botocore", "anymail", "google.auth",
        "firebase_admin", "pywebpush", "pycurl")  # fmt: skip
# What is loaded once Django is up, and after each health request.
_LOADED = """
import json, sys
import django
django.setup()
loaded = lambda: sorted(set(sys.argv[1:]) & set(sys.modules))
first = loaded()
from django.contrib.auth import get_user_model
from django.test import Client
who = {"username": "bench", "is_staff": True, "is_superuser": True}
admin, _ = get_user_model().objects.get_or_create(**who)
client = Client(HTTP_HOST="127.0.0.1")
client.force_login(admin)
paths = ("/livez", "/readyz", "/api/v1/integrations/health/", "/api/v1/integrations/summary/")
codes = [client.get(path, secure=True).status_code for path in paths]
print(json.dumps([first, loaded(), codes]))
"""


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    from integrations.models import MpesaSettings

    # A health request would call what is configured.
    MpesaSettings.objects.all().delete()
    folder = Path(os.environ["BENCH_FOLDER"])
    projects = (
        product(folder / "product"),
        empty_project(folder / "pages", has_pages=True),
        empty_project(folder / "apps", has_pages=False),
    )
    return [*_checks(projects), *_memory(projects), *_sdks(projects[0])]


def _checks(projects: Sequence[Project]) -> list[Figure]:
    legs = [_check(project) for project in projects]
    for leg in legs:
        leg()  # compiles what was never compiled
    return _compare(CHECK, "s", interleave(CHECKS, *legs))


def _compare(name: str, unit: str, measured: Sequence[list[float]]) -> list[Figure]:
    full, pages, apps = measured
    values = " and ".join(f"{median(each):.3g}" for each in (full, pages))
    bare = f"{median(apps):.3g} {unit}, {median_ratio(full, apps):.2f} times"
    return [
        at_most(name, median_ratio(full, pages), "times", BOUND),
        shown("  the two", f"{values} {unit}"),
        shown("  apps listed, nothing of them used", bare),
    ]


def _check(project: Project) -> Callable[[], float]:
    def run() -> float:
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "manage.py", "check"],
            cwd=project.folder, env=project.environment, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return time.perf_counter() - started

    return run


def _memory(projects: Sequence[Project]) -> list[Figure]:
    return _compare(MEMORY, "MB", interleave(STARTS, *map(_weigh, projects)))


def _weigh(project: Project) -> Callable[[], float]:
    """Megabytes (PSS) of a gunicorn worker that has answered one request."""

    def run() -> float:
        arguments = (project.wsgi, "--workers", "1", "--threads", "8")
        with gunicorn(*arguments, folder=project.folder, env=project.environment) as web:
            answer = web.get(PAGE)
            if answer.status_code != 302:
                raise RuntimeError(f"{project.wsgi} answered {answer.status_code}.")
            (worker,) = web.workers()
            rollup = Path(f"/proc/{worker}/smaps_rollup").read_text()
        return int(rollup.partition("\nPss:")[2].split()[0]) / 1024

    return run


def _sdks(ours: Project) -> list[Figure]:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, *SDKS],
        cwd=ours.folder, env=ours.environment, check=True, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    at_start, after_health, codes = json.loads(done.stdout)
    if set(codes) != {200}:
        raise RuntimeError(f"The health requests were answered with {codes}.")
    installed = [name for name in SDKS if _is_installed(name)]
    return [
        exactly("provider SDKs loaded at start", len(at_start), "", 0),
        exactly("provider SDKs loaded after health requests", len(after_health), "", 0),
        shown(f"  installed here, of {len(SDKS)} looked for", ", ".join(installed) or "none"),
    ]


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # of a dotted name's first part
        return False


if __name__ == "__main__":
    run_alone(measure)
