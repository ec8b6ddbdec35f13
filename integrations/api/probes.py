"""Probes of an orchestrator: is the process alive, can it do its work. No login, no secrets."""

from __future__ import annotations

import logging

from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from integrations.crypto import keyring
from integrations.exceptions import IntegrationError

logger = logging.getLogger(__name__)

# Applied migrations stay applied while this code runs, so they are looked at until they are.
_migrated_databases: set[str] = set()


@never_cache
@require_safe
def livez(_request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers; asks nothing else."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
@require_safe
def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when database, migrations and encryption key are usable; otherwise 503 and which."""
    checks = {"database": _check_database()}
    if checks["database"] == "ok":
        checks["migrations"] = _check_migrations()
        checks["encryption_key"] = _check_key()
    is_ready = all(word == "ok" for word in checks.values())
    return JsonResponse(
        {"status": "ready" if is_ready else "not ready", "checks": checks},
        status=200 if is_ready else 503,
    )


def _check_database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError as error:
        logger.error("readyz database=%s", type(error).__name__)
        connection.close_if_unusable_or_obsolete()
        return "does not answer"
    return "ok"


def _check_migrations() -> str:
    name = str(connection.settings_dict["NAME"])
    if name in _migrated_databases:
        return "ok"
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "can't be read"
    if plan:
        return "not applied"
    _migrated_databases.add(name)
    return "ok"


def _check_key() -> str:
    try:
        # The database may hold a second key above the environment's: this uses both.
        works = keyring.decrypt(keyring.encrypt("ready")) == "ready"
    except IntegrationError as error:
        logger.error("readyz encryption_key code=%s help=%s", error.code, error.help_url)
        return "not usable"
    return "ok" if works else "not usable"
