"""No plaintext secret in the database, the cache, logs, error pages, or the process's answers."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
import re
import traceback
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import include, path
from django.views.debug import get_exception_reporter_class

from integrations.config import get_snapshot
from integrations.crypto import keyring
from integrations.crypto.masking import RedactingFilter
from integrations.models import AppSettings, InboundCallback, MpesaSettings, Payment
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import CONSUMER_KEY, CONSUMER_SECRET, PHONE
from tests.hunt.plants import PASSKEY, PLANTS, planted

pytestmark = pytest.mark.django_db(transaction=True)
SECRETS = (CONSUMER_KEY, CONSUMER_SECRET, PASSKEY)


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """What the product's handler would write, from every logger, at the lowest level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    level = logging.root.level
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)
    yield stream
    logging.root.removeHandler(handler)
    logging.root.setLevel(level)


@pytest.fixture
def paid(mpesa: MpesaSettings, settle: Any, everything_logged: io.StringIO) -> dict[str, Any]:
    """A push that was paid, with everything that it left behind."""
    ok, message, data = MpesaPaymentService.initiate_stk_push(PHONE, Decimal(10), "INV001", "Test")
    assert ok, message
    settle()
    assert Payment.objects.get().state == "succeeded"
    return data


def whole_database() -> bytes:
    if connection.vendor == "sqlite":
        name = Path(str(connection.settings_dict["NAME"]))
        files = [name, *name.parent.glob(f"{name.name}-*")]
        return b"".join(file.read_bytes() for file in files)
    text = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT row_to_json(t)::text FROM {connection.ops.quote_name(table)} t")
            text += [found[0] for found in cursor.fetchall()]
    return "\n".join(text).encode()


def whole_cache() -> str:
    backend: Any = caches["default"]
    if isinstance(backend, LocMemCache):
        return str({key: pickle.loads(value) for key, value in backend._cache.items()})
    raw = backend.client.get_client()
    return str({key: (raw.get(key) if raw.type(key) == b"string" else "") for key in raw.keys("*")})


def test_a_payment_leaves_no_plaintext_in_the_database(paid, sandbox):
    found = whole_database()
    assert b"gAAAAA" in found and b"INV001" in found
    for secret in SECRETS:
        assert secret.encode() not in found
    for row in InboundCallback.objects.all():
        assert "MpesaReceiptNumber" in row.body.reveal()
    assert b"MpesaReceiptNumber" not in found


def test_a_payment_leaves_no_plaintext_in_the_cache(paid):
    found = whole_cache()
    assert "integrations.config" in found
    for secret in SECRETS:
        assert secret not in found


def test_a_payment_leaves_no_secret_and_no_callback_path_in_the_log(paid, everything_logged):
    found = everything_logged.getvalue()
    assert found
    for secret in SECRETS:
        assert secret not in found
    assert "gAAAAA" not in found


def test_an_answer_to_the_caller_holds_no_secret(paid):
    for secret in SECRETS:
        assert secret not in str(paid)


def test_settings_and_snapshots_hold_no_plaintext_when_they_are_carried_about(mpesa):
    row = MpesaSettings.objects.get()
    snapshot = get_snapshot("mpesa")
    assert snapshot.text("passkey") == PASSKEY == row.passkey.reveal()
    for thing in (row, snapshot, row.passkey):
        shown = [
            repr(thing), str(thing), pickle.dumps(thing).decode("latin-1"),
            pickle.dumps(copy.deepcopy(thing)).decode("latin-1"),
        ]  # fmt: skip
        for text in shown:
            assert not any(secret in text for secret in SECRETS)
    with pytest.raises(TypeError):
        json.dumps(row.config_values())


def test_errors_about_secrets_carry_nothing_of_them(mpesa, settings):
    row = MpesaSettings.objects.get()
    settings.CYPHER_KEY = Fernet.generate_key().decode()
    keyring.forget()
    try:
        row.passkey.reveal()
    except Exception as error:
        told = "".join(traceback.format_exception(error)) + repr(error) + str(error.args)
    assert PASSKEY not in told and row.passkey.token not in told
    assert settings.CYPHER_KEY not in told


@pytest.mark.parametrize("bad", ["\ud800hush-hush", b"hush-hush", ["hush-hush"]])
def test_errors_about_typed_secrets_carry_nothing_of_them(db, bad):
    with pytest.raises(Exception) as caught:
        MpesaSettings(passkey=bad)
    chain = "".join(traceback.format_exception(caught.value))
    assert "hush-hush" not in repr(caught.value) + str(caught.value.__context__)
    assert chain.count("hush-hush") == 0


# --- error pages ----------------------------------------------------------------------------


def broken(request: HttpRequest, token: str = "") -> HttpResponse:
    """Fails with a revealed secret in a local variable, and in the error's own text."""
    config = get_snapshot("mpesa").as_dict()
    passkey = config["passkey"]
    key = keyring.encrypt(passkey)
    raise RuntimeError(f"refused passkey={passkey!r} {key} for {request.path}")


urlpatterns = [
    path("broken/", broken),
    path("cb/stk/<str:token>/", broken),
    path("hub/", include("integrations.urls")),
]


def page(client: Client, address: str, **extra: Any) -> str:
    client.raise_request_exception = False
    answer = client.post(
        address, {"passkey": planted("posted secret"), "x": "posted-value"}, **extra
    )
    assert answer.status_code == 500
    return answer.content.decode()


@pytest.mark.parametrize("is_debug", [True, False])
def test_an_error_page_shows_no_secret(mpesa, client, settings, is_debug):
    AppSettings.objects.create(cypher_key=planted("database key"))
    settings.ROOT_URLCONF, settings.DEBUG = __name__, is_debug
    settings.CELERY_BROKER_URL = f"amqp://guest:{planted('broker password')}@127.0.0.1//"
    settings.REDIS_URL = f"redis://:{planted('Redis password')}@127.0.0.1/0"
    found = page(
        client, "/broken/",
        HTTP_AUTHORIZATION=f"Bearer {planted('header secret')}",
        MPESA_SECURITY_CREDENTIAL=planted("security credential"),
        DATABASE_URL=f"postgres://u:{planted('database password')}@h/d",
    )  # fmt: skip
    assert ("RuntimeError" in found) is is_debug
    for secret in (*PLANTS.values(), PASSKEY, "posted-value", "gAAAAA"):
        assert secret not in found, secret


@pytest.mark.parametrize("is_debug", [True, False])
def test_an_error_page_shows_no_callback_path(mpesa, client, settings, is_debug):
    settings.ROOT_URLCONF, settings.DEBUG = __name__, is_debug
    token = "0123456789abcdef" * 2
    assert token not in page(client, f"/cb/stk/{token}/")


def test_an_error_mail_shows_no_secret_and_no_callback_path(mpesa, settings):
    token = "0123456789abcdef" * 2
    request = RequestFactory().post(f"/cb/stk/{token}/", {"passkey": planted("posted secret")})
    request.META["MPESA_SECURITY_CREDENTIAL"] = planted("security credential")
    try:
        broken(request)
    except RuntimeError as error:
        raised = error
    reporter = get_exception_reporter_class(request)(
        request, type(raised), raised, raised.__traceback__, is_email=True
    )
    for text in (reporter.get_traceback_text(), reporter.get_traceback_html()):
        assert "RuntimeError" in text
        for secret in (*PLANTS.values(), PASSKEY, token, "gAAAAA"):
            assert secret not in text


@override_settings(ROOT_URLCONF=__name__, DEBUG=False)
def test_a_refused_callback_is_logged_without_its_path(client, mpesa, everything_logged):
    token = "0123456789abcdef" * 2
    answer = client.post(f"/hub/cb/stk/{token}/", b"{}", content_type="application/json")
    assert answer.status_code in (400, 401, 404)
    found = everything_logged.getvalue()
    assert "refused" in found or "Unauthorized" in found
    assert token not in found
    assert token.encode() not in whole_database()


def test_a_callback_path_is_stored_as_a_digest_only(paid, sandbox, everything_logged):
    paths = re.findall(r"/cb/[\w-]+/([0-9a-f]{32})", str(sandbox.book()))
    assert paths
    for token in paths:
        assert token.encode() not in whole_database()
        assert token not in whole_cache()
        assert token not in everything_logged.getvalue()
