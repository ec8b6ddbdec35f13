"""The circuit breaker, by itself and in the client."""

from __future__ import annotations

import pytest

from integrations.exceptions import TransportError
from integrations.outbound import BreakerState, breaker_states
from integrations.outbound.breaker import LocalBreaker
from tests.outbound.conftest import get, limits, pay
from tests.outbound.servers import answer, drop

KEY = ("mpesa", "c1")


class Clock:
    """Time that moves when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def _opened(clock):
    breaker = LocalBreaker(threshold=5, open_seconds=30, clock=clock)
    for _ in range(5):
        breaker.check(KEY)
        breaker.failure(KEY)
    return breaker


def _refuses(breaker, key=KEY):
    with pytest.raises(TransportError) as caught:
        breaker.check(key)
    return (caught.value.sent, caught.value.code) == (False, "breaker_open")


def test_it_opens_after_five_failures_in_a_row():
    breaker = LocalBreaker(clock=Clock())
    for _ in range(4):
        breaker.failure(KEY)
    breaker.check(KEY)
    breaker.failure(KEY)
    assert _refuses(breaker)
    assert breaker.states() == {KEY: BreakerState.OPEN}
    breaker.check(("mpesa", "other"))


def test_a_success_between_failures_keeps_it_closed():
    breaker = LocalBreaker(clock=Clock())
    for _ in range(3):
        for _ in range(4):
            breaker.failure(KEY)
        breaker.success(KEY)
    breaker.check(KEY)
    assert breaker.states() == {KEY: BreakerState.CLOSED}


def test_after_its_time_a_single_probe_decides():
    clock = Clock()
    breaker = _opened(clock)
    clock.now = 29.9
    assert _refuses(breaker)
    clock.now = 30.0
    breaker.check(KEY)
    assert breaker.states() == {KEY: BreakerState.HALF_OPEN}
    assert _refuses(breaker)
    breaker.failure(KEY)
    assert breaker.states() == {KEY: BreakerState.OPEN}
    clock.now = 59.0
    assert _refuses(breaker)
    clock.now = 60.0
    breaker.check(KEY)
    breaker.success(KEY)
    breaker.check(KEY)
    assert breaker.states() == {KEY: BreakerState.CLOSED}


def test_a_probe_that_told_nothing_makes_room_for_another():
    clock = Clock()
    breaker = _opened(clock)
    clock.now = 30.0
    breaker.check(KEY)
    breaker.release(KEY)
    breaker.check(KEY)


def test_a_probe_that_never_reports_is_given_up():
    clock = Clock()
    breaker = _opened(clock)
    clock.now = 30.0
    breaker.check(KEY)
    clock.now = 59.0
    assert _refuses(breaker)
    clock.now = 60.0
    breaker.check(KEY)


def test_a_dead_provider_is_left_alone(serve, client_for):
    server = serve(drop)
    client = client_for(server)
    codes = []
    for _ in range(8):
        with pytest.raises(TransportError) as caught:
            client.send(pay(server))
        codes.append((caught.value.sent, caught.value.code))
    assert codes == [(True, "connection_lost")] * 5 + [(False, "breaker_open")] * 3
    assert len(server.requests) == 5
    assert breaker_states() == {KEY: BreakerState.OPEN}
    server.reply = answer()
    assert client_for(server, credential="c2").send(pay(server)).status == 200


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_refusals_never_open_it(serve, client_for, status):
    server = serve(answer(status))
    client = client_for(server)
    for _ in range(7):
        assert client.send(pay(server)).status == status


def test_neither_a_huge_answer_nor_our_own_haste_opens_it(serve, client_for):
    server = serve(answer(200, b"x" * 100))
    client = client_for(server)
    for _ in range(7):
        with pytest.raises(TransportError, match="larger"):
            client.send(get(server, limits=limits(max_bytes=10)))
        with pytest.raises(TransportError, match="time was over"):
            client.send(get(server, deadline=0))
    assert client.send(get(server)).status == 200


def test_the_client_closes_it_again_when_the_probe_is_answered(serve, client_for):
    server, clock = serve(drop), Clock()
    client = client_for(server, breaker=_opened(clock))
    with pytest.raises(TransportError, match="several times"):
        client.send(pay(server))
    clock.now, server.reply = 31.0, answer()
    assert client.send(pay(server)).status == 200
    assert client.send(pay(server)).status == 200
