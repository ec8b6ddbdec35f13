"""Fixtures of the chaos tests: installations that are stopped however a test ends."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from tests.chaos.installation import Installation
from tests.private_services import PrivatePostgres

Install = Callable[..., Installation]


@pytest.fixture
def alone() -> Iterator[None]:
    """One installation at a time on a PostgreSQL: two would use up its 100 connections."""
    if connection.vendor != "postgresql":
        yield
        return
    with (Path(tempfile.gettempdir()) / "bengoerp-chaos.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def install(
    alone: None, transactional_db: None, settings: Any, tmp_path: Path
) -> Iterator[Install]:
    """Makes an installation of a `kind`, with its settings, on this test's database."""
    made: list[Installation] = []

    def make(**options: Any) -> Installation:
        kind = options.pop("kind", Installation)
        installation: Installation = kind(tmp_path, **options)
        made.append(installation)
        settings.OUTBOUND_ALLOWED_HOSTS = [installation.sandbox.base_url.removeprefix("http://")]
        installation.configure()
        return installation

    yield make
    for installation in made:
        installation.stop()


@pytest.fixture
def on_own_postgres(
    transactional_db: None, request: pytest.FixtureRequest
) -> Iterator[PrivatePostgres]:
    """This process's database is a PostgreSQL of the test's own, migrated; then as before."""
    if connection.vendor != "postgresql":
        pytest.skip("this installation's database is not PostgreSQL")
    server: PrivatePostgres = request.getfixturevalue("own_postgres")
    usual = dict(connection.settings_dict)
    connection.close()
    own = {"HOST": "127.0.0.1", "PORT": str(server.port), "USER": "postgres", "NAME": "postgres"}
    connection.settings_dict.update(own, PASSWORD="")
    try:
        call_command("migrate", verbosity=0)
        yield server
    finally:
        connection.close()
        connection.settings_dict.update(usual)
