"""The circuit breaker, by itself and in the client; in this process and in Redis."""

from __future__ import annotations

import pytest

from integrations.exceptions import TransportError
from integrations.outbound import BreakerState, provider_states
from integrations.outbound.breaker import Verdict
from tests.outbound.conftest import get, limits, pay
from tests.outbound.servers import answer, drop

KEY = ("mpesa", "c1")
ANSWERED, FAILED, NOTHING = Verdict.ANSWERED, Verdict.FAILED, Verdict.NOTHING


def _enter(gate, key=KEY):
    return gate.admit(key, max_wait=0)


def _call(gate, verdict, key=KEY):
    gate.report(_enter(gate, key), verdict)


def _opened(gate):
    for _ in range(5):
        _call(gate, FAILED)
    return gate


def _refuses(gate, key=KEY):
    with pytest.raises(TransportError) as caught:
        _enter(gate, key)
    return (caught.value.sent, caught.value.code) == (False, "breaker_open")


def _states(gate):
    return {key: standing.circuit.state for key, standing in gate.standings().items()}


def test_it_opens_after_five_failures_in_a_row(gate_for, clock):
    gate = gate_for(clock)
    for _ in range(4):
        _call(gate, FAILED)
    _call(gate, NOTHING)
    _call(gate, FAILED)
    assert _refuses(gate)
    _enter(gate, ("mpesa", "other"))
    assert _states(gate) == {KEY: BreakerState.OPEN, ("mpesa", "other"): BreakerState.CLOSED}


def test_a_success_between_failures_keeps_it_closed(gate_for, clock):
    gate = gate_for(clock)
    for _ in range(3):
        for _ in range(4):
            _call(gate, FAILED)
        _call(gate, ANSWERED)
    _enter(gate)
    assert _states(gate) == {KEY: BreakerState.CLOSED}


def test_an_answer_counts_by_its_end_also_when_its_call_began_before_the_failures(gate_for, clock):
    gate = gate_for(clock)
    early = [_enter(gate) for _ in range(3)]
    for ticket in early:
        for _ in range(2):
            _call(gate, FAILED)
        clock.now += 1
        gate.report(ticket, ANSWERED)
    for _ in range(4):
        _call(gate, FAILED)
    _enter(gate)
    _call(gate, FAILED)
    assert _refuses(gate)


def test_after_its_time_a_single_probe_decides(gate_for, clock):
    gate = _opened(gate_for(clock))
    clock.now = 29.9
    assert _refuses(gate)
    clock.now = 30.0
    probe = _enter(gate)
    assert _states(gate) == {KEY: BreakerState.HALF_OPEN}
    assert _refuses(gate)
    gate.report(probe, FAILED)
    assert _states(gate) == {KEY: BreakerState.OPEN}
    clock.now = 59.0
    assert _refuses(gate)
    clock.now = 60.0
    probe = _enter(gate)
    gate.report(probe, ANSWERED)
    _enter(gate)
    assert _states(gate) == {KEY: BreakerState.CLOSED}


def test_a_closed_circuit_has_forgotten_its_failures(gate_for, clock):
    gate = _opened(gate_for(clock))
    clock.now = 30.0
    _call(gate, ANSWERED)
    for _ in range(4):
        _call(gate, FAILED)
    _enter(gate)


def test_a_probe_that_told_nothing_makes_room_for_another(gate_for, clock):
    gate = _opened(gate_for(clock))
    clock.now = 30.0
    _call(gate, NOTHING)
    _enter(gate)
    assert _refuses(gate)


def test_a_probe_that_never_reports_is_given_up(gate_for, clock):
    gate = _opened(gate_for(clock))
    clock.now = 30.0
    lost = _enter(gate)
    clock.now = 59.0
    assert _refuses(gate)
    clock.now = 60.0
    _enter(gate)
    for verdict in Verdict:
        gate.report(lost, verdict)
        assert _refuses(gate)
    assert _states(gate) == {KEY: BreakerState.HALF_OPEN}


def test_late_verdicts_of_old_calls_neither_prolong_nor_end_an_open_circuit(gate_for, clock):
    gate = gate_for(clock)
    old = [_enter(gate) for _ in range(9)]
    for ticket in old[:5]:
        gate.report(ticket, FAILED)
    clock.now = 20.0
    gate.report(old[5], FAILED)
    gate.report(old[6], NOTHING)
    gate.report(old[7], ANSWERED)
    assert _refuses(gate)
    clock.now = 30.0
    probe = _enter(gate)
    gate.report(old[8], FAILED)
    assert _states(gate) == {KEY: BreakerState.HALF_OPEN}
    gate.report(probe, ANSWERED)
    _enter(gate)


def test_late_failures_of_old_calls_do_not_open_a_circuit_that_was_closed_since(gate_for, clock):
    gate = gate_for(clock)
    old = [_enter(gate) for _ in range(10)]
    for ticket in old[:5]:
        gate.report(ticket, FAILED)
    clock.now = 30.0
    _call(gate, ANSWERED)
    for ticket in old[5:]:
        gate.report(ticket, FAILED)
    _enter(gate)
    assert gate.standings()[KEY].circuit.failures == 0


def test_it_can_be_closed_by_hand(gate_for, clock):
    gate = _opened(gate_for(clock))
    gate.close(KEY)
    for _ in range(4):
        _call(gate, FAILED)
    _enter(gate)


def test_a_clock_that_was_set_back_keeps_no_circuit_open(gate_for, clock):
    clock.now = 3600.0
    gate = _opened(gate_for(clock))
    clock.now = 0.0
    _enter(gate)


def test_a_dead_provider_is_left_alone(sharing, serve, client_for):
    server = serve(drop)
    client = client_for(server)
    codes = []
    for _ in range(8):
        with pytest.raises(TransportError) as caught:
            client.send(pay(server))
        codes.append((caught.value.sent, caught.value.code))
    assert codes == [(True, "connection_lost")] * 5 + [(False, "breaker_open")] * 3
    assert len(server.requests) == 5
    [state] = provider_states().providers
    assert (state.provider, state.credential, state.circuit) == (*KEY, BreakerState.OPEN)
    server.reply = answer()
    assert client_for(server, credential="c2").send(pay(server)).status == 200


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_refusals_never_open_it(serve, client_for, status):
    server = serve(answer(status))
    client = client_for(server)
    for _ in range(7):
        assert client.send(pay(server)).status == status


def test_neither_a_huge_answer_nor_our_own_haste_opens_it(sharing, serve, client_for):
    server = serve(answer(200, b"x" * 100))
    client = client_for(server)
    for _ in range(7):
        with pytest.raises(TransportError, match="larger"):
            client.send(get(server, limits=limits(max_bytes=10)))
        with pytest.raises(TransportError, match="time was over"):
            client.send(get(server, deadline=0))
    assert client.send(get(server)).status == 200


def test_the_client_closes_it_again_when_the_probe_is_answered(gate_for, clock, serve, client_for):
    server = serve(drop)
    client = client_for(server, gate=_opened(gate_for(clock)))
    with pytest.raises(TransportError, match="several times"):
        client.send(pay(server))
    clock.now, server.reply = 31.0, answer()
    assert client.send(pay(server)).status == 200
    assert client.send(pay(server)).status == 200
