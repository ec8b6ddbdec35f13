"""Bodies as browsers send forms, which token servers want: encoded, guarded, and not echoed."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

import pytest

from integrations.crypto import MASK
from integrations.exceptions import InvalidInput
from integrations.outbound import Call, Client
from tests.hunt.plants import planted
from tests.outbound.conftest import limits
from tests.outbound.servers import LoopbackServer, answer

pytestmark = pytest.mark.django_db
FORM = {"grant_type": "client_credentials", "scope": "a b&c=ũ"}


def ask(server: LoopbackServer, form: dict[str, str]) -> Call:
    return Call("token", "POST", server.url("/token"), form=form, limits=limits(), retry=1)


def test_a_form_arrives_as_it_was_given(
    serve: Callable[..., LoopbackServer], client_for: Callable[..., Client]
) -> None:
    server = serve()
    client_for(server).send(ask(server, FORM))
    (request,) = server.requests
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode("ascii")) == {key: [FORM[key]] for key in FORM}


def test_a_secret_of_the_form_is_taken_out_of_the_answer(
    serve: Callable[..., LoopbackServer], client_for: Callable[..., Client]
) -> None:
    secret = planted("consumer secret")
    server = serve(answer(400, f'{{"error": "bad secret {secret}"}}'.encode()))
    call = ask(server, {"client_secret": secret})
    assert secret not in repr(call)
    response = client_for(server).send(call)
    assert response.body == b'{"error": "bad secret [hidden]"}'


def test_a_mask_in_a_form_is_not_sent(
    serve: Callable[..., LoopbackServer], client_for: Callable[..., Client]
) -> None:
    server = serve()
    with pytest.raises(InvalidInput, match="form"):
        client_for(server).send(ask(server, {"client_secret": MASK}))
    assert server.requests == []
