"""A server that repeats what it was sent: our secrets are taken out of its answer."""

from __future__ import annotations

import base64
import json

import pytest

from integrations.outbound import Call
from tests.hunt.plants import PASSKEY, planted
from tests.outbound.servers import answer

KEY, SECRET, TOKEN = (planted(k) for k in ("consumer key", "consumer secret", "access token"))
PAIR = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
SIGNED = base64.b64encode(f"174379{PASSKEY}20260114093005?".encode()).decode()


def repeating(text):
    return answer(400, json.dumps({"errorMessage": text}).encode(), {"X-Echo": text})


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"headers": {"Authorization": f"Basic {PAIR}"}}, f"bad pair {PAIR}"),
        ({"headers": {"Authorization": f"basic {PAIR}"}}, f"{KEY} with {SECRET} ({KEY}:{SECRET})"),
        ({"headers": {"authorization": f"Bearer {TOKEN}"}}, f"Invalid Access Token : {TOKEN}"),
        ({"headers": {"X-Api-Key": TOKEN}}, f"key={TOKEN}"),
        ({"json": {"Password": SIGNED}}, f"wrong {SIGNED}"),
        ({"json": {"a": [{"SecurityCredential": SECRET}]}}, f"({SECRET})"),
    ],
    ids=["Basic", "its parts", "Bearer", "a header of its own", "a password", "deep in the body"],
)
def test_what_was_sent_as_a_secret_does_not_come_back(serve, client_for, sent, told):
    server = serve(repeating(told))
    response = client_for(server).send(Call("q", "POST", server.url(), **sent))
    found = response.body.decode() + str(response.headers)
    for secret in (KEY, SECRET, TOKEN, PAIR, SIGNED):
        assert secret not in found
    assert "[hidden]" in response.json()["errorMessage"]
    assert "[hidden]" in response.headers["x-echo"]


@pytest.mark.django_db
def test_a_token_in_use_does_not_come_back(serve, client_for):
    server = serve(repeating(f"Invalid Access Token : {TOKEN}"))
    response = client_for(server).send(
        Call("q", "POST", server.url(), json={}), authorize=lambda deadline: (TOKEN, 3599)
    )
    assert response.json() == {"errorMessage": "Invalid Access Token : [hidden]"}


def test_a_slash_that_json_escapes_hides_nothing(serve, client_for):
    secret = "ab/cd+ef/gh=="
    body = json.dumps({"errorMessage": secret}).replace("/", "\\/").encode()
    server = serve(answer(400, body))
    call = Call("q", "POST", server.url(), json={"Password": secret})
    assert client_for(server).send(call).json() == {"errorMessage": "[hidden]"}


@pytest.mark.parametrize(
    "sent",
    [
        {"json": {"refresh_token": TOKEN}},  # a server may give the same one again
        {"json": {"Password": "message"}},  # too short to be told from a word
        {"headers": {"Authorization": "Basic !"}},
        {"json": {"AccountReference": TOKEN}},
    ],
    ids=["a token", "a short one", "no base64", "another field"],
)
def test_the_rest_of_an_answer_stays(serve, client_for, sent):
    told = {"refresh_token": TOKEN, "message": "as it was"}
    server = serve(answer(200, json.dumps(told).encode()))
    response = client_for(server).send(Call("q", "POST", server.url(), **sent))
    assert response.json() == told
