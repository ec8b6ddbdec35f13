"""A receiver that repeats what it was sent: none of our secrets is kept of its answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from integrations.models import WebhookAttempt, WebhookEndpoint
from integrations.webhooks.dispatch import close_desk
from integrations.webhooks.dispatch.sending import Sent
from integrations.webhooks.dispatch.shown import body_text
from integrations.webhooks.echoes import secrets_sent
from integrations.webhooks.trial import send_test
from tests.hunt.plants import planted
from tests.outbound.servers import LoopbackServer, answer
from tests.webhooks.receivers import dispatch, endpoint_at, publish_many, receiver

KEY, PASSWORD, TOKEN = planted("header secret"), planted("broker password"), planted("access token")
PAIR = base64.b64encode(f"hub:{PASSWORD}".encode()).decode()


def send(endpoint: WebhookEndpoint) -> None:
    publish_many(1)
    dispatch()


def try_it(endpoint: WebhookEndpoint) -> None:
    send_test(endpoint, actor=None)


WAYS = pytest.mark.parametrize("deliver", [send, try_it], ids=["by the dispatcher", "a test"])


@pytest.fixture
def parrot(transactional_db: None, settings: Any) -> Iterator[LoopbackServer]:
    """Repeats the request's headers as a test receiver does, and gives access tokens."""

    def reply(handler: Any, request: Any) -> None:
        if request.path == "/token":
            grant = {"access_token": TOKEN, "expires_in": 3600}
            return answer(200, json.dumps(grant).encode())(handler, request)
        lines = [f"{name} is {value.rpartition(' ')[2]}" for name, value in request.headers.items()]
        told = " ".join(lines).encode()
        return answer(401, told, {"WWW-Authenticate": lines[-1], "Location": told.decode()})(
            handler, request
        )

    with receiver(settings, reply) as server:
        yield server
    close_desk()


def kept() -> str:
    rows = list(WebhookAttempt.objects.values())
    assert {row["status_code"] for row in rows} == {401}
    return repr(rows)


@WAYS
def test_headers_of_any_name_and_the_password(
    parrot: LoopbackServer, deliver: Callable[[WebhookEndpoint], None]
) -> None:
    endpoint = endpoint_at(
        parrot, static_headers=json.dumps({"X-Tenant": KEY}), auth="basic", username="hub",
        password=PASSWORD,
    )  # fmt: skip
    deliver(endpoint)
    (request,) = parrot.requests
    assert request.headers["X-Tenant"] == KEY and PAIR in request.headers["Authorization"]
    found = kept()
    assert "X-Tenant is [hidden]" in found
    for secret in (KEY, PASSWORD, PAIR.rstrip("=")):
        assert secret not in found


@WAYS
def test_the_access_token(
    parrot: LoopbackServer, deliver: Callable[[WebhookEndpoint], None]
) -> None:
    endpoint = endpoint_at(
        parrot, auth="oauth2", token_url=parrot.url("/token"), client_id="hub",
        client_secret=planted("consumer secret"),
    )  # fmt: skip
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(secret_hosts=[parrot.place] * 2)
    endpoint.refresh_from_db()
    deliver(endpoint)
    # The parrot refuses the token, which is fetched anew once.
    sent = [each for each in parrot.requests if each.path == "/hook"]
    assert {TOKEN in each.headers["Authorization"] for each in sent} == {True}
    assert TOKEN not in kept()


@pytest.mark.parametrize(
    "told",
    [
        json.dumps({"X": 'a "b"/c&d'}),
        json.dumps({"X": 'a "b"/c&d'}).replace("/", "\\/"),
        "<p>a &quot;b&quot;/c&amp;d</p>",
        "https://shop.example/?x=" + quote('a "b"/c&d', safe=""),
        'a "b"/c&d'.encode("utf-16-le").decode("latin-1"),
    ],
    ids=["JSON", "slashes", "HTML", "an address", "UTF-16"],
)
def test_however_it_is_spelled(told: str) -> None:
    shown = body_text(told.encode("latin-1"), secrets_sent(['a "b"/c&d']))
    assert "[hidden]" in shown
    assert "b" not in shown.replace("[hidden]", "").replace("https://shop.example/?x=", "")


def test_short_words_stay() -> None:
    assert body_text(b"acme is acme", secrets_sent(["acme"])) == "acme is acme"


def test_what_is_under_way_shows_no_token() -> None:
    parcel: Any = Sent(None, None, {}, TOKEN, (KEY,))  # type: ignore[arg-type]
    assert TOKEN not in repr(parcel) and KEY not in repr(parcel)
