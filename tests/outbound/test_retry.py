"""What is made again, what never is, and how long is waited between."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from integrations.exceptions import TransportError
from integrations.outbound import Call, Client, resolver, retry
from tests.outbound.conftest import get, limits, pay
from tests.outbound.servers import answer, drop, in_turn


@pytest.mark.parametrize("bad", [drop, answer(500), answer(502), answer(503), answer(429)])
def test_an_idempotent_call_is_made_again(serve, client_for, sleeps, bad):
    server = serve(in_turn(bad, bad, answer(200)))
    # What slows everybody down after a 429 has tests of its own; here it would add waits.
    answered = client_for(server).send(get(server, retry=3), throttled=lambda _: False)
    assert answered.status == 200
    assert len(server.requests) == 3
    assert len(sleeps) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_money_post_is_never_made_again_after_an_answer(serve, client_for, sleeps, status):
    server = serve(in_turn(answer(status), answer(200)))
    assert client_for(server).send(pay(server, retry=5)).status == status
    assert (len(server.requests), sleeps) == (1, [])


def test_a_money_post_is_never_made_again_after_a_lost_answer(serve, client_for, sleeps):
    server = serve(in_turn(drop, answer(200)))
    with pytest.raises(TransportError):
        client_for(server).send(pay(server, retry=5))
    assert (len(server.requests), sleeps) == (1, [])


def test_a_money_post_that_provably_did_not_leave_is_made_again(serve, client_for, sleeps):
    server = serve()
    tries = []

    def failing_twice(host, port):
        tries.append(host)
        if len(tries) < 3:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return resolver.system_lookup(host, port)

    with resolver.use_resolver(failing_twice):
        assert client_for(server).send(pay(server)).status == 200
    assert (len(server.requests), len(tries), len(sleeps)) == (1, 3, 2)


def test_attempts_are_bounded_and_the_last_answer_is_returned(serve, client_for):
    server = serve(answer(503, b'{"errorCode": "500.003.02"}'))
    assert client_for(server).send(get(server, retry=3)).json()["errorCode"] == "500.003.02"
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [200, 302, 400, 401, 404])
def test_a_decided_answer_is_not_asked_for_again(serve, client_for, status):
    server = serve(answer(status))
    client_for(server).send(get(server, retry=3))
    assert len(server.requests) == 1


def test_a_5xx_that_the_provider_layer_reads_as_an_answer_is_not_asked_for_again(serve, client_for):
    server = serve(answer(500, b'{"errorCode": "500.001.1001"}'))
    pending = client_for(server).send(get(server, retry=3), classify=lambda r: ("ok", "", ""))
    assert (pending.status, len(server.requests)) == (500, 1)


def test_retry_after_is_honoured_and_clamped(serve, client_for, sleeps):
    slow_down = answer(429, headers={"Retry-After": "7"})
    forever = answer(503, headers={"Retry-After": "86400"})
    server = serve(in_turn(slow_down, forever, answer(200)))
    client_for(server).send(get(server, retry=3), throttled=lambda _: False)
    assert sleeps == [7, 10]


def test_no_wait_reaches_beyond_the_deadline(serve, client_for, sleeps):
    server = serve(answer(429, headers={"Retry-After": "7"}))
    response = client_for(server).send(get(server, retry=3, limits=limits(total=5)))
    assert (response.status, len(server.requests), sleeps) == (429, 1, [])


def test_blocked_calls_are_not_tried_again():
    asked = []

    def internal(host, port):
        asked.append(host)
        return [resolver.Address(socket.AF_INET, socket.SOCK_STREAM, 6, ("10.0.0.1", port))]

    client = Client("mpesa", credential="c", hosts=frozenset({"api.example.com:443"}))
    with resolver.use_resolver(internal), pytest.raises(TransportError) as caught:
        client.send(Call("q", "GET", "https://api.example.com/", idempotent=True))
    assert (caught.value.code, len(asked)) == ("blocked_address", 1)


def test_jitter_is_full_and_its_bound_doubles_up_to_the_cap():
    for attempt, bound in ((1, 0.2), (2, 0.4), (3, 0.8), (6, 5.0), (500, 5.0)):
        waits = [retry.backoff(attempt) for _ in range(400)]
        assert 0 <= min(waits) < bound * 0.1
        assert bound * 0.9 < max(waits) <= bound


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3", 3), (" 3 ", 3), ("0", 0), ("-3", 0), ("3.5", 0), ("", 0), ("soon", 0), ("9" * 30, 0)],
)
def test_retry_after_in_seconds(text, seconds):
    assert retry.retry_after(text) == seconds


def test_retry_after_as_a_date():
    now = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
    with time_machine.travel(now, tick=False):
        soon = format_datetime(now + timedelta(seconds=4), usegmt=True)
        assert retry.retry_after(soon) == pytest.approx(4)
        assert retry.retry_after(format_datetime(now - timedelta(hours=1), usegmt=True)) == 0
        assert retry.retry_after(format_datetime(now + timedelta(days=9), usegmt=True)) == 10
        assert retry.retry_after("Fri, 01 May 2026 12:00:04 -0000") == pytest.approx(4)


@given(st.text(max_size=60))
def test_no_retry_after_can_park_or_break_a_call(text):
    assert 0 <= retry.retry_after(text) <= retry.MAX_RETRY_AFTER
