"""The leak hunt finds what it is there for: a leak on purpose in each channel, named."""

from __future__ import annotations

import base64
import html
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from celery.signals import task_failure
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from kombu import Connection
from prometheus_client import REGISTRY

from integrations import metrics
from integrations.api.metrics import metrics as metrics_page
from integrations.crypto import encrypt_text, keyring
from integrations.tasks import run_queue
from tests.hunt import stores
from tests.hunt.collectors import SpoolHandler
from tests.hunt.plants import PASSKEY, PLANTS, planted
from tests.hunt.search import Finding, hunt, secrets_in
from tests.hunt.spool import spool
from tests.processes import ROOT

SECRET = planted("consumer secret")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """What leaks in the test itself is kept where the run's own search does not look."""
    with spool.redirected(tmp_path):
        yield tmp_path


@pytest.fixture
def found(elsewhere: Path) -> Callable[[], list[Finding]]:
    """What a search finds now."""
    return lambda: hunt(elsewhere).findings


# --- channels -------------------------------------------------------------------------------


def leak_by_log() -> None:
    logging.getLogger("shop.till").debug("the till said %s", SECRET)


def leak_by_traceback() -> None:
    try:
        raise RuntimeError(SECRET)
    except RuntimeError:
        logging.getLogger("shop.till").exception("the till failed")


def answer_with(request: HttpRequest, what: str) -> HttpResponse:
    if what == "failure":
        raise RuntimeError(f"refused {SECRET}")
    headers = {"X-Debug": SECRET} if what == "header" else {}
    return HttpResponse(SECRET if what == "body" else "fine", headers=headers)


urlpatterns = [
    path("admin/<str:what>/", answer_with),
    path("api/<str:what>/", answer_with),
    path("metrics", metrics_page),
]


def leak_by_answer(address: str) -> Callable[[], None]:
    return lambda: Client(raise_request_exception=False).get(address) and None


def leak_by_metric() -> None:
    count = metrics.Count("tests_leak", "For this test alone.", "who")
    count.add(SECRET)
    try:
        with override_settings(METRICS_ALLOWED_NETWORKS=["127.0.0.1"]):
            assert Client().get("/metrics").status_code == 200
    finally:
        REGISTRY.unregister(count.family)


def leak_by_task() -> None:
    # To a queue of this process that nobody reads.
    with Connection("memory://") as nowhere:
        run_queue.apply_async((SECRET,), connection=nowhere, queue="hunt")


def leak_by_failed_task() -> None:
    task_failure.send(sender="integrations.run_queue", einfo=f"Traceback: {SECRET}")


def leak_by_expected_error() -> None:
    with pytest.raises(ValueError, match="refused"):
        try:
            raise KeyError(SECRET)
        except KeyError:
            raise ValueError("refused") from None


def leak_by_child() -> None:
    code = f"import sys; print('fine'); print({SECRET!r}, file=sys.stderr)"
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def leak_by_mail() -> None:
    mail.send_mail("Settings", f"The key is {SECRET}", "erp@example.ke", ["boss@example.ke"])
    stores.note_mails()
    mail.outbox.clear()


def leak_by_cache() -> None:
    cache.set("settings", {"consumer_secret": SECRET})
    stores.note_cache()
    cache.delete("settings")


def leak_by_database() -> None:
    # A deleted row would stay in the file of the database, where the run's search finds it.
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE leak (note text)")
        cursor.execute("INSERT INTO leak VALUES (%s)", [SECRET])
        stores.note_rows(["leak"])
        cursor.execute("DROP TABLE leak")


CHANNELS: dict[str, tuple[Callable[[], None], str]] = {
    "log": (leak_by_log, "log (shop.till)"),
    "traceback": (leak_by_traceback, "log (shop.till)"),
    "admin page": (leak_by_answer("/admin/body/"), "admin page (admin/<str:what>/)"),
    "API answer": (leak_by_answer("/api/body/"), "HTTP answer (api/<str:what>/)"),
    "response header": (leak_by_answer("/api/header/"), "HTTP answer (api/<str:what>/)"),
    "metrics": (leak_by_metric, "HTTP answer (metrics)"),
    "error report": (leak_by_answer("/api/failure/"), "error report (api/<str:what>/)"),
    "task": (leak_by_task, "task payload (integrations.run_queue)"),
    "failed task": (leak_by_failed_task, "error report (integrations.run_queue)"),
    "expected error": (leak_by_expected_error, "exception (ValueError)"),
    "child process": (leak_by_child, "output of a child process"),
    "mail": (leak_by_mail, "mail (Settings)"),
    "cache": (leak_by_cache, "cache ("),
    "database": (leak_by_database, "database (leak)"),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_a_leak_is_found_and_named_and_its_value_is_not(
    transactional_db: None, settings: Any, found: Callable[[], list[Finding]], name: str
) -> None:
    settings.ROOT_URLCONF = __name__
    leak, place = CHANNELS[name]
    assert found() == []
    leak()
    told = [str(finding) for finding in found()]
    assert any(
        line.startswith(place) and "the consumer secret" in line and "test_hunt.py::" in line
        for line in told
    ), told
    assert not list(secrets_in("\n".join(told).encode()))


def test_the_log_is_searched_behind_the_products_own_filter(
    elsewhere: Path, found: Callable[[], list[Finding]]
) -> None:
    """A known form is no leak with the product's filter or its formatter; it is without both."""
    (handler,) = [each for each in logging.root.handlers if isinstance(each, SpoolHandler)]
    logger = logging.getLogger("shop.till")
    logger.info("password=%s", SECRET)
    assert found() == []
    filters, formatter = handler._filters, handler.formatter
    try:
        handler._filters = []
        logger.info("password=%s", SECRET)
        assert found() == []
        handler.setFormatter(None)
        logger.info("password=%s", SECRET)
    finally:
        handler._filters = filters
        handler.setFormatter(formatter)
    assert [finding.kind for finding in found()] == ["consumer secret"]


# --- encodings ------------------------------------------------------------------------------

ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "URL": quote,
    "URL, inside a query": lambda text: f"?key=%26{quote_plus(f'<{text}> & é')}",
    "JSON": lambda text: json.dumps({"é": f'"{text}"\n'}),
    "JSON inside JSON": lambda text: json.dumps(json.dumps({"key": text})),
    "HTML": lambda text: html.escape(f"<'{text}'>"),
    "repr": lambda text: repr({"key": text.encode()}),
    "hexadecimal": lambda text: text.encode().hex(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, after one letter": lambda text: base64.b64encode(f"x{text}".encode()).decode(),
    "base64, after two": lambda text: base64.b64encode(f"xy{text}".encode()).decode(),
    "Basic": lambda text: base64.b64encode(f"somebody:{text}".encode()).decode(),
    "cut off in front": lambda text: text[20:],
    "cut off behind": lambda text: text[:20],
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_planted_secret_is_found_in_every_encoding(name: str) -> None:
    for kind, secret in PLANTS.items():
        text = ENCODINGS[name](secret).encode()
        hits = {found for _, found, _ in secrets_in(b"before " + text + b" after")}
        cut = name.startswith("cut off")
        assert hits == {"part of a planted secret" if cut else kind}


def test_the_published_passkey_is_found_in_the_password_made_of_it() -> None:
    for short_code in ("174379", "60011", "5310080"):
        password = base64.b64encode(f"{short_code}{PASSKEY}20260114093005".encode())
        assert {kind for _, kind, _ in secrets_in(password)} == {"published passkey"}


def test_learned_secrets_and_ciphertext_are_found(
    db: None,
    found: Callable[[], list[Finding]],
) -> None:
    path_secret, access_token = "0f" * 16, "Zx" * 14
    spool.learn("secret of a callback path", path_secret)
    spool.learn("access token", access_token)
    keyring.forget()
    for text in (f"/cb/stk/{path_secret}/", f"Bearer {access_token}.", encrypt_text("x")):
        spool.note("HTTP answer", text)
        spool.note("database", text)
    kinds = [(finding.channel, finding.kind) for finding in found()]
    assert sorted(kinds) == [
        ("HTTP answer", "access token"),
        ("HTTP answer", "ciphertext of a secret"),
        ("HTTP answer", "secret of a callback path"),
        ("database", "access token"),
        ("database", "secret of a callback path"),
    ]


def test_a_secret_in_the_name_of_a_test_is_no_leak_and_is_not_told(
    found: Callable[[], list[Finding]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_CURRENT_TEST", f"tests/test_x.py::test_y[{SECRET}] (call)")
    spool.note("log", "nothing", where=f"/path/{SECRET}/")
    assert found() == []
    spool.note("log", SECRET, where=f"/path/{SECRET}/")
    (told,) = [str(finding) for finding in found()]
    assert told == (
        "log (/path/[secret]/): the consumer secret, as it is; "
        "nearest test tests/test_x.py::test_y[[secret]]"
    )


def test_what_is_no_secret_is_not_found(found: Callable[[], list[Finding]]) -> None:
    spool.note("log", f"payment {'0f' * 16} digest {'ab' * 32} short code 174379 gAAAAA")
    assert found() == []


# --- the whole run --------------------------------------------------------------------------

INNER = """
import logging
from tests.hunt.plants import planted

def test_that_passes():
    logging.getLogger("shop").info("no word of anything")

def test_that_leaks():
    logging.getLogger("shop").info("it is " + planted("passkey"))
"""


def test_a_run_fails_for_a_leak_although_its_tests_pass(tmp_path: Path) -> None:
    """Also where the leak was in a worker's process, and the search is in the main one."""
    (tmp_path / "test_inner.py").write_text(INNER)
    # The outer run's own names for itself must not reach the inner one.
    outer = ("PYTEST", "LEAK_HUNT")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(outer)}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.hunt.plugin", "-p", "no:cacheprovider",
         "-c", os.devnull, "--rootdir", str(tmp_path), "--ds", "tests.settings", "-n", "1",
         str(tmp_path)],
        cwd=ROOT, env={**environment, "TEST_DB_DIR": str(tmp_path)},
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    told = done.stdout
    assert "2 passed" in told, told + done.stderr
    assert done.returncode == 1, told
    assert (
        "LEAK log (shop): the passkey, as it is; nearest test test_inner.py::test_that_leaks"
    ) in told
