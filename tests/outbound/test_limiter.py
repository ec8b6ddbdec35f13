"""The token bucket, by itself and in the client."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.exceptions import ConfigurationError, TransportError
from integrations.outbound.limiter import LocalLimiter, configured_rate
from tests.outbound.conftest import limits, pay

KEY = ("mpesa", "c1")


class Clock:
    """Time that moves when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def _limiter(clock, per_second=10.0, burst=3.0):
    return LocalLimiter(rate=lambda provider: (per_second, burst), clock=clock)


def test_a_burst_goes_at_once_and_then_the_rate_holds():
    limiter = _limiter(Clock())
    waits = [limiter.reserve(KEY, max_wait=9) for _ in range(6)]
    assert waits == pytest.approx([0, 0, 0, 0.1, 0.2, 0.3])


def test_the_bucket_fills_with_time_and_no_further_than_the_burst():
    clock = Clock()
    limiter = _limiter(clock)
    for _ in range(3):
        limiter.reserve(KEY, max_wait=0)
    clock.now = 0.1
    assert limiter.reserve(KEY, max_wait=0) == 0
    clock.now = 1000.0
    assert [limiter.reserve(KEY, max_wait=9) for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])


def test_a_wait_beyond_the_deadline_is_refused_and_takes_no_place():
    limiter = _limiter(Clock())
    for _ in range(3):
        limiter.reserve(KEY, max_wait=0)
    for _ in range(5):
        with pytest.raises(TransportError) as caught:
            limiter.reserve(KEY, max_wait=0.05)
        assert (caught.value.sent, caught.value.code) == (False, "rate_limited")
    assert limiter.reserve(KEY, max_wait=1) == pytest.approx(0.1)


def test_credentials_do_not_share_a_bucket():
    limiter = _limiter(Clock(), burst=1)
    assert limiter.reserve(KEY, max_wait=0) == 0
    assert limiter.reserve(("mpesa", "c2"), max_wait=0) == 0


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1)), max_size=60))
def test_no_window_ever_holds_more_than_burst_plus_rate(steps):
    clock = Clock()
    limiter = _limiter(clock)
    starts = []
    for pause, patience in steps:
        clock.now += pause
        try:
            starts.append(clock.now + limiter.reserve(KEY, max_wait=patience))
        except TransportError:
            continue
    for begin in starts:
        assert len([one for one in starts if begin <= one < begin + 1]) <= 3 + 10 + 1


def test_rates_come_from_the_settings(settings):
    assert configured_rate("mpesa") == (10, 20)
    settings.INTEGRATIONS_RATE_LIMITS = {"mpesa": (2, 4)}
    assert configured_rate("mpesa") == (2, 4)
    assert configured_rate("kra") == (10, 20)
    settings.INTEGRATIONS_RATE_LIMITS = {"mpesa": (0, 4)}
    with pytest.raises(ConfigurationError):
        configured_rate("mpesa")


def test_the_client_waits_for_its_place(serve, client_for, sleeps):
    server = serve()
    client = client_for(server, limiter=_limiter(time.monotonic, per_second=0.2, burst=1))
    client.send(pay(server))
    client.send(pay(server))
    assert sleeps == [pytest.approx(5, abs=2)]


def test_the_wait_is_real(serve, client_for):
    server = serve()
    limiter = _limiter(time.monotonic, per_second=3, burst=1)
    client = client_for(server, limiter=limiter, sleep=time.sleep)
    started = time.monotonic()
    client.send(pay(server))
    client.send(pay(server))
    assert time.monotonic() - started >= 0.3


def test_the_client_refuses_what_could_not_leave_before_the_deadline(serve, client_for):
    server = serve()
    client = client_for(server, limiter=_limiter(Clock(), per_second=0.1, burst=1))
    client.send(pay(server))
    with pytest.raises(TransportError) as caught:
        client.send(pay(server, limits=limits(total=5)))
    assert (caught.value.sent, caught.value.code) == (False, "rate_limited")
    assert len(server.requests) == 1
