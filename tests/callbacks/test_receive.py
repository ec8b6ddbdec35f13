"""The callback endpoint over real HTTP: what is stored, what is answered, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations.callbacks import receive
from integrations.crypto import keyring
from integrations.models import InboundCallback, MpesaSettings, Payment
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import run_work
from tests.payments.letters import paid, post, silent_prompt
from tests.sandbox.driver import SandboxDriver

push = MpesaPaymentService.initiate_stk_push


@pytest.fixture
def prompt(mpesa: MpesaSettings, sandbox: SandboxDriver) -> dict[str, Any]:
    """A paid prompt whose callback has not come."""
    return silent_prompt(sandbox, push)


@pytest.fixture
def url(prompt: dict[str, Any]) -> str:
    return str(prompt["callback_url"])


def send(url: str, body: bytes, **headers: str) -> requests.Response:
    return requests.post(
        url, data=body, headers={"Content-Type": "application/json", **headers}, timeout=10
    )


def test_a_callback_is_stored_raw_and_acknowledged_before_it_is_worked_on(
    prompt: dict[str, Any],
) -> None:
    response = post(prompt, paid(prompt), Businessshortcode="174379", Cookie="session=1")
    assert response.status_code == 200
    assert response.json() == {"ResultCode": 0, "ResultDesc": "Accepted"}
    row = InboundCallback.objects.get()
    assert (row.status, row.doubts, row.source) == ("stored", [], "127.0.0.1")
    assert json.loads(row.raw_body()) == {"Body": {"stkCallback": paid(prompt)}}
    assert row.headers["Businessshortcode"] == "174379"
    assert "Cookie" not in row.headers
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM integrations_inboundcallback")
        (stored,) = cursor.fetchone()
    assert "712345678" not in stored
    assert stored.startswith("gAAAAA")
    assert Payment.objects.get().state == "pending"
    run_work("callbacks")
    assert Payment.objects.get().state == "succeeded"


@pytest.mark.parametrize("business", ["", "duka"])
def test_a_callback_is_of_its_payments_business(url: str, business: str) -> None:
    Payment.objects.update(business=business)
    MpesaSettings.objects.update(business=business)
    assert send(url, b"{}").status_code == 200
    assert send(url, b"no JSON").status_code == 400
    assert [row.business for row in InboundCallback.objects.all()] == [business, business]


def test_a_callback_to_no_payments_address_is_of_nobody(url: str) -> None:
    assert send(url[:-3] + "xyz", b"{}").status_code == 401
    row = InboundCallback.objects.get()
    assert (row.status, row.business) == ("quarantined", None)


def test_an_upgrade_tells_stored_callbacks_whose_they_are(db: None) -> None:
    values = {"provider": "mpesa", "product": "stk_push", "environment": "sandbox", "amount": 1}
    for business in ("", "duka"):
        digest = business.rjust(64, "0")
        Payment.objects.create(**values, business=business, callback_digest=digest)
        InboundCallback.objects.create(route="stk", token_digest=digest)
    InboundCallback.objects.create(route="stk", token_digest="f" * 64)
    InboundCallback.objects.create(route="stk")
    Payment.objects.create(**values)
    upgrade = import_module("integrations.migrations.0003_house")
    upgrade.name_businesses(apps, connection.schema_editor())
    found = InboundCallback.objects.order_by("pk").values_list("business", flat=True)
    assert list(found) == ["", "duka", None, None]


def test_an_answer_waits_for_one_lookup_and_one_insert(
    prompt: dict[str, Any], url: str, mpesa: MpesaSettings
) -> None:
    body = json.dumps({"Body": {"stkCallback": paid(prompt)}})
    with CaptureQueriesContext(connection) as queries:
        answer = Client().post(urlsplit(url).path, body, content_type="application/json")
    assert answer.status_code == 200
    # The settings' stamp is read once a second, whatever comes in.
    tables = ("integrations_payment", "integrations_inboundcallback")
    told = [sql for sql in (query["sql"] for query in queries) if any(t in sql for t in tables)]
    assert [sql.split()[0] for sql in told] == ["SELECT", "INSERT"]
    assert "BEGIN" not in " ".join(query["sql"] for query in queries)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"a":NaN}',
        b'{"a":1e9999999999999999999}',
        b"<html></html>",
    ],
)
def test_a_malformed_body_is_refused_kept_and_asked_about(
    url: str, sandbox: SandboxDriver, body: bytes
) -> None:
    response = send(url, body)
    assert response.status_code == 400
    assert "error" in response.json()
    row = InboundCallback.objects.get()
    assert (row.status, row.raw_body(), len(row.doubts)) == ("stored", body, 1)
    run_work("callbacks")
    row.refresh_from_db()
    payment = Payment.objects.get()
    assert (row.status, row.reference) == ("quarantined", str(payment.public_id))
    assert (payment.state, payment.receipt) == ("pending", None)
    run_work("payments")
    assert sandbox.counters()["stk_query"] == 1
    assert Payment.objects.get().state == "succeeded"


def test_malformed_bodies_at_a_payment_s_address_have_no_cap(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "REFUSED_PER_HOUR", 2)
    assert [send(url, b"{").status_code for _ in range(4)] == [400] * 4
    assert InboundCallback.objects.filter(status="stored").count() == 4


def test_a_body_in_latin_1_is_read(prompt: dict[str, Any]) -> None:
    letter = {**paid(prompt), "ResultDesc": "Re\u00e7u"}
    body = json.dumps({"Body": {"stkCallback": letter}}, ensure_ascii=False).encode("latin-1")
    assert send(prompt["callback_url"], body).status_code == 200
    run_work("callbacks")
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("succeeded", prompt["receipt"])
    assert InboundCallback.objects.get().status == "processed"


def test_an_address_without_its_last_slash_works(prompt: dict[str, Any]) -> None:
    bare = {**prompt, "callback_url": prompt["callback_url"].rstrip("/")}
    assert post(bare, paid(prompt)).status_code == 200
    run_work("callbacks")
    assert Payment.objects.get().state == "succeeded"


def test_callback_addresses_are_not_redirected_to_https(
    prompt: dict[str, Any], settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    path = "/" + prompt["callback_url"].split("/", 3)[3]
    body = {"Body": {"stkCallback": paid(prompt)}}
    for address in (path, path.rstrip("/")):
        answer = Client().post(address, body, content_type="application/json")
        assert answer.status_code == 200
    assert Client().get("/api/v1/integrations/health/").status_code == 301
    run_work("callbacks")
    assert Payment.objects.get().state == "succeeded"


@pytest.mark.parametrize("body", [b"{}", b'{"Body":{}}', b'{"Body":{"stkCallback":{}}}'])
def test_an_object_that_is_no_result_is_acknowledged_and_quarantined(url: str, body: bytes) -> None:
    assert send(url, body).status_code == 200
    run_work("callbacks")
    row = InboundCallback.objects.get()
    assert row.status == "quarantined"
    assert row.reason
    assert row.reference == str(Payment.objects.get().public_id)
    run_work("payments")
    assert Payment.objects.get().state == "succeeded"  # the provider was asked, and its word counts


def test_an_unknown_address_is_refused_and_kept_for_people(
    prompt: dict[str, Any], public_url: str
) -> None:
    forged = {**prompt, "callback_url": f"{public_url}/api/v1/integrations/cb/stk/{'0' * 32}/"}
    assert post(forged, paid(prompt)).status_code == 401
    row = InboundCallback.objects.get()
    assert (row.status, row.work_state) == ("quarantined", "idle")
    run_work("callbacks")
    assert Payment.objects.get().state == "pending"


def test_a_forger_without_the_secret_fills_no_disk(
    prompt: dict[str, Any], public_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receive, "REFUSED_PER_HOUR", 3)
    unknown = f"{public_url}/api/v1/integrations/cb/stk/nobody/"
    body = b'{"a":"' + b"x" * 20_000 + b'"}'
    assert [send(unknown, body).status_code for _ in range(5)] == [401] * 5
    assert InboundCallback.objects.count() == 3
    row = InboundCallback.objects.first()
    assert row.body_bytes == len(body)
    assert len(row.raw_body()) == receive.KEPT_OF_STRANGERS
    # Real callbacks are stored all the same.
    assert post(prompt, paid(prompt)).status_code == 200
    assert InboundCallback.objects.filter(status="stored").count() == 1


def test_unknown_routes_are_not_found(public_url: str) -> None:
    assert send(f"{public_url}/api/v1/integrations/cb/nothing/x/", b"{}").status_code == 404


@pytest.mark.parametrize("size", [65_536, 65_537, 300_000])
def test_a_body_has_a_limit(url: str, size: int) -> None:
    body = b'{"a":"' + b"x" * (size - 8) + b'"}'
    response = send(url, body)
    assert response.status_code == (200 if size <= 65_536 else 413)
    assert InboundCallback.objects.count() == (1 if size <= 65_536 else 0)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_not_allowed(url: str, method: str) -> None:
    response = requests.request(method, url, timeout=5)
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    assert InboundCallback.objects.count() == 0


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_probes_get_an_empty_yes_for_any_address(url: str, public_url: str, method: str) -> None:
    for address in (url, f"{public_url}/api/v1/integrations/cb/stk/nobody/"):
        response = requests.request(method, address, timeout=5)
        assert (response.status_code, response.content) == (200, b"")
    assert InboundCallback.objects.count() == 0


@contextmanager
def storing_fails() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE integrations_inboundcallback RENAME TO hidden_table")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE hidden_table RENAME TO integrations_inboundcallback")


@pytest.mark.parametrize("body", [b'{"Body":{}}', b"{"])
def test_what_cannot_be_stored_is_not_acknowledged(url: str, body: bytes) -> None:
    with storing_fails():
        response = send(url, body)
    assert response.status_code == 503
    assert response.json() == {"error": "can't be stored now"}
    assert InboundCallback.objects.count() == 0
    assert send(url, b"{}").status_code == 200


def test_without_a_key_nothing_is_stored_in_the_clear(url: str, settings: Any) -> None:
    settings.CYPHER_KEY = ""
    keyring.forget()
    response = send(url, b"{}")
    assert response.status_code == 503
    assert InboundCallback.objects.count() == 0


def test_a_callback_of_settings_that_are_gone_is_stored_all_the_same(
    prompt: dict[str, Any], mpesa: MpesaSettings
) -> None:
    Payment.objects.update(business="closed-branch")
    assert post(prompt, paid(prompt)).status_code == 200
    assert "settings" in InboundCallback.objects.get().doubts[0]


def test_a_chunked_body_is_read_where_the_server_can(url: str) -> None:
    path = "/" + url.split("/", 3)[3]
    for body, status in ((b'{"Body":{}}', 200), (b"x" * 70_000, 413)):
        response = Client().generic(
            "POST",
            path,
            content_type="application/json",
            **{"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
        )
        assert response.status_code == status


@pytest.mark.parametrize("length", ["-5", "many", "1e3", "99999999999999999999"])
def test_a_false_length_is_refused(url: str, length: str) -> None:
    path = "/" + url.split("/", 3)[3]
    response = Client().generic(
        "POST", path, b'{"Body":{}}', content_type="application/json", CONTENT_LENGTH=length
    )
    assert response.status_code in (400, 413)
    run_work("callbacks")
    assert not InboundCallback.objects.exclude(status="quarantined").exists()
    assert Payment.objects.get().state == "pending"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=10,
)


@hypothesis_settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=st.binary(max_size=300)
    | json_values.map(lambda value: json.dumps(value).encode())
    | json_values.map(lambda value: json.dumps({"Body": {"stkCallback": value}}).encode())
    | st.dictionaries(
        st.sampled_from(["CheckoutRequestID", "ResultCode", "ResultDesc", "CallbackMetadata"]),
        json_values,
    ).map(lambda value: json.dumps({"Body": {"stkCallback": value}}).encode()),
    headers=st.dictionaries(
        st.sampled_from(["Businessshortcode", "X-Forwarded-For", "X-Request-Id", "User-Agent"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30).map(str.strip),
    ),
)
def test_no_body_makes_a_server_error_and_none_of_them_pays(
    url: str, body: bytes, headers: dict[str, str]
) -> None:
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    response = requests.post(url, data=body, headers=encoded, timeout=10)
    assert response.status_code in (200, 400)
    run_work("callbacks")
    assert not InboundCallback.objects.filter(status="stored").exists()
    # A real result code without the prompt's CheckoutRequestID moves nothing.
    assert Payment.objects.get().state == "pending"
    InboundCallback.objects.all().delete()


def test_a_burst_of_different_callbacks_is_stored_whole(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    for number in range(10):
        push(f"07123456{number:02}", 10 + number, f"INV{number}")
    settle()
    assert set(Payment.objects.values_list("state", flat=True)) == {"succeeded"}
    receipts = set(Payment.objects.values_list("receipt", flat=True))
    assert receipts == set(sandbox.book()["receipts"])
