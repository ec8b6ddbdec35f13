"""The stage of a run: settings, a database of its own, a log file, child processes."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import django

from benchmarks.figures import Figure, print_table
from benchmarks.values import FIELDS

if TYPE_CHECKING:
    from integrations.models import MpesaSettings

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def stage() -> Iterator[None]:
    """Django set up on a fresh, migrated database; all of it is gone afterwards."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    django.setup()
    from django.db import connection, connections

    folder = Path(os.environ["BENCH_FOLDER"])
    _log_to(folder / "bench.log")
    own_name = str(connection.settings_dict["NAME"])
    created = connection.creation.create_test_db(verbosity=0, autoclobber=True)
    os.environ.pop("DATABASE_URL_FILE", None)
    os.environ["DATABASE_URL"] = _address(created)
    try:
        yield
    finally:
        connections.close_all()
        connection.creation.destroy_test_db(own_name, verbosity=0)
        forget_shared()
        shutil.rmtree(folder, ignore_errors=True)


def _log_to(path: Path) -> None:
    """Write the log lines, filtered and formatted as ever, to a file instead of the terminal."""
    stream = path.open("a")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)


def _address(database: str) -> str:
    """DATABASE_URL of the run's own database, for child processes."""
    if urlsplit(os.environ["DATABASE_URL"]).scheme.startswith("sqlite"):
        return f"sqlite:///{database}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}").geturl()


def has_redis() -> bool:
    """Whether a Redis is configured; without one, its figures are left out."""
    return bool(os.environ.get("REDIS_URL"))


def forget_shared() -> None:
    """Empty the shared cache of this run's keys, and of nobody else's."""
    from django.core.cache import cache

    if has_redis():
        # django-redis's clear() would flush the whole Redis database.
        cache.delete_pattern("*")  # type: ignore[attr-defined]
    else:
        cache.clear()


def save_mpesa(**changes: Any) -> MpesaSettings:
    """The installation's M-Pesa row with every secret set, in place of any earlier one."""
    from integrations.models import MpesaSettings

    MpesaSettings.objects.all().delete()
    values = {
        **FIELDS,
        "initiator_password": "bench-initiator-password",
    }
    return MpesaSettings.objects.create(**{**values, **changes})


@contextmanager
def child(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process on this stage, its first line already read; ended afterwards."""
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def read_line(process: subprocess.Popen[str]) -> str:
    """The child's next line; RuntimeError where it ended instead."""
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise RuntimeError(f"The process {process.args!r} ended with code {process.wait()}.")
    return line.strip()


@contextmanager
def workers(count: int, *arguments: str) -> Iterator[list[int]]:
    """The process ids of workers that have started; their log lines go to the run's folder."""
    command = (sys.executable, "manage.py", "worker", "--skip-checks", *arguments)
    with (Path(os.environ["BENCH_FOLDER"]) / "workers.log").open("ab") as log:
        running = [
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
            for _ in range(count)
        ]
        try:
            for process in running:
                if process.stdout is None or not process.stdout.readline():
                    raise RuntimeError("A worker did not start.")
            yield [process.pid for process in running]
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(30)
                if process.stdout is not None:
                    process.stdout.close()


def run_alone(measure: Callable[[], list[Figure]]) -> None:
    """Run one script on a stage of its own and print its table."""
    with stage():
        describe_stack()
        figures = measure()
    print_table(figures)


def describe_stack() -> None:
    """Say what the run stands on."""
    from django.conf import settings
    from django.db import connection

    parts = [
        f"Python {sys.version.split()[0]}",
        f"Django {django.__version__}",
        f"{connection.vendor} {'.'.join(map(str, connection.get_database_version()))}",
        *_durability(),
        "Redis cache" if has_redis() else "LocMem cache (the Redis figures need REDIS_URL)",
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        f"stamp interval {settings.INTEGRATIONS_STAMP_SECONDS:g} s",
    ]
    print("; ".join(parts), flush=True)


def _durability() -> list[str]:
    """What the server was told about flushing; a commit that waits for no disk proves little."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
        flushes, waits = cursor.fetchone()
    return [f"fsync {flushes}, synchronous_commit {waits}"]
