"""Access tokens for endpoints, from a token server on loopback: never waited for, never shown."""
# The imported fixtures are named by the arguments that use them.
# ruff: noqa: F811

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.db import connection

from integrations.exceptions import IntegrationError
from integrations.models import ProviderCall
from integrations.outbound import close_circuit
from integrations.outbound.tokens import configured_store, tokens
from integrations.webhooks import access
from integrations.webhooks.access import AccessTokens
from integrations.webhooks.plan import EndpointPlan
from tests.conftest import wait_until
from tests.hunt.plants import planted
from tests.outbound.conftest import Clock, _clean_process, clock, serve  # noqa: F401
from tests.outbound.servers import LoopbackServer, Reply, answer, drop, in_turn
from tests.webhooks.endpoints import make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)
CLIENT_SECRET = planted("consumer secret")


def grant(token: str, **values: Any) -> Reply:
    return answer(
        body=json.dumps({"access_token": token, "token_type": "Bearer", **values}).encode()
    )


def refusal(status: int, error: str) -> Reply:
    return answer(status, json.dumps({"error": error}).encode())


@pytest.fixture
def access_tokens(clock: Clock) -> Iterator[AccessTokens]:
    found = AccessTokens(clock=clock)
    yield found
    found.close()


def plan_for(server: LoopbackServer, **values: Any) -> EndpointPlan:
    values = {
        "auth": "oauth2",
        "token_url": server.url("/token"),
        "client_id": "hub & co",
        "client_secret": CLIENT_SECRET,
        **values,
    }
    return EndpointPlan.load(make_endpoint(**values))


def token_of(access_tokens: AccessTokens, plan: EndpointPlan) -> str:
    return str(wait_until(lambda: access_tokens.get(plan)))


def failure_of(access_tokens: AccessTokens, plan: EndpointPlan) -> IntegrationError:
    def ask() -> IntegrationError | None:
        try:
            access_tokens.get(plan)
        except IntegrationError as error:
            return error
        return None

    found = wait_until(ask)
    assert isinstance(found, IntegrationError)
    return found


def test_a_token_is_asked_for_as_the_standard_says(
    serve: Callable[..., LoopbackServer],
    access_tokens: AccessTokens,
) -> None:
    server = serve(grant("t1", expires_in=3600))
    plan = plan_for(server, token_scope="hooks:write more", business="branch-7")
    assert access_tokens.get(plan) is None
    assert token_of(access_tokens, plan) == "t1"
    assert [access_tokens.get(plan) for _ in range(3)] == ["t1"] * 3
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/token")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    fields = parse_qs(request.body.decode())
    assert fields == {"grant_type": ["client_credentials"], "scope": ["hooks:write more"]}
    pair = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
    assert pair == f"hub+%26+co:{CLIENT_SECRET}"
    call = wait_until(ProviderCall.objects.first)
    assert (call.provider, call.operation, call.outcome) == ("webhooks", "token", "ok")
    assert call.business == "branch-7"


def test_a_slow_token_server_keeps_nobody_waiting(
    serve: Callable[..., LoopbackServer],
    access_tokens: AccessTokens,
) -> None:
    release = threading.Event()

    def slow(handler: Any, request: Any) -> None:
        release.wait(10)
        grant("late")(handler, request)

    server, quick = serve(slow), serve(grant("quick"))
    waiting, other = plan_for(server), plan_for(quick)
    assert access_tokens.get(waiting) is None
    assert token_of(access_tokens, other) == "quick"
    wait_until(lambda: server.requests)
    assert [access_tokens.get(waiting) for _ in range(100)] == [None] * 100
    assert len(server.requests) == 1
    release.set()
    assert token_of(access_tokens, waiting) == "late"


def test_another_process_takes_the_shared_token(
    serve: Callable[..., LoopbackServer],
    access_tokens: AccessTokens,
) -> None:
    server = serve(grant(planted("access token"), expires_in=3600))
    plan = plan_for(server)
    token_of(access_tokens, plan)
    tokens.forget()  # what this process remembers
    another = AccessTokens()
    assert token_of(another, plan) == planted("access token")
    another.close()
    assert len(server.requests) == 1
    shared = configured_store().read(access_tokens._account(plan).client._token_key)
    assert shared.startswith("gAAAAA")


def test_a_refused_token_is_replaced_once(
    serve: Callable[..., LoopbackServer],
    access_tokens: AccessTokens,
    clock: Clock,
) -> None:
    server = serve(in_turn(grant("t1"), grant("t2"), grant("t3")))
    plan = plan_for(server)
    assert token_of(access_tokens, plan) == "t1"
    # Ten deliveries were under way with it.
    assert [access_tokens.refused(plan, "t1") for _ in range(5)] == [True] * 5
    assert token_of(access_tokens, plan) == "t2"
    assert [access_tokens.refused(plan, "t1") for _ in range(5)] == [True] * 5
    assert access_tokens.get(plan) == "t2"
    assert len(server.requests) == 2
    # The new one is refused as well: it would be of no use to try again at once.
    assert not access_tokens.refused(plan, "t2")
    assert access_tokens.get(plan) == "t2"
    clock.now += access.DROP_SECONDS
    assert access_tokens.refused(plan, "t2")
    assert token_of(access_tokens, plan) == "t3"


def test_who_does_not_name_the_token_drops_no_new_one(
    serve: Callable[..., LoopbackServer],
    access_tokens: AccessTokens,
) -> None:
    server = serve(in_turn(grant("t1"), grant("t2"), grant("t3")))
    plan = plan_for(server)
    assert token_of(access_tokens, plan) == "t1"
    assert access_tokens.refused(plan)
    assert token_of(access_tokens, plan) == "t2"
    assert access_tokens.refused(plan)
    assert access_tokens.get(plan) == "t2"


def test_a_server_that_wants_the_credentials_in_the_body_gets_them_there(
    serve: Callable[..., LoopbackServer],
    access_tokens: AccessTokens,
) -> None:
    server = serve(in_turn(refusal(401, "invalid_client"), grant("t1")))
    assert token_of(access_tokens, plan_for(server)) == "t1"
    first, second = server.requests
    assert "Authorization" in first.headers and "Authorization" not in second.headers
    fields = parse_qs(second.body.decode())
    assert fields["client_id"] == ["hub & co"] and fields["client_secret"] == [CLIENT_SECRET]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (refusal(401, "invalid_client"), "bad_credentials"),
        (refusal(400, "invalid_scope"), "bad_credentials"),
        (answer(403, b"<html>"), "bad_credentials"),
        (answer(500, b"secret text"), "provider_error"),
        (answer(302, headers={"Location": "http://127.0.0.1/"}), "provider_error"),
        (answer(200, b"<html>"), "provider_error"),
        (answer(200, b"[]"), "provider_error"),
        (answer(200, b'{"access_token": ""}'), "provider_error"),
        (answer(200, b'{"access_token": 5}'), "provider_error"),
        (answer(200, b'{"access_token": "a\\r\\nX-Evil: 1"}'), "provider_error"),
        (answer(200, b'{"access_token": "wanjik\\u0169"}'), "provider_error"),
        (answer(200, b"x" * 70_000), "response_too_large"),
        (drop, "connection_lost"),
    ],
)
def test_a_failing_token_server_ends_the_delivery_with_its_reason(
    serve: Callable[..., LoopbackServer],
    access_tokens: AccessTokens,
    clock: Clock,
    reply: Reply,
    code: str,
) -> None:
    server = serve(reply)
    plan = plan_for(server)
    error = failure_of(access_tokens, plan)
    assert error.code == code
    assert error.message.startswith("No access token: ")
    assert "secret text" not in error.message and CLIENT_SECRET not in error.message
    # It is not asked again for every delivery that waits.
    asked = len(server.requests)
    for _ in range(20):
        with pytest.raises(IntegrationError):
            access_tokens.get(plan)
    assert len(server.requests) == asked
    server.reply = grant("better-now")
    clock.now += access.FAILURE_SECONDS
    assert access_tokens.get(plan) is None
    # Redis remembers a failure for those who waited for it; nobody did.
    assert token_of(access_tokens, plan) == "better-now"


def test_the_guard_stands_before_the_token_server_too(
    serve: Callable[..., LoopbackServer],
    access_tokens: AccessTokens,
) -> None:
    server = serve(grant("t1"), allow=False)
    plan = plan_for(server)
    assert failure_of(access_tokens, plan).code in ("https_required", "blocked_address")
    assert server.requests == []


def test_a_token_server_that_goes_on_failing_is_asked_more_rarely(
    serve: Callable[..., LoopbackServer], access_tokens: AccessTokens, clock: Clock
) -> None:
    server = serve(answer(503))
    plan = plan_for(server)
    failure_of(access_tokens, plan)
    account = access_tokens._account(plan)
    for pause in (10, 20, 40, 60, 60):
        clock.now = account.quiet_until
        failure_of(access_tokens, plan)
        assert account.quiet_until - clock.now == pause
    server.reply = grant("t1")
    clock.now = account.quiet_until
    # The circuit of the one door out is open by now; it closes by its own time.
    close_circuit("webhooks", account.client.credential)
    assert token_of(access_tokens, plan) == "t1"
    assert account.failures == 0


def test_credentials_that_were_replaced_are_forgotten(
    serve: Callable[..., LoopbackServer],
    access_tokens: AccessTokens,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(access, "MOST_ACCOUNTS", 3)
    server = serve(grant("t1"))
    for number in range(10):
        token_of(access_tokens, plan_for(server, client_id=f"client {number}"))
    assert len(access_tokens._accounts) <= 3


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (3600, 3600),
        ("3600", 3600),
        (None, access.DEFAULT_LIFETIME),
        ("soon", access.DEFAULT_LIFETIME),
        (-5, 1),
        (1e300, access.LONGEST_LIFETIME),
        ("nan", access.DEFAULT_LIFETIME),
        ("inf", access.DEFAULT_LIFETIME),
    ],
)
def test_odd_lifetimes(told: object, seconds: float) -> None:
    assert access._seconds(told) == seconds


def test_an_error_that_is_not_ours_is_only_named() -> None:
    told = access._told(KeyError(CLIENT_SECRET))
    assert told.message == "No access token: the request for it failed."


def test_the_threads_leave_no_connection_behind(
    serve: Callable[..., LoopbackServer],
    access_tokens: AccessTokens,
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite counts no connections")
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"

    def connections_now() -> int:
        with connection.cursor() as cursor:
            cursor.execute(count)
            return int(cursor.fetchone()[0])

    before = connections_now()
    for number in range(5):
        token_of(access_tokens, plan_for(serve(grant(f"t{number}"))))
    assert wait_until(lambda: connections_now() <= before)
