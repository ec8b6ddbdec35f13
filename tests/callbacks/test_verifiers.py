"""Inbound webhooks over the real callback URL: who is let in, who is not, and each event once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import standardwebhooks
import time_machine
from cryptography.fernet import Fernet
from django.db import connections
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations.callbacks import process, routes
from integrations.callbacks.routes import CallbackRequest, CallbackRoute, Verifier, register_route
from integrations.callbacks.verifiers import (
    BasicAuth,
    GitHubSignature,
    Sender,
    SharedSecret,
    StandardWebhooks,
    by_token,
    token_digest,
)
from integrations.crypto import Secret, keyring
from integrations.models import DomainEvent, InboundCallback
from integrations.models.inbound_callback import Quarantine, Settled, TryLater, Verdict
from integrations.webhooks import signing
from integrations.work import Again
from tests.conftest import run_work
from tests.webhooks.vectors import PUBLIC, SEED, TIMESTAMP, V1, V1A, VECTORS, A, B, C

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
AT = datetime.fromtimestamp(TIMESTAMP, UTC)
SENDERS = by_token({TOKEN: Sender([A, B], business="duka"), OTHER: Sender([C])})


def note(row: InboundCallback) -> Verdict:
    """A business effect that must happen once: another row."""
    body = json.loads(row.raw_body() or b"null")
    DomainEvent.objects.create(event_type="noted", payload={"body": body})
    return Settled()


@pytest.fixture
def listen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Registers a route that is forgotten after the test."""
    monkeypatch.setattr(routes, "_routes", dict(routes._routes))

    def start(*verifiers: Verifier, handle: Any = note) -> None:
        register_route(CallbackRoute("inbound", verifiers, handle))

    return start


@pytest.fixture
def standard(listen: Callable[..., None]) -> Iterator[None]:
    """A route for Standard Webhooks, at the time of the published vectors."""
    listen(StandardWebhooks(SENDERS))
    with time_machine.travel(AT, tick=False):
        yield


def send(body: bytes = V1.body, headers: dict[str, str] | None = None, token: str = TOKEN) -> Any:
    return Client().post(
        f"/api/v1/integrations/cb/inbound/{token}/",
        body,
        content_type="application/json",
        headers=signed() if headers is None else headers,
    )


def signed(prefix: str = "webhook", **changes: str) -> dict[str, str]:
    values = {"id": V1.message_id, "timestamp": str(TIMESTAMP), "signature": V1.with_a, **changes}
    return {f"{prefix}-{name}": value for name, value in values.items()}


def freshly(message_id: str, body: bytes, secret: str = A, at: int | None = None) -> dict[str, str]:
    """The headers of an attempt that is made now."""
    second = int(datetime.now(UTC).timestamp()) if at is None else at
    signature = signing.sign_v1(signing.decode_secret(secret), message_id, second, body)
    return signed(id=message_id, timestamp=str(second), signature=signature)


def assert_refused(answer: Any) -> None:
    assert (answer.status_code, answer.content) == (401, b"")
    assert not InboundCallback.objects.exclude(status="quarantined").exists()
    run_work("callbacks")
    assert effects() == 0


def effects() -> int:
    return DomainEvent.objects.filter(event_type="noted").count()


@pytest.mark.parametrize("prefix", ["webhook", "svix", "Webhook", "WEBHOOK"])
@pytest.mark.parametrize("signature", [V1.with_a, V1.with_b, f"v1a,AA {V1.with_b}"])
def test_a_signed_event_is_stored_worked_on_and_of_its_business(
    standard: None, prefix: str, signature: str
) -> None:
    answer = send(headers=signed(prefix, signature=signature))
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    row = InboundCallback.objects.get()
    assert (row.status, row.business, row.raw_body()) == ("stored", "duka", V1.body)
    run_work("callbacks")
    row.refresh_from_db()
    assert (row.status, effects()) == ("processed", 1)
    assert row.dedupe_key == f"{token_digest(TOKEN)[:16]}:{V1.message_id}"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.message_id)
def test_every_published_vector_is_taken(standard: None, vector: Any) -> None:
    headers = signed(id=vector.message_id, signature=vector.with_b)
    assert send(vector.body, headers).status_code == 200
    assert send(vector.body + b" ", headers).status_code == 401


def test_what_the_reference_package_signs_is_taken(standard: None) -> None:
    signature = standardwebhooks.Webhook(B).sign("evt_1", AT, '{"a":1}')
    assert send(b'{"a":1}', signed(id="evt_1", signature=signature)).status_code == 200


def test_ed25519_is_taken_by_its_public_key(listen: Callable[..., None]) -> None:
    listen(StandardWebhooks(by_token({TOKEN: Sender([PUBLIC])})))
    with time_machine.travel(AT, tick=False):
        assert send(headers=signed(signature=V1A[V1])).status_code == 200
        assert send(headers=signed(signature=V1.with_a)).status_code == 401
    assert SEED.hex() not in repr(StandardWebhooks(SENDERS))


HOSTILE = {
    "another body": (b"{}", signed()),
    "no headers": (V1.body, {}),
    "no signature": (V1.body, {**signed(), "webhook-signature": ""}),
    "no id": (V1.body, signed(id="")),
    "no time": (V1.body, signed(timestamp="")),
    "other id": (V1.body, signed(id="msg_0002")),
    "headers of two prefixes": (
        V1.body,
        {
            "svix-id": V1.message_id,
            "webhook-timestamp": str(TIMESTAMP),
            "webhook-signature": V1.with_a,
        },
    ),
    "secret of another address": (
        V1.body,
        signed(signature="v1,UrR6YyWrD7ItXVK6IdlYjmneRRh3bNv+qzrIy6Fo+hM="),
    ),
    "text of the secret as key": (
        V1.body,
        signed(signature="v1,U1UnodfmtqME35hXCE6YvYuR3C7vRMKfBqSHBYnPvM8="),
    ),
    "hex": (
        V1.body,
        signed(signature="v1,a32561a8ca76bac47e3a6563d913a5717616322842fc7f687081b86d9d6efe91"),
    ),
    "other version": (V1.body, signed(signature=V1.with_a.replace("v1,", "v2,"))),
    "no comma": (V1.body, signed(signature=V1.with_a.replace(",", ""))),
    "two commas": (V1.body, signed(signature=f"{V1.with_a},x")),
    "joined by a comma": (V1.body, signed(signature=f"{V1.with_a},{V1.with_a}")),
    "joined ids": (V1.body, signed(id=f"{V1.message_id},{V1.message_id}")),
    "joined times": (V1.body, signed(timestamp=f"{TIMESTAMP},{TIMESTAMP}")),
    "not base64": (V1.body, signed(signature="v1,***")),
    "empty signature": (V1.body, signed(signature="v1,")),
    "letters beyond ASCII": (V1.body, signed(signature="v1,ũ", id="ũ")),
    "float": (V1.body, signed(timestamp=f"{TIMESTAMP}.9")),
    "spaces": (V1.body, signed(timestamp=f" {TIMESTAMP} ")),
    "underscore": (V1.body, signed(timestamp="1767_225600")),
    "exponent": (V1.body, signed(timestamp="1.7672256e9")),
    "leading zero": (V1.body, signed(timestamp=f"0{TIMESTAMP}")),
    "plus": (V1.body, signed(timestamp=f"+{TIMESTAMP}")),
    "milliseconds": (V1.body, signed(timestamp=f"{TIMESTAMP}000")),
    "bad UTF-8": (b"\xff\xfe{", signed()),
    "nothing": (b"", signed()),
}


@pytest.mark.parametrize(("body", "headers"), HOSTILE.values(), ids=HOSTILE.keys())
def test_the_rest_is_refused_without_a_word(
    standard: None, body: bytes, headers: dict[str, str]
) -> None:
    assert_refused(send(body, headers))
    # People are told why.
    assert InboundCallback.objects.get().reason


def test_leading_spaces_are_the_servers_to_strip_and_digits_ours(standard: None) -> None:
    """Two readings of one content: an id with a full stop is refused although its MAC fits."""
    content = b"a.1767225600.1767225600.x"
    mac = hmac.digest(signing.decode_secret(A), content, "sha256")
    signature = "v1," + base64.b64encode(mac).decode()
    assert_refused(send(b"x", signed(id="a.1767225600", signature=signature)))


def test_a_body_that_is_no_text_is_verified_as_bytes(standard: None) -> None:
    body = b"\xff\x00\xfe"
    assert send(body, freshly("evt_1", body)).status_code == 200
    assert InboundCallback.objects.get().raw_body() == body


@pytest.mark.parametrize(
    ("seconds", "status"), [(0, 200), (300, 200), (-300, 200), (301, 401), (-301, 401)]
)
def test_the_time_may_be_five_minutes_off_either_way(
    listen: Callable[..., None], seconds: int, status: int
) -> None:
    listen(StandardWebhooks(SENDERS))
    with time_machine.travel(AT + timedelta(seconds=seconds), tick=False):
        assert send().status_code == status


def test_the_secret_is_found_by_the_address_alone(standard: None) -> None:
    assert_refused(send(token=OTHER))
    assert_refused(send(token="nobody"))
    headers = signed(signature="v1,UrR6YyWrD7ItXVK6IdlYjmneRRh3bNv+qzrIy6Fo+hM=")
    assert send(headers=headers, token=OTHER).status_code == 200
    assert InboundCallback.objects.get(status="stored").business == ""


def test_a_repeated_event_is_answered_and_has_its_effect_once(standard: None) -> None:
    body = b'{"n":1}'
    assert send(body, freshly("evt_1", body)).status_code == 200
    run_work("callbacks")
    for seconds in (1, 200, 4 * 86_400):
        # A retry has a new time and so a new signature; the id stays.
        with time_machine.travel(AT + timedelta(seconds=seconds), tick=False):
            assert send(body, freshly("evt_1", body)).status_code == 200
            run_work("callbacks")
    found = sorted(InboundCallback.objects.values_list("status", flat=True))
    assert (found, effects()) == (["duplicate"] * 3 + ["processed"], 1)
    assert send(body, freshly("evt_2", body)).status_code == 200
    run_work("callbacks")
    assert effects() == 2


def test_copies_that_wait_together_have_one_effect(standard: None) -> None:
    for _ in range(4):
        assert send().status_code == 200
    run_work("callbacks")
    assert effects() == 1
    assert InboundCallback.objects.filter(status="duplicate").count() == 3


def test_two_workers_with_two_copies_make_one_effect(standard: None) -> None:
    for _ in range(2):
        send()

    def work_on(pk: int) -> None:
        try:
            process.process(InboundCallback.objects.get(pk=pk))
        finally:
            connections.close_all()

    rows = list(InboundCallback.objects.values_list("pk", flat=True))
    with ThreadPoolExecutor(4) as threads:
        # Each row twice: a worker whose lease ran out goes on beside the next one.
        list(threads.map(work_on, rows * 2))
    run_work("callbacks")
    assert effects() == 1
    assert sorted(InboundCallback.objects.values_list("status", flat=True)) == [
        "duplicate",
        "processed",
    ]


def test_a_copy_that_is_processed_meanwhile_takes_the_effect_back(
    listen: Callable[..., None],
) -> None:
    """Between our look and our mark, another worker processes the other copy."""
    rows: list[InboundCallback] = []

    def handle(row: InboundCallback) -> Verdict:
        verdict = note(row)
        if row.pk == rows[0].pk:
            InboundCallback.objects.filter(pk=rows[1].pk).update(status="processed")
        return verdict

    listen(StandardWebhooks(SENDERS), handle=handle)
    with time_machine.travel(AT, tick=False):
        send()
        send()
    rows += InboundCallback.objects.order_by("pk")
    assert process.process(rows[0]) == Again(delay_seconds=0.0)
    assert effects() == 0
    InboundCallback.objects.filter(pk=rows[1].pk).update(status="processed")
    process.process(rows[0])
    assert InboundCallback.objects.get(pk=rows[0].pk).status == "duplicate"
    assert effects() == 0


def test_who_is_overtaken_leaves_no_effect(standard: None) -> None:
    send()
    mine = InboundCallback.objects.get()
    process.process(InboundCallback.objects.get())
    process.process(mine)  # still as it was claimed
    assert effects() == 1


def test_an_event_whose_handler_failed_is_no_duplicate(listen: Callable[..., None]) -> None:
    """What was only seen must not stop the sender's repetition: it may be the one that works."""
    answers: list[Verdict] = [Quarantine("not understood"), TryLater("wait", 0.0, 60.0)]

    def handle(row: InboundCallback) -> Verdict:
        return answers.pop(0) if answers else note(row)

    listen(StandardWebhooks(SENDERS), handle=handle)
    with time_machine.travel(AT, tick=False):
        send()
        process.process(InboundCallback.objects.get())
        assert InboundCallback.objects.get().status == "quarantined"
        send()
        latest = InboundCallback.objects.latest("pk")
        process.process(latest)
        process.process(InboundCallback.objects.get(pk=latest.pk))
    assert InboundCallback.objects.get(pk=latest.pk).status == "processed"
    assert effects() == 1


def test_one_sender_cannot_use_up_the_ids_of_another(standard: None) -> None:
    body = b"{}"
    for token, secret in ((OTHER, C), (TOKEN, A)):
        assert send(body, freshly("evt_1", body, secret), token=token).status_code == 200
    run_work("callbacks")
    assert effects() == 2


def test_an_event_with_a_long_id_is_told_apart_by_all_of_it(standard: None) -> None:
    for ending in "aab":
        message_id = "x" * 199 + ending
        assert send(b"1", freshly(message_id, b"1")).status_code == 200
    run_work("callbacks")
    assert effects() == 2


def test_a_route_without_a_handler_stores_repetitions_too(listen: Callable[..., None]) -> None:
    listen(StandardWebhooks(SENDERS), handle=None)
    with time_machine.travel(AT, tick=False):
        assert [send().status_code for _ in range(3)] == [200] * 3
    assert InboundCallback.objects.filter(status="processed").count() == 3


@pytest.mark.parametrize(
    "secrets", [[], [""], ["no whsec text"], ["whsec_AAAA"], [A, "whpk_AAAA"], [Secret()]]
)
def test_without_a_usable_secret_nobody_is_let_in_and_the_sender_comes_again(
    listen: Callable[..., None], secrets: list[Any]
) -> None:
    listen(StandardWebhooks(by_token({TOKEN: Sender(secrets)})))
    with time_machine.travel(AT, tick=False):
        answer = send()
    assert (answer.status_code, answer.json()) == (503, {"error": "can't be stored now"})
    assert not InboundCallback.objects.exists()


def test_stored_secrets_are_opened_when_they_are_needed(
    listen: Callable[..., None], settings: Any
) -> None:
    stored = Secret.seal(A)
    listen(StandardWebhooks(by_token({TOKEN: Sender([stored])})))
    with time_machine.travel(AT, tick=False):
        assert send().status_code == 200
        settings.CYPHER_KEY = Fernet.generate_key().decode()
        keyring.forget()
        assert send().status_code == 503
    assert A[6:] not in repr(Sender([A]))


def github(body: bytes, secret: str, delivery: str = "d-1") -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "X-Hub-Signature-256": f"sha256={digest}",
        "X-GitHub-Delivery": delivery,
        "X-GitHub-Event": "push",
    }


# The example of GitHub's own documentation ("Validating webhook deliveries").
GITHUB_SECRET, GITHUB_BODY = "It's a Secret to Everybody", b"Hello, World!"
GITHUB_SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
GITHUB_SENDERS = by_token({TOKEN: Sender([GITHUB_SECRET, "the next one"], "duka")})


def test_githubs_own_example_is_taken(listen: Callable[..., None]) -> None:
    listen(GitHubSignature(GITHUB_SENDERS), handle=None)
    headers = {"X-Hub-Signature-256": GITHUB_SIGNATURE}
    assert send(GITHUB_BODY, headers).status_code == 200
    assert InboundCallback.objects.get().business == "duka"


@pytest.mark.parametrize("secret", [GITHUB_SECRET, "the next one"])
def test_github_style_events_are_taken_once(listen: Callable[..., None], secret: str) -> None:
    listen(GitHubSignature(GITHUB_SENDERS))
    for delivery in ("d-1", "d-1", "d-2"):
        assert send(b"{}", github(b"{}", secret, delivery)).status_code == 200
    run_work("callbacks")
    assert effects() == 2
    kept = InboundCallback.objects.latest("pk").headers
    assert (kept["X-GitHub-Event"], kept["X-GitHub-Delivery"]) == ("push", "d-2")
    assert "X-Hub-Signature-256" not in kept


def test_a_recorded_github_request_under_another_id(listen: Callable[..., None]) -> None:
    listen(GitHubSignature(GITHUB_SENDERS, by_body=True))
    for delivery in ("d-1", "d-2"):
        assert send(b"{}", github(b"{}", GITHUB_SECRET, delivery)).status_code == 200
    assert send(b"[]", github(b"[]", GITHUB_SECRET)).status_code == 200
    run_work("callbacks")
    assert effects() == 2


def test_a_github_style_event_without_an_id_is_known_by_its_body(
    listen: Callable[..., None],
) -> None:
    listen(GitHubSignature(GITHUB_SENDERS))
    for body in (b"{}", b"{}", b"[]"):
        headers = github(body, GITHUB_SECRET)
        del headers["X-GitHub-Delivery"]
        assert send(body, headers).status_code == 200
    run_work("callbacks")
    assert effects() == 2


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha256=",
        GITHUB_SIGNATURE.upper(),
        GITHUB_SIGNATURE.removeprefix("sha256="),
        GITHUB_SIGNATURE.replace("sha256", "sha1"),
        f"{GITHUB_SIGNATURE},{GITHUB_SIGNATURE}",
        f"{GITHUB_SIGNATURE[:-1]}8",
        GITHUB_SIGNATURE[:-1],
        "sha256=" + hashlib.sha256(GITHUB_BODY).hexdigest(),
        "sha256=ũ",
    ],
)
def test_other_github_signatures_are_refused(listen: Callable[..., None], signature: str) -> None:
    listen(GitHubSignature(GITHUB_SENDERS))
    assert_refused(send(GITHUB_BODY, {"X-Hub-Signature-256": signature}))


SHARED = by_token({TOKEN: Sender(["a long secret", "wanjikũ's"], "duka")})


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("a long secret", 200),
        ("wanjikũ's".encode().decode("latin-1"), 200),
        ("a long secre", 401),
        ("a long secret ", 401),
        ("A long secret", 401),
        ("a long secret,a long secret", 401),
        ("", 401),
        ("ũ", 401),
    ],
)
def test_a_shared_secret_in_a_header(listen: Callable[..., None], value: str, status: int) -> None:
    listen(SharedSecret(SHARED, id_header="X-Event"))
    for _ in range(2):
        answer = send(b"{}", {"X-Webhook-Secret": value, "X-Event": "e 1\x7f"})
        assert answer.status_code == status
    run_work("callbacks")
    assert effects() == (1 if status == 200 else 0)
    told = json.dumps([row.headers for row in InboundCallback.objects.all()])
    assert "secret" not in told


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("Bearer a long secret", 200),
        ("bearer a long secret", 200),
        ("a long secret", 401),
        ("Basic a long secret", 401),
        ("Beerer a long secret", 401),
        ("Bearer", 401),
    ],
)
def test_a_shared_secret_as_bearer(listen: Callable[..., None], value: str, status: int) -> None:
    listen(SharedSecret(SHARED, header="Authorization", prefix="Bearer "))
    assert send(b"{}", {"Authorization": value}).status_code == status


@pytest.mark.parametrize(
    ("pair", "status"),
    [
        (b"hub:pa:ss", 200),
        ("hub:wanjikũ".encode(), 200),
        (b"hub:pa:s", 401),
        (b"hub", 401),
        (b":", 401),
        (b"", 401),
        (b"\xff", 401),
    ],
)
def test_basic_authentication(listen: Callable[..., None], pair: bytes, status: int) -> None:
    listen(BasicAuth(by_token({TOKEN: Sender(["hub:pa:ss", "hub:wanjikũ"])})))
    encoded = base64.b64encode(pair).decode()
    assert send(b"{}", {"Authorization": f"Basic {encoded}"}).status_code == status
    assert send(b"{}", {"Authorization": f"Bearer {encoded}"}).status_code == 401
    assert send(b"{}", {"Authorization": f"Basic {encoded}*"}).status_code == 401
    assert send(b"{}", {}).status_code == 401


def test_checks_can_be_put_together_and_none_is_left_out(listen: Callable[..., None]) -> None:
    listen(StandardWebhooks(SENDERS), SharedSecret(SHARED))
    with time_machine.travel(AT, tick=False):
        both = {**signed(), "X-Webhook-Secret": "a long secret"}
        assert send(headers=signed()).status_code == 401
        assert send(headers={"X-Webhook-Secret": "a long secret"}).status_code == 401
        assert send(headers=both).status_code == 200


def test_a_later_check_takes_no_business_away(listen: Callable[..., None]) -> None:
    nobodys = by_token({TOKEN: Sender(["a long secret"])})
    listen(StandardWebhooks(SENDERS), SharedSecret(nobodys))
    with time_machine.travel(AT, tick=False):
        send(headers={**signed(), "X-Webhook-Secret": "a long secret"})
    assert InboundCallback.objects.get().business == "duka"


def test_a_verifier_never_sees_a_secret_chosen_by_the_body() -> None:
    """`find` is given the digest of the address and nothing else."""
    asked: list[Any] = []

    def find(*arguments: Any) -> Sender:
        asked.append(arguments)
        return Sender([A])

    request = CallbackRequest("inbound", "digest", V1.body, signed())
    StandardWebhooks(find, clock=lambda: TIMESTAMP)(request)
    assert asked == [("digest",)]
    assert request.event_id == V1.message_id


_header_text = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80)


@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=100),
    headers=st.fixed_dictionaries(
        {},
        optional={
            name: _header_text | st.just(value)
            for name, value in {
                **signed(),
                **signed("svix"),
                "X-Hub-Signature-256": GITHUB_SIGNATURE,
                "Authorization": "Basic x",
                "X-Webhook-Secret": "x",
            }.items()
        },
    ),
)
def test_nothing_that_can_be_sent_is_an_error(
    listen: Callable[..., None], body: bytes, headers: dict[str, str]
) -> None:
    routes._routes.pop("inbound", None)
    listen(
        StandardWebhooks(SENDERS),
        GitHubSignature(GITHUB_SENDERS),
        SharedSecret(SHARED),
        BasicAuth(SHARED),
    )
    assert send(body, headers).status_code == 401


def test_headers_that_come_twice_are_refused(listen: Callable[..., None], public_url: str) -> None:
    listen(StandardWebhooks(SENDERS, clock=lambda: TIMESTAMP))
    place = urlsplit(public_url)

    def raw(extra: str) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed().items())
        head = (
            f"POST /api/v1/integrations/cb/inbound/{TOKEN}/ HTTP/1.1\r\nHost: x\r\n{lines}{extra}"
            f"Content-Length: {len(V1.body)}\r\nConnection: close\r\n\r\n"
        )
        with socket.create_connection((str(place.hostname), int(place.port or 0)), 10) as link:
            link.sendall(head.encode() + V1.body)
            return link.makefile("rb").readline()

    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        assert b" 401 " in raw(f"{name}: {signed()[name]}\r\n")
    assert b" 200 " in raw("")
