"""`/livez` and `/readyz`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from integrations.api.probes import _migrated_databases
from integrations.crypto import keyring
from integrations.models import AppSettings
from tests.hunt.plants import planted


@pytest.fixture(autouse=True)
def _not_looked_at_yet() -> Iterator[None]:
    _migrated_databases.clear()
    yield
    _migrated_databases.clear()


def test_livez_asks_nothing() -> None:
    # No database fixture: a query would be an error here.
    response = Client().get("/livez")
    assert (response.status_code, response.content) == (200, b"ok")
    assert "no-store" in response["Cache-Control"]
    assert Client().post("/livez").status_code == 405


def test_readyz_says_what_is_ready(db: None) -> None:
    response = Client().get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "checks": {"database": "ok", "migrations": "ok", "encryption_key": "ok"},
    }
    assert "no-store" in response["Cache-Control"]


def test_readyz_is_cheap_once_migrations_were_seen(
    db: None, django_assert_max_num_queries: Any
) -> None:
    Client().get("/readyz")
    with django_assert_max_num_queries(3):
        assert Client().get("/readyz").status_code == 200


def test_readyz_refuses_while_migrations_wait(db: None, settings: Any) -> None:
    settings.MIGRATION_MODULES = {}
    recorder = MigrationRecorder(connection)
    if recorder.has_table():  # It is not there when the tests run without migrations.
        recorder.migration_qs.filter(app="integrations").delete()
    response = Client().get("/readyz")
    assert response.status_code == 503
    assert response.json()["status"] == "not ready"
    assert response.json()["checks"]["migrations"] == "not applied"


@pytest.mark.parametrize("key", ["", "no-fernet-key"])
def test_readyz_refuses_without_a_usable_key(db: None, settings: Any, key: str) -> None:
    settings.CYPHER_KEY = key
    keyring.forget()
    response = Client().get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["encryption_key"] == "not usable"
    assert "no-fernet-key" not in response.content.decode()


def test_readyz_refuses_a_database_key_of_another_environment(db: None, settings: Any) -> None:
    AppSettings.objects.create(cypher_key=planted("database key"))
    settings.CYPHER_KEY = Fernet.generate_key().decode()
    keyring.forget()
    assert Client().get("/readyz").json()["checks"]["encryption_key"] == "not usable"


def test_readyz_refuses_while_the_database_is_away(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.close()
    with monkeypatch.context() as away:
        # A folder that is no folder, a port where nobody listens.
        away.setitem(connection.settings_dict, "NAME", "/dev/null/away.sqlite3")
        away.setitem(connection.settings_dict, "PORT", 1)
        response = Client().get("/readyz")
    connection.close()
    assert response.status_code == 503
    assert response.json() == {
        "status": "not ready",
        "checks": {"database": "does not answer"},
    }
    assert Client().get("/readyz").status_code == 200
