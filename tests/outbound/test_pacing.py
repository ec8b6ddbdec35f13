"""A provider that says "too many": everybody slows down, nobody is shut out."""

from __future__ import annotations

from collections import Counter

import pytest

from integrations.exceptions import TransportError
from integrations.outbound import BreakerState, provider_states
from integrations.outbound.breaker import Verdict
from integrations.outbound.limiter import BRAKE_GAP, BRAKE_MOST, BRAKE_STEP, configured_rate
from tests.outbound import herd
from tests.outbound.conftest import at_once, get, limits, pay
from tests.outbound.servers import answer

KEY = ("mpesa", "c1")
RATE = (8.0, 4.0)
pytestmark = pytest.mark.usefixtures("environment_keys")


def _wait(gate, *, max_wait=1e6):
    waits = []
    gate.admit(KEY, max_wait=max_wait, sleep=waits.append)
    return sum(waits)


def _throttle(gate):
    gate.report(gate.admit(KEY, max_wait=1e6, sleep=lambda seconds: None), Verdict.THROTTLED)


def _empty(gate):
    """Use up the burst, so that waits tell the rate."""
    while _wait(gate) == 0:
        pass


def test_a_refusal_makes_a_pause_and_halves_the_rate(gate_for, clock):
    gate = gate_for(clock, RATE)
    _throttle(gate)
    assert [_wait(gate) for _ in range(3)] == pytest.approx([1.25, 1.5, 1.75])


def test_refusals_of_one_moment_count_once(gate_for, clock):
    gate = gate_for(clock, RATE)
    tickets = [gate.admit(KEY, max_wait=0) for _ in range(4)]
    for ticket in tickets:
        gate.report(ticket, Verdict.THROTTLED)
    assert gate.standings()[KEY].bucket.brakes == 1
    clock.now = BRAKE_GAP
    gate.report(tickets[0], Verdict.THROTTLED)
    assert gate.standings()[KEY].bucket.brakes == 2
    assert [_wait(gate) for _ in range(2)] == pytest.approx([1.5, 2.0])


def test_the_rate_recovers_step_by_step(gate_for, clock):
    gate = gate_for(clock, RATE)
    for _ in range(3):
        _throttle(gate)
        clock.now += BRAKE_GAP
    begun = clock.now - BRAKE_GAP
    found = []
    for step in range(5):
        clock.now = begun + step * BRAKE_STEP + 0.001
        _empty(gate)
        first, second = _wait(gate), _wait(gate)
        found.append(round(1 / (second - first), 3))
        clock.now += 5.0
    assert found == [1.0, 2.0, 4.0, 8.0, 8.0]


def test_there_is_a_slowest_rate(gate_for, clock):
    gate = gate_for(clock, RATE)
    for _ in range(BRAKE_MOST + 3):
        _throttle(gate)
        clock.now += BRAKE_GAP
    _empty(gate)
    assert 1 / (-_wait(gate) + _wait(gate)) == pytest.approx(RATE[0] / 2**BRAKE_MOST)


def test_who_waits_already_waits_on(gate_for, clock):
    """Without it, all who wait would run into the refusal at the old rate."""
    gate = gate_for(clock, (1.0, 1.0))
    ticket = gate.admit(KEY, max_wait=0)
    gate.admit(KEY, max_wait=9, sleep=lambda seconds: None)  # the first of the queue
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        clock.now += seconds / 2
        if len(waits) == 1:
            gate.report(ticket, Verdict.THROTTLED)
        clock.now += seconds / 2

    gate.admit(KEY, max_wait=9, sleep=sleep)
    # After one second of the two came a pause, and then a second half that takes twice as long.
    assert waits == pytest.approx([2.0, 2.0])


def test_a_caller_never_waits_past_its_deadline(gate_for, clock):
    gate = gate_for(clock, (1.0, 1.0))
    tickets = [gate.admit(KEY, max_wait=0)]
    for _ in range(3):
        gate.admit(KEY, max_wait=99, sleep=lambda seconds: None)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        gate.report(tickets[0], Verdict.THROTTLED)  # while it sleeps, the clock standing still

    with pytest.raises(TransportError) as caught:
        gate.admit(KEY, max_wait=5, sleep=sleep)
    assert (caught.value.code, caught.value.sent) == ("rate_limited", False)
    assert sum(slept) <= 5


def test_a_refusal_opens_no_circuit(gate_for, clock):
    gate = gate_for(clock, (1e6, 1e6))
    for _ in range(20):
        _throttle(gate)
    [standing] = gate.standings().values()
    assert standing.circuit.state is BreakerState.CLOSED
    assert standing.circuit.failures == 0


def test_a_refusal_is_an_answer_to_the_circuit(gate_for, clock):
    gate = gate_for(clock, (1e6, 1e6))
    for _ in range(5):
        gate.report(gate.admit(KEY, max_wait=0), Verdict.FAILED)
    clock.now = 30.0
    _throttle(gate)  # the probe
    assert gate.standings()[KEY].circuit.state is BreakerState.CLOSED


def test_other_credentials_go_on_as_before(gate_for, clock):
    gate = gate_for(clock, (1.0, 1.0))
    _throttle(gate)
    gate.admit(("mpesa", "c2"), max_wait=0)


def test_the_settings_of_the_credentials_give_the_rate_unless_the_operator_does(settings):
    assert configured_rate("mpesa", (3.0, 3.0)) == (3.0, 3.0)
    settings.INTEGRATIONS_RATE_LIMITS = {"mpesa": (50, 60)}
    assert configured_rate("mpesa", (3.0, 3.0)) == (50.0, 60.0)


def test_the_client_slows_down_on_429_and_an_operator_sees_it(sharing, serve, client_for):
    server = serve(answer(429, b"{}"))
    client = client_for(server, rate=(10.0, 10.0))
    assert client.send(pay(server)).status == 429
    assert len(server.requests) == 1  # a money call is not made again
    [state] = provider_states().providers
    assert (state.rate, state.rate_now, state.circuit) == (10.0, 5.0, BreakerState.CLOSED)
    assert state.slowed_until is not None


def test_a_money_call_is_not_repeated_and_a_question_is(sharing, serve, client_for):
    server = serve(answer(429, b"{}"))
    client = client_for(server, rate=(100.0, 100.0))
    client.send(pay(server, retry=3))
    assert len(server.requests) == 1
    client.send(get(server, retry=3, limits=limits(total=9)))
    assert len(server.requests) == 4


def test_a_reader_that_breaks_changes_no_outcome(sharing, serve, client_for):
    server = serve()
    client = client_for(server)
    assert client.send(pay(server), throttled=lambda response: 1 / 0).status == 200


def test_what_one_process_was_told_slows_all_of_them(empty_redis, serve, client_for):
    refused = serve(answer(429, b"{}"))
    server = serve()
    told = client_for(refused, rate=(40.0, 40.0))
    assert herd.run(1, lambda _: told.send(pay(refused)).status) == [429]
    hasty = pay(server, limits=limits(place=0))
    client = client_for(server, rate=(40.0, 40.0))

    def hurry(_):
        try:
            return client.send(hasty).status
        except TransportError as error:
            return error.code

    # The burst is gone for every process: nobody can go at once as if nothing had been said.
    assert Counter(at_once(8, hurry)) == {"rate_limited": 8}
