"""What no endpoint takes, each refused in the documented envelope."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test.client import MULTIPART_CONTENT
from django.urls import get_resolver
from rest_framework.test import APIClient

from integrations.api.bodies import MAX_BODY_BYTES, BoundedJSONParser
from integrations.api.payment_filters import filter_names
from integrations.models import MpesaSettings, Payment
from tests.api.conftest import logged_in, user_with

API = "/api/v1/integrations/"
PUSH, SETTINGS = f"{API}payments/stk-push/", f"{API}mpesa-settings/"
EVERY_METHOD = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"}


def addresses() -> list[tuple[str, Any]]:
    """Every address of the API with its view; parameters are filled in with nonsense."""
    return [
        (API + re.sub(r"<[^>]+>", "7", str(pattern.pattern)), pattern.callback.view_class)
        for pattern in get_resolver("integrations.urls").url_patterns
        if hasattr(pattern.callback, "view_class")
    ]


@pytest.fixture
def client(transactional_db: None) -> APIClient:
    rights = ("push_payment", "add_mpesasettings", "view_mpesasettings", "view_payment")
    return logged_in(user_with(*rights, is_staff=True))


def is_envelope(body: dict[str, Any]) -> bool:
    return body["success"] is False and {"type", "detail", "code"} <= set(body["error"])


def test_nobody_is_let_in_without_credentials(transactional_db: None) -> None:
    for address, view in addresses():
        for method in view.rights:
            answer = APIClient().generic(method, address)
            assert answer.status_code == 401, (method, address)
            assert is_envelope(answer.json())
            assert answer["WWW-Authenticate"]


def test_a_wrong_method_is_refused_everywhere(client: APIClient) -> None:
    for address, view in addresses():
        for method in EVERY_METHOD - set(view.rights):
            answer = client.generic(method, address)
            assert answer.status_code == 405, (method, address)
            assert is_envelope(answer.json())
            assert set(answer["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == set(view.rights)


@pytest.mark.parametrize("url", [PUSH, SETTINGS])
@pytest.mark.parametrize(
    "body",
    [
        b"{", b"\xff\xfe", b'{"amount": NaN}', b'{"amount": Infinity}', b"[" * 100_000,
        b'{"a": 1, "a": 2}', b"1" * 5000, b"[]", b'"text"', b"null", b"7",
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_refused(client: APIClient, url: str, body: bytes) -> None:
    answer = client.generic("POST", url, body, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert is_envelope(answer.json())
    assert not Payment.objects.exists()
    assert not MpesaSettings.objects.exists()


def test_an_unknown_charset_is_refused(client: APIClient) -> None:
    content_type = "application/json; charset=klingon"
    answer = client.generic("POST", PUSH, b"{}", content_type=content_type)
    assert answer.status_code == 400


def test_the_text_of_a_body_is_not_told_back(client: APIClient) -> None:
    answer = client.generic("POST", SETTINGS, b'{"passkey": hunter2}', "application/json")
    assert answer.status_code == 400
    assert b"hunter2" not in answer.content
    assert b"at line 1" in answer.content


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "x", "text/xml"])
def test_another_content_type_is_refused(client: APIClient, kind: str) -> None:
    answer = client.generic("POST", PUSH, b"phone=0712345678", content_type=kind)
    assert answer.status_code == 415, answer.content
    assert answer.json()["error"]["code"] == "unsupported_media_type"


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
def test_a_large_body_is_refused(client: APIClient, kind: str) -> None:
    body = json.dumps({"phone": "7" * MAX_BODY_BYTES}).encode()
    answer = client.generic("POST", PUSH, body, content_type=kind)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"
    just_fits = json.dumps({"phone": "7" * (MAX_BODY_BYTES - 20)}).encode()
    assert client.generic("POST", PUSH, just_fits, "application/json").status_code == 400


def test_unknown_fields_are_named(client: APIClient) -> None:
    sent = {"phone": "0712345678", "amount": 1, "account_reference": "A", "acount": "x"}
    error = client.post(PUSH, sent).json()["error"]
    assert (error["field"], error["code"]) == ("acount", "unknown_field")
    assert error["detail"] == {"acount": ["There is no such field."]}
    hostile = client.post(PUSH, {"<b>" + "x" * 500: 1}).json()["error"]
    assert len(hostile["field"]) == 64


@pytest.mark.parametrize("text", ["\u0000", "\ud800", "a\u202eb\u0000"])
@pytest.mark.parametrize("field", ["business", "initiator_name", "short_code", "passkey"])
def test_text_that_no_database_stores_is_refused(client: APIClient, field: str, text: str) -> None:
    body = json.dumps({field: text}).encode()
    answer = client.generic("POST", SETTINGS, body, "application/json")
    assert answer.status_code in (400, 403), answer.content
    assert is_envelope(answer.json())


def test_hostile_text_is_kept_as_text(client: APIClient) -> None:
    text = "<img src=x onerror=alert(1)>'\"; DROP TABLE x; =1+1"
    made = client.post(SETTINGS, {"initiator_name": text})
    assert made.status_code == 201, made.json()
    assert made["Content-Type"] == "application/json"
    assert made.json()["initiator_name"] == text
    assert MpesaSettings.objects.get().initiator_name == text


def test_a_session_needs_the_csrf_token(client: APIClient) -> None:
    client.credentials()
    answer = client.post(PUSH, {})
    assert answer.status_code == 403
    assert "CSRF" in answer.json()["error"]["detail"]


# Those that honour the key; `tests/api` asks each of them what it does with a repeated one.
KEYED = {
    ("POST", PUSH), ("POST", SETTINGS),
    *((method, f"{SETTINGS}7/") for method in ("PUT", "PATCH", "DELETE")),
    *(
        ("POST", f"{API}{path}")
        for path in (
            "kra-settings/", "kra/invoices/", "kra/invoices/verify/", "kra/branches/7/release/",
            *(f"kra/invoices/7/{act}/" for act in ("credit", "resend", "settle")),
            "kra/certificates/", "kra/items/", "kra/stock/moves/", "kra/stock/counts/",
            "kra/reports/7/resend/",
            *(f"kra/{sort}/7/{act}/" for sort in ("purchases", "imports")
              for act in ("accept", "reject")),
            "payments/payouts/", "payments/7/reversals/", "payout-batches/",
            *(f"payout-batches/7/{act}/" for act in ("pause", "resume", "cancel", "retry")),
            *(f"approvals/7/{act}/" for act in ("approve", "reject", "withdraw")),
            "expected-payments/",
            "webhook-endpoints/", "webhook-events/", "webhook-events/7/deliver/",
            "webhook-events/replay/", "webhook-replays/7/cancel/",
            *(
                f"webhook-endpoints/7/{act}/"
                for act in ("rotate-secret", "pause", "resume", "enable", "disable")
            ),
        )
    ),
    *((method, f"{API}kra-settings/7/") for method in ("PUT", "PATCH", "DELETE")),
    *((method, f"{API}webhook-endpoints/7/") for method in ("PUT", "PATCH", "DELETE")),
}  # fmt: skip


def test_no_write_ignores_an_idempotency_key(admin_user: User) -> None:
    client, key = logged_in(admin_user), "x" * 129  # refused where keys are honoured
    for address, view in addresses():
        for method in set(view.rights) - {"GET"}:
            body = {"phone": "0712345678", "amount": 1, "account_reference": "A"}
            sent = json.dumps(body if address == PUSH else {})
            takes_json = BoundedJSONParser in view.parser_classes
            sort = "application/json" if takes_json else MULTIPART_CONTENT
            answer = client.generic(
                method, address, sent if takes_json else "", sort,
                headers={"Idempotency-Key": key},
            )  # fmt: skip
            error = answer.json()["error"]
            told = (answer.status_code, error.get("field"))
            assert told == (400, "Idempotency-Key"), (method, address)
            honoured = error["code"] != "idempotency_not_supported"
            assert honoured is ((method, address) in KEYED), (method, address)


def test_reading_needs_no_key_and_takes_one(client: APIClient) -> None:
    assert client.get(SETTINGS, headers={"Idempotency-Key": "x"}).status_code == 200


UNREADABLE = ["%00", "a%00b", "%E2%80%AE", "%0A", "x" * 65]


@pytest.mark.parametrize("text", UNREADABLE)
def test_unreadable_text_in_a_query_is_refused_by_name(admin_user: User, text: str) -> None:
    client = logged_in(admin_user)
    paths = {
        SETTINGS: ["business", "environment"],
        f"{SETTINGS}current/": ["business"],
        f"{API}health/": ["business"],
        f"{API}health/mpesa/": ["business"],
        f"{API}payments/": [*filter_names()],
    }
    for path, names in paths.items():
        for name in names:
            # A cursor may be longer.
            sent = text * 2 if name == "cursor" else text
            answer = client.get(f"{path}?{name}={sent}")
            assert answer.status_code == 400, (path, name, answer.content)
            assert is_envelope(answer.json())
            assert answer.json()["error"]["field"] == name
            repeated = client.get(f"{path}?{name}={sent}&{name}=x")
            assert repeated.status_code == 400, (path, name)


def test_no_endpoint_takes_an_unreadable_parameter(admin_user: User) -> None:
    client = logged_in(admin_user)
    for address, view in addresses():
        for method in view.rights:
            answer = client.generic(method, f"{address}?x%00=1&business=%00")
            assert answer.status_code == 400, (method, address)
            assert "business" in answer.json()["error"]["detail"]
