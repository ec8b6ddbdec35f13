"""Fixtures shared by all tests: a clean database, fresh caches, the sandbox, a public address."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.cache import cache
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import QuerySet
from django.test import SimpleTestCase, TestCase, TransactionTestCase
from django.utils import timezone
from hypothesis import settings as hypothesis_settings

from integrations import work
from integrations.config import clear_cache
from integrations.crypto import keyring
from integrations.models import DomainEvent, InboundCallback, MpesaSettings, Payment
from integrations.outbound import gate, recorder
from integrations.outbound.redis_link import RedisAway, link
from integrations.outbound.tokens import tokens
from tests.chromium import browser  # noqa: F401
from tests.hunt import stores
from tests.hunt.plants import PASSKEY, planted
from tests.hunt.plugin import (  # noqa: F401
    pytest_configure,
    pytest_runtest_makereport,
    pytest_sessionfinish,
    pytest_terminal_summary,
)
from tests.kra.fixtures import kra, kra_hosts, kra_row  # noqa: F401
from tests.kra.gava import portal, service  # noqa: F401
from tests.private_services import own_postgres, own_redis  # noqa: F401
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.fixtures import sandbox, sandbox_server  # noqa: F401

# A busy machine says nothing about the code.
hypothesis_settings.register_profile("house", deadline=None)
hypothesis_settings.load_profile("house")

PHONE = "0712345678"
CONSUMER_KEY, CONSUMER_SECRET = planted("consumer key"), planted("consumer secret")
TESTS = Path(__file__).parent
_KEPT = {"django_migrations", "django_content_type", "auth_permission"}


def wipe(self: object = None) -> None:
    """Empty the tables that hold rows: much quicker than flushing all of them."""
    connection = connections[DEFAULT_DB_ALIAS]
    filled = filled_tables()
    if not filled:
        return
    stores.note_rows(filled)
    deletes = [f"DELETE FROM {connection.ops.quote_name(name)}" for name in filled]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # One trip, in any order of keys. TRUNCATE makes new files for every table and index.
            unchecked = "SET LOCAL session_replication_role = replica"
            with transaction.atomic():
                cursor.execute("; ".join([unchecked, *deletes]))
        else:
            with connection.constraint_checks_disabled():
                for statement in deletes:
                    cursor.execute(statement)


def filled_tables() -> list[str]:
    """The tables of our models that hold rows."""
    connection = connections[DEFAULT_DB_ALIAS]
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    with connection.cursor() as cursor:
        existing = sorted((tables - _KEPT) & set(connection.introspection.table_names(cursor)))
        quoted = [(name, connection.ops.quote_name(name)) for name in existing]
        looks = [f"SELECT '{n}' WHERE EXISTS (SELECT 1 FROM {table})" for n, table in quoted]
        cursor.execute(" UNION ALL ".join(looks))
        return [name for (name,) in cursor.fetchall()]


# Of these every test runs on one stack; the other one needn't even read them, which takes long.
collect_ignore = (
    ["api/test_schema_conformance.py", "docs/test_troubleshooting.py", "docs/test_blocks.py"]
    if os.environ.get("CI_STACK") == "full"
    else []
)

# Where a cache or a broker is met without a database too.
_SHARED = ("chaos", "config", "contract", "crypto", "forking", "outbound", "providers", "work")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks no database shows nothing new on a second stack."""
    for item in items:
        asks = {"db", "transactional_db"} & set(getattr(item, "fixturenames", ()))
        asks |= {mark.name for mark in item.iter_markers("django_db")}
        is_case = issubclass(getattr(item, "cls", None) or object, SimpleTestCase)
        is_shared = item.path.relative_to(TESTS).parts[0] in _SHARED
        if not (asks or is_case or is_shared):
            item.add_marker("stackless")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the run's folder, once, when all test processes are done."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["TEST_DB_DIR"], ignore_errors=True)


# Every test with real commits cleans only what it touched.
TransactionTestCase._fixture_teardown = wipe  # type: ignore[method-assign, assignment]
_roll_back = TestCase._fixture_teardown


def note_and_roll_back(self: TestCase) -> None:
    """What a test wrote is searched for secrets, also where it is rolled back."""
    stores.note_open_transaction(filled_tables)
    _roll_back(self)


TestCase._fixture_teardown = note_and_roll_back  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The test database, whose file is searched for secrets before it is removed."""
    yield
    with django_db_blocker.unblock():
        stores.note_database_file()


@pytest.fixture(autouse=True)
def fresh_process() -> Iterator[None]:
    """No test inherits what another one left in memory."""
    _forget()
    yield
    stores.note_cache()
    stores.note_mails()
    _forget()


def _forget() -> None:
    clear_cache()
    keyring.forget()
    tokens.forget()
    gate.local.forget()
    recorder.discard_pending()
    clear_shared()


def clear_shared() -> None:
    """Our own keys only: on Redis, `clear` would empty the other test processes' too."""
    by_pattern = getattr(cache, "delete_pattern", None)
    if by_pattern is None:
        cache.clear()
    else:
        by_pattern("*")
    link.forget()
    with suppress(RedisAway):
        for name in list(link.scan(link.key("*"))):
            link.ask("DEL", name)


@pytest.fixture
def public_url(transactional_db: None, live_server: Any, settings: Any) -> str:
    """The address of this process's web server, set as PUBLIC_BASE_URL."""
    settings.PUBLIC_BASE_URL = live_server.url.replace("localhost", "127.0.0.1")
    return str(settings.PUBLIC_BASE_URL)


@pytest.fixture
def mpesa(public_url: str, sandbox: SandboxDriver, settings: Any) -> MpesaSettings:  # noqa: F811
    """M-Pesa settings of the installation, pointing at the sandbox."""
    settings.OUTBOUND_ALLOWED_HOSTS = [sandbox.base_url.removeprefix("http://")]
    return MpesaSettings.objects.create(**mpesa_values(sandbox))


def mpesa_values(sandbox: SandboxDriver, **changes: Any) -> dict[str, Any]:  # noqa: F811
    """Values of a settings row that works with the sandbox."""
    return {
        "consumer_key": CONSUMER_KEY,
        "consumer_secret": CONSUMER_SECRET,
        "passkey": PASSKEY,
        "initiator_password": planted("initiator password"),
        "security_credential": planted("security credential"),
        "short_code": "174379",
        "sandbox_url": sandbox.daraja_url,
        "callback_sources": "127.0.0.1 ::1",
        "requests_per_second": 1000,
        **changes,
    }


PAYING_CODE = "600999"


def paying_values(sandbox: SandboxDriver, **changes: Any) -> dict[str, Any]:  # noqa: F811
    """Values of a settings row that pays out and reverses; nobody has to approve.

    The sandbox is told the password of its initiator.
    """
    password = planted("initiator password")
    sandbox.initiator(PAYING_CODE, name="testapi", password=password)
    return mpesa_values(
        sandbox,
        **{
            "short_code": PAYING_CODE,
            "initiator_name": "testapi",
            "initiator_password": password,
            "security_credential": "",
            "certificate": sandbox.certificate(),
            "approve_above": None,
            **changes,
        },
    )


@pytest.fixture
def paying(public_url: str, sandbox: SandboxDriver, settings: Any) -> MpesaSettings:  # noqa: F811
    """M-Pesa settings of the installation by which money can go out, pointing at the sandbox."""
    settings.OUTBOUND_ALLOWED_HOSTS = [sandbox.base_url.removeprefix("http://")]
    return MpesaSettings.objects.create(**paying_values(sandbox))


def run_work(*names: str) -> None:
    """Do what is due now, in this thread, until nothing is."""
    for name in names or [queue.name for queue in work.queues()]:
        work.drain(name, budget_seconds=10)


@pytest.fixture
def settle(sandbox: SandboxDriver) -> Callable[[], None]:  # noqa: F811
    """Wait for the sandbox's callbacks, then work on them."""

    def run() -> None:
        sandbox.settle()
        run_work("callbacks")
        run_work("events")

    return run


def domain_events() -> QuerySet[DomainEvent]:
    """What was told of besides settings, which fixtures make."""
    return DomainEvent.objects.exclude(event_type__startswith="settings.").order_by("pk")


def make_due(payment: Payment) -> None:
    """Let the payment's next look, or its lease, be now."""
    Payment.objects.filter(pk=payment.pk).update(
        next_attempt_at=timezone.now() - timedelta(hours=1)
    )


def wait_until(happens: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What `happens` returns once it is true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = happens()
        if answer:
            return answer
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


def callbacks_stored(count: int = 1) -> bool:
    return InboundCallback.objects.count() >= count


def wait_for_lock() -> None:
    """Until another connection waits for a row that this one has locked."""
    ours = "pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    blocked = f"SELECT 1 FROM pg_locks WHERE NOT granted AND {ours}"

    def is_waited_for() -> bool:
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute(blocked)
            return cursor.fetchone() is not None

    assert wait_until(is_waited_for)
