"""The token bucket, by itself and in the client; in this process and in Redis."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations.exceptions import ConfigurationError, TransportError
from integrations.outbound.limiter import configured_rate
from tests.outbound.conftest import Clock, limits, pay

KEY = ("mpesa", "c1")
RATE = (10.0, 3.0)


def _wait(gate, key=KEY, *, max_wait=9.0):
    """The seconds that a call had to wait, without waiting."""
    waits = []
    gate.admit(key, max_wait=max_wait, sleep=waits.append)
    return sum(waits)


def test_a_burst_goes_at_once_and_then_the_rate_holds(gate_for, clock):
    gate = gate_for(clock, RATE)
    assert [_wait(gate) for _ in range(6)] == pytest.approx([0, 0, 0, 0.1, 0.2, 0.3])


def test_the_bucket_fills_with_time_and_no_further_than_the_burst(gate_for, clock):
    gate = gate_for(clock, RATE)
    for _ in range(3):
        _wait(gate, max_wait=0)
    clock.now = 0.1
    assert _wait(gate, max_wait=0) == 0
    clock.now = 1000.0
    assert [_wait(gate) for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])


def test_a_wait_beyond_the_deadline_is_refused_and_takes_no_place(gate_for, clock):
    gate = gate_for(clock, RATE)
    for _ in range(3):
        _wait(gate, max_wait=0)
    for _ in range(5):
        with pytest.raises(TransportError) as caught:
            _wait(gate, max_wait=0.05)
        assert (caught.value.sent, caught.value.code) == (False, "rate_limited")
    assert _wait(gate, max_wait=1) == pytest.approx(0.1)


def test_credentials_do_not_share_a_bucket(gate_for, clock):
    gate = gate_for(clock, (10.0, 1.0))
    assert _wait(gate, max_wait=0) == 0
    assert _wait(gate, ("mpesa", "c2"), max_wait=0) == 0


def test_a_new_rate_holds_at_once(gate_for, clock):
    before = gate_for(clock, RATE)
    for _ in range(5):
        _wait(before)
    clock.now = 0.2
    assert _wait(before) == pytest.approx(0.1)
    # In one process each of these gates has a bucket of its own.
    if gate_for(clock, RATE).standings():
        assert _wait(gate_for(clock, (1.0, 3.0))) == pytest.approx(2.0)


def test_a_clock_that_was_set_back_empties_no_bucket(gate_for, clock):
    clock.now = 3600.0
    gate = gate_for(clock, RATE)
    _wait(gate)
    clock.now = 0.0
    assert [_wait(gate) for _ in range(3)] == pytest.approx([0, 0, 0.1])
    clock.now = 0.1
    assert _wait(gate) == pytest.approx(0.1)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1)), max_size=60))
def test_no_window_ever_holds_more_than_burst_plus_rate(gate_for, steps):
    clock = Clock()
    gate = gate_for(clock, RATE)
    key = ("mpesa", f"{time.monotonic_ns()}")
    starts = []
    for pause, patience in steps:
        clock.now += pause
        try:
            starts.append(clock.now + _wait(gate, key, max_wait=patience))
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


def test_the_client_waits_for_its_place(gate_for, serve, client_for, sleeps):
    server = serve()
    client = client_for(server, gate=gate_for(rate=(0.2, 1)))
    client.send(pay(server))
    client.send(pay(server))
    assert sleeps == [pytest.approx(5, abs=2)]


def test_the_wait_is_real(gate_for, serve, client_for):
    server = serve()
    client = client_for(server, gate=gate_for(rate=(3, 1)), sleep=time.sleep)
    started = time.monotonic()
    client.send(pay(server))
    client.send(pay(server))
    assert time.monotonic() - started >= 0.3


def test_the_client_refuses_what_could_not_leave_before_the_deadline(gate_for, serve, client_for):
    server = serve()
    client = client_for(server, gate=gate_for(rate=(0.1, 1)))
    client.send(pay(server))
    with pytest.raises(TransportError) as caught:
        client.send(pay(server, limits=limits(total=5)))
    assert (caught.value.sent, caught.value.code) == (False, "rate_limited")
    assert len(server.requests) == 1


def test_a_caller_may_choose_to_be_refused_instead_of_waiting(gate_for, serve, client_for, sleeps):
    server = serve()
    client = client_for(server, gate=gate_for(rate=(0.5, 1)))
    hasty = pay(server, limits=limits(place=0, total=9))
    client.send(hasty)
    for _ in range(3):
        with pytest.raises(TransportError) as caught:
            client.send(hasty)
        assert (caught.value.sent, caught.value.code) == (False, "rate_limited")
    assert sleeps == []
    client.send(pay(server, limits=limits(total=9)))
    assert sleeps == [pytest.approx(2, abs=0.5)]
    assert len(server.requests) == 2
