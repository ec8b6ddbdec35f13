"""What is sent to an endpoint: body, headers and signatures, and what is never shown of them."""

from __future__ import annotations

import base64
import copy
import hmac
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
import standardwebhooks
import time_machine
from cryptography.fernet import Fernet
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from integrations.crypto import MASK, keyring
from integrations.exceptions import ConfigurationError, DecryptionError, InvalidInput
from integrations.models import WebhookEndpoint
from integrations.webhooks import signing
from integrations.webhooks.credentials import Credentials
from integrations.webhooks.headers import check_static_headers
from integrations.webhooks.plan import EndpointPlan
from tests.hunt.plants import planted
from tests.webhooks.endpoints import headers_of, make_endpoint, make_message
from tests.webhooks.vectors import PUBLIC, SEED, TIMESTAMP, V1, A

pytestmark = pytest.mark.django_db
AT = datetime.fromtimestamp(TIMESTAMP, UTC)


def published() -> Any:
    """A message whose standard body is that of the published vector."""
    payload = {"invoice": "INV-1", "amount": "1500.00", "currency": "KES"}
    body = make_message(payload).body
    return SimpleNamespace(
        message_id=V1.message_id, event_type="invoice.paid", occurred_at=AT, body=body
    )


def test_the_standard_body_and_signature_are_those_published() -> None:
    prepared = EndpointPlan.load(make_endpoint()).build(published(), at=TIMESTAMP + 0.9)
    assert prepared.body == V1.body
    found = headers_of(prepared)
    assert found["webhook-signature"] == V1.with_a
    assert (found["webhook-id"], found["webhook-timestamp"]) == (V1.message_id, str(TIMESTAMP))
    assert found["Content-Type"] == "application/json"
    assert found["User-Agent"] == "BengoERP-Integrations"


def test_the_bare_payload_goes_out_as_it_is_stored() -> None:
    message = make_message({"name": "Wanjikũ", "b": 1, "a": [1.0, None]})
    plan = EndpointPlan.load(make_endpoint(body_format="payload"))
    prepared = plan.build(message, at=TIMESTAMP)
    assert prepared.body == message.body == '{"name":"Wanjikũ","b":1,"a":[1.0,null]}'.encode()
    with time_machine.travel(AT, tick=False):
        verified = standardwebhooks.Webhook(A).verify(prepared.body, headers_of(prepared))
    assert verified == message.payload


@pytest.mark.parametrize("body_format", ["standard", "payload"])
def test_the_originals_receivers_go_on_as_they_are(body_format: str) -> None:
    """Its check: HMAC over the compact JSON of the header's time and the payload."""
    message = make_message({"name": "Wanjikũ", "total": "1,000"})
    plan = EndpointPlan.load(make_endpoint(body_format=body_format))
    prepared = plan.build(message, at=TIMESTAMP)
    found = headers_of(prepared)
    received = json.loads(prepared.body)
    payload = received if body_format == "payload" else received["data"]
    stamp = found["X-Webhook-Timestamp"]
    assert datetime.fromisoformat(stamp) == AT
    text = json.dumps(
        {"timestamp": stamp, "payload": payload}, separators=(",", ":"), ensure_ascii=False
    )
    wanted = hmac.new(A.encode(), text.encode(), "sha256").hexdigest()
    assert found["X-Webhook-Signature"] == wanted
    assert found["X-Webhook-Event"] == "invoice.paid"


@pytest.mark.parametrize("secret", ["a text of the original", "whsec_too short", "ũ"])
def test_a_secret_of_the_original_signs_with_its_text(secret: str) -> None:
    prepared = EndpointPlan.load(make_endpoint(secret=secret)).build(published(), at=TIMESTAMP)
    found = headers_of(prepared)
    with time_machine.travel(AT, tick=False):
        standardwebhooks.Webhook(secret.encode()).verify(prepared.body, found)
    stamp = "2026-01-01T00:00:00+00:00"
    payload = published().body
    assert found["X-Webhook-Signature"] == signing.original_signature(secret, stamp, payload)
    # Such a text may be guessed by trying it on a signature.
    for name in ("webhook-signature", "X-Webhook-Signature"):
        assert prepared.shown_headers[name] == MASK


def test_an_endpoint_without_any_secret_gets_no_signature() -> None:
    prepared = EndpointPlan.load(make_endpoint(secret="")).build(published(), at=TIMESTAMP)
    assert not [line for line in prepared.headers if "signature" in line.lower()]
    assert "webhook-id" in headers_of(prepared)


def test_ed25519_signs_beside_the_secret() -> None:
    private = "whsk_" + base64.b64encode(SEED).decode()
    endpoint = make_endpoint(is_asymmetric=True, asymmetric_key=private, public_key=PUBLIC)
    prepared = EndpointPlan.load(endpoint).build(published(), at=TIMESTAMP)
    first, second = headers_of(prepared)["webhook-signature"].split(" ")
    assert first == V1.with_a
    content = signing.signed_bytes(V1.message_id, TIMESTAMP, prepared.body)
    assert signing.verify_v1a([signing.decode_public_key(PUBLIC)], second, content)
    with time_machine.travel(AT, tick=False):
        standardwebhooks.Webhook(A).verify(prepared.body, headers_of(prepared))


def test_ed25519_without_a_key_sends_nothing() -> None:
    with pytest.raises(ConfigurationError, match="ed25519"):
        EndpointPlan.load(make_endpoint(is_asymmetric=True))


def test_the_time_of_the_event_is_told_in_utc() -> None:
    nairobi = timezone(timedelta(hours=3))
    message = make_message(occurred_at=datetime(2026, 1, 1, 3, 0, 0, 250_000, tzinfo=nairobi))
    prepared = EndpointPlan.load(make_endpoint()).build(message, at=TIMESTAMP)
    assert json.loads(prepared.body)["timestamp"] == "2026-01-01T00:00:00.250000Z"


def test_a_retry_has_the_same_id_and_body_and_a_new_time_and_signature() -> None:
    plan = EndpointPlan.load(make_endpoint())
    message = make_message()
    first, second = (plan.build(message, at=TIMESTAMP + late) for late in (0, 300))
    assert first.body == second.body
    one, two = headers_of(first), headers_of(second)
    assert one["webhook-id"] == two["webhook-id"] == message.message_id
    assert int(two["webhook-timestamp"]) - int(one["webhook-timestamp"]) == 300
    assert one["webhook-signature"] != two["webhook-signature"]


@pytest.mark.parametrize(
    "event_type", ["a\r\nX-Evil: 1", 'quote"d', "ũ.✓", "space d", "null\x00", "per%cent"]
)
def test_a_hosts_own_event_names_break_neither_body_nor_headers(event_type: str) -> None:
    message = make_message(event_type=event_type)
    prepared = EndpointPlan.load(make_endpoint()).build(message, at=TIMESTAMP)
    assert json.loads(prepared.body)["type"] == event_type
    told = headers_of(prepared)["X-Webhook-Event"]
    assert told.isascii() and told.isprintable() and " " not in told


@given(
    payload=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)
        ),
        max_leaves=8,
    )
)
def test_any_payload_arrives_as_it_was(payload: Any) -> None:
    endpoint = WebhookEndpoint(url="https://a.example.com/", secret=A)
    plan = EndpointPlan(
        endpoint,
        credentials=Credentials(headers={}, shown={}),
        keys=[],
        secret=A,
    )
    prepared = plan.build(make_message(payload), at=TIMESTAMP)
    assert json.loads(prepared.body)["data"] == payload


def test_what_cannot_be_sent_is_refused() -> None:
    plan = EndpointPlan.load(make_endpoint())
    with pytest.raises(InvalidInput, match="no longer kept"):
        plan.build(make_message(body=None), at=TIMESTAMP)
    message = published()
    message.message_id = "a.b"
    with pytest.raises(InvalidInput, match="full stop"):
        plan.build(message, at=TIMESTAMP)


def test_static_headers_are_sent_and_shown_masked() -> None:
    value = planted("header secret")
    static = json.dumps({"X-Api-Key": value, "user-agent": "our shop", "authorization": value})
    plan = EndpointPlan.load(make_endpoint(static_headers=static))
    prepared = plan.build(make_message(), at=TIMESTAMP)
    found = headers_of(prepared)
    assert (found["X-Api-Key"], found["User-Agent"]) == (value, "our shop")
    shown = prepared.shown_headers
    assert (shown["X-Api-Key"], shown["User-Agent"], shown["authorization"]) == (MASK, MASK, MASK)
    assert set(shown) == set(found)
    assert value not in json.dumps(shown)


NEVER = [
    "Host", "content-length", "Transfer-Encoding", "CONNECTION", "Content-Type", "webhook-id",
    "Webhook-Anything", "X-Webhook-Signature", "Expect", "TE", "Upgrade", "Accept-Encoding",
]  # fmt: skip


@pytest.mark.parametrize("name", NEVER)
def test_headers_of_the_request_itself_cannot_be_set(name: str) -> None:
    with pytest.raises(InvalidInput, match="static_headers"):
        EndpointPlan.load(make_endpoint(static_headers=json.dumps({name: "x"})))


@pytest.mark.parametrize(
    "headers",
    [
        {"X-A": "line\r\nX-B: 1"},
        {"X-A": "line\n"},
        {"X-A": "nul\x00"},
        {"X-A": "wanjikũ"},
        {"X-A": ""},
        {"X-A": " padded "},
        {"X-A": 1},
        {"X-A": None},
        {"X-A": ["x"]},
        {"X-A": "x" * 4097},
        {"X-A": MASK},
        {"X A": "x"},
        {"X-A:": "x"},
        {"": "x"},
        {"X-Ũ": "x"},
        {"X-A\r\n": "x"},
        {1: "x"},
        {"X-A": "x", "x-a": "y"},
        {f"X-{n}": "x" for n in range(21)},
    ],
)
def test_headers_that_break_a_request_are_refused(headers: dict[Any, Any]) -> None:
    with pytest.raises(InvalidInput, match="static_headers"):
        check_static_headers(headers)


@pytest.mark.parametrize("text", ["[]", "x", '"x"', "1", "{", "[" * 100_000, "null"])
def test_stored_headers_that_are_no_object_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="JSON object"):
        EndpointPlan.load(make_endpoint(static_headers=text))


def test_a_refused_header_is_not_quoted() -> None:
    value = planted("header secret")
    for headers in ({"X-A": value + "\n"}, {value + " ": "x"}):
        with pytest.raises(InvalidInput) as caught:
            check_static_headers(headers)
        assert value not in str(caught.value)


def test_basic_authentication() -> None:
    password = planted("posted secret")
    endpoint = make_endpoint(auth="basic", username="hub", password=password)
    prepared = EndpointPlan.load(endpoint).build(make_message(), at=TIMESTAMP)
    scheme, encoded = headers_of(prepared)["Authorization"].split(" ")
    assert (scheme, base64.b64decode(encoded)) == ("Basic", f"hub:{password}".encode())
    assert prepared.shown_headers["Authorization"] == f"Basic {MASK}"


@pytest.mark.parametrize(
    "values",
    [
        {"username": "", "password": "x"},
        {"username": "a:b", "password": "x"},
        {"username": "a", "password": "line\nbreak"},
        {"username": "a", "password": "x", "static_headers": '{"Authorization": "x"}'},
    ],
)
def test_basic_authentication_that_cannot_be_sent(values: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        EndpointPlan.load(make_endpoint(auth="basic", **values))


def test_a_client_certificate_needs_its_key() -> None:
    plan = EndpointPlan.load(make_endpoint(client_certificate="CERT", client_key="KEY"))
    assert (plan.certificate, plan.key) == (b"CERT", b"KEY")
    plan = EndpointPlan.load(make_endpoint())
    assert (plan.certificate, plan.key) == (None, None)
    for half in ({"client_certificate": "CERT"}, {"client_key": "KEY"}):
        with pytest.raises(ConfigurationError, match="belong together"):
            EndpointPlan.load(make_endpoint(**half))


SECRETS: list[dict[str, str]] = [
    {"static_headers": '{"X-Api-Key": "x"}'},
    {"auth": "basic", "username": "hub", "password": "x"},
    {"client_certificate": "CERT", "client_key": "KEY"},
    {
        "auth": "oauth2",
        "token_url": "https://id.example.com/token",
        "client_id": "hub",
        "client_secret": "x",
    },
]


@pytest.mark.parametrize("values", SECRETS)
def test_secrets_go_only_to_the_hosts_they_were_typed_for(values: dict[str, str]) -> None:
    endpoint = make_endpoint(**values)
    EndpointPlan.load(endpoint)
    for moved in (
        {"url": "https://thief.example.com/"},
        {"url": "https://receiver.example.com:8443/"},
    ):
        with pytest.raises(ConfigurationError) as caught:
            EndpointPlan.load(changed(endpoint, **moved))
        assert caught.value.code == "host_not_confirmed"


def test_the_client_secret_goes_only_to_its_token_server() -> None:
    endpoint = make_endpoint(**SECRETS[3])
    with pytest.raises(ConfigurationError) as caught:
        EndpointPlan.load(changed(endpoint, token_url="https://thief.example.com/token"))
    assert caught.value.code == "host_not_confirmed"
    with pytest.raises(ConfigurationError):
        EndpointPlan.load(changed(endpoint, url=endpoint.token_url, token_url=endpoint.url))


def changed(endpoint: WebhookEndpoint, **values: Any) -> WebhookEndpoint:
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**values)
    return WebhookEndpoint.objects.get(pk=endpoint.pk)


@pytest.mark.parametrize("missing", ["token_url", "client_id", "client_secret"])
def test_client_credentials_must_be_whole(missing: str) -> None:
    with pytest.raises(ConfigurationError, match="token URL"):
        EndpointPlan.load(make_endpoint(**{**SECRETS[3], missing: ""}))


def test_a_plan_with_a_token_server_says_so() -> None:
    plan = EndpointPlan.load(make_endpoint(**SECRETS[3]))
    assert plan.needs_token
    prepared = plan.build(make_message(), at=TIMESTAMP)
    assert "Authorization" not in headers_of(prepared)
    assert prepared.shown_headers["Authorization"] == f"Bearer {MASK}"
    assert not EndpointPlan.load(make_endpoint()).needs_token


def test_nothing_shows_a_secret() -> None:
    private = signing.new_key_pair().private
    planted_ones = [planted(kind) for kind in ("posted secret", "header secret", "consumer secret")]
    endpoint = make_endpoint(
        **{**SECRETS[3], "client_secret": planted_ones[2]},
        static_headers=json.dumps({"X-Api-Key": planted_ones[1]}),
        client_certificate="CERT",
        client_key=planted_ones[0],
        is_asymmetric=True,
        asymmetric_key=private,
    )
    plan = EndpointPlan.load(endpoint)
    prepared = plan.build(make_message(), at=TIMESTAMP)
    shown = (plan, str(plan), prepared, plan.token_request, plan._keys, prepared.shown_headers)
    told = " ".join(map(repr, shown))
    for secret in (A, A[6:], private, private[5:], *planted_ones):
        assert secret not in told
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="secrets"):
            attempt(plan)


def test_a_wrong_key_sends_nothing(settings: Any) -> None:
    endpoint = make_endpoint()
    settings.CYPHER_KEY = Fernet.generate_key().decode()
    keyring.forget()
    with pytest.raises(DecryptionError) as caught:
        EndpointPlan.load(WebhookEndpoint.objects.get(pk=endpoint.pk))
    assert "WebhookEndpoint.secret" in str(caught.value)


def test_building_asks_nobody() -> None:
    plan = EndpointPlan.load(make_endpoint())
    message = make_message()
    with CaptureQueriesContext(connection) as queries:
        for second in range(3):
            plan.build(message, at=TIMESTAMP + second)
    assert len(queries) == 0
