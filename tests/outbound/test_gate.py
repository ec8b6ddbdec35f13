"""Limiter and breaker together, and the scripts of Redis beside the rules they follow."""

from __future__ import annotations

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from integrations.exceptions import TransportError
from integrations.outbound.breaker import Verdict
from integrations.outbound.gate import Gate
from integrations.outbound.local_gate import LocalState
from integrations.outbound.redis_gate import RedisState
from integrations.outbound.redis_link import RedisLink, link
from tests.outbound.conftest import Clock

KEY = ("mpesa", "c1")


def _fail(gate, times):
    for _ in range(times):
        gate.report(gate.admit(KEY, max_wait=0), Verdict.FAILED)


def test_an_open_circuit_takes_no_place(gate_for, clock):
    gate = gate_for(clock, (1.0, 6.0))
    _fail(gate, 5)
    for _ in range(3):
        with pytest.raises(TransportError, match="several times"):
            gate.admit(KEY, max_wait=0)
    gate.close(KEY)
    gate.admit(KEY, max_wait=0)
    with pytest.raises(TransportError, match="Too many"):
        gate.admit(KEY, max_wait=0)


def test_a_circuit_that_opened_during_the_wait_refuses_the_call(gate_for, clock):
    gate = gate_for(clock, (1.0, 5.0))
    tickets = [gate.admit(KEY, max_wait=0) for _ in range(5)]

    def meanwhile(seconds):
        clock.now += seconds
        for ticket in tickets:
            gate.report(ticket, Verdict.FAILED)

    with pytest.raises(TransportError) as caught:
        gate.admit(KEY, max_wait=9, sleep=meanwhile)
    assert caught.value.code == "breaker_open"


def test_a_probe_that_has_to_wait_for_its_place_is_still_a_single_one(gate_for, clock):
    gate = gate_for(clock, (0.1, 5.0))
    _fail(gate, 5)
    clock.now = 30.0
    for _ in range(3):
        gate.admit(("mpesa", "other"), max_wait=0)
    probes = [gate.admit(KEY, max_wait=0)]
    with pytest.raises(TransportError, match="several times"):
        gate.admit(KEY, max_wait=99, sleep=lambda seconds: None)
    gate.report(probes[0], Verdict.ANSWERED)
    gate.admit(KEY, max_wait=0)


def test_one_call_in_a_clean_circuit_is_one_round_trip(empty_redis, monkeypatch):
    gate = Gate(LocalState(), RedisState(link))
    gate.report(gate.admit(KEY, max_wait=0), Verdict.ANSWERED)  # the first one brings the script
    asked = []
    original = RedisLink.ask
    monkeypatch.setattr(
        RedisLink, "ask", lambda self, *command: asked.append(command) or original(self, *command)
    )
    gate.report(gate.admit(KEY, max_wait=0), Verdict.ANSWERED)
    assert [command[0] for command in asked] == ["EVALSHA"]


def test_what_is_kept_in_redis_ends_by_itself(empty_redis):
    gate = Gate(LocalState(), RedisState(link))
    ticket = gate.admit(KEY, max_wait=0)
    client = empty_redis.client()
    [name] = client.keys()
    assert 3500 < client.ttl(name) <= 3600
    client.flushall()
    gate.report(ticket, Verdict.FAILED)
    assert 3500 < client.ttl(name) <= 3600


class Twins(RuleBasedStateMachine):
    """One gate in this process and one in Redis, told the same at the same moments."""

    @initialize(rate=st.sampled_from([(0.5, 1.0), (1.0, 2.5), (3.0, 8.0), (1e6, 1e6)]))
    def begin(self, rate):
        link.ask("FLUSHALL")
        self.clock, self.tickets, self.waits = Clock(), [], []
        self.rate = rate
        self.states = (LocalState(clock=self.clock), RedisState(link, clock=self.clock))

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.3, 1.0, 9.7, 29.999, 30.0, 31.0]))
    def time_goes_by(self, seconds):
        self.clock.now += seconds

    @rule(max_wait=st.sampled_from([0.0, 0.5, 20.0]), has_place=st.booleans())
    def admit(self, max_wait, has_place):
        rate = None if has_place else self.rate
        mine, shared = (_asked(state, rate, max_wait) for state in self.states)
        assert mine[0] == shared[0]
        self.compare(mine, shared)

    def compare(self, mine, shared):
        if mine[0] == "Ticket":
            self.tickets.append((mine[1], shared[1]))
            return
        assert mine[1:] == shared[1:]
        if mine[0] == "Wait":
            self.waits.append(mine[1])

    @rule(max_wait=st.sampled_from([0.0, 0.5, 20.0]), pick=st.integers(0, 99))
    def ask_again(self, max_wait, pick):
        if not self.waits:
            return
        held = self.waits.pop(pick % len(self.waits))
        mine, shared = (_asked(state, self.rate, max_wait, held) for state in self.states)
        assert mine[0] == shared[0]
        self.compare(mine, shared)

    @rule(verdict=st.sampled_from(Verdict), pick=st.integers(0, 99))
    def report(self, verdict, pick):
        if not self.tickets:
            return
        tickets = self.tickets.pop(pick % len(self.tickets))
        for state, ticket in zip(self.states, tickets, strict=True):
            state.heed(ticket, verdict)

    @rule(times=st.integers(1, 5))
    def fail(self, times):
        for _ in range(times):
            self.admit(0.0, True)
            self.report(Verdict.FAILED, -1)

    @rule()
    def close(self):
        for state in self.states:
            state.close(KEY)

    @rule()
    def look(self):
        mine, shared = (state.standings().get(KEY) for state in self.states)
        if mine is None or shared is None:
            return
        assert mine.circuit.state == shared.circuit.state
        assert mine.circuit.seconds_left(mine.now) == shared.circuit.seconds_left(shared.now)
        if mine.bucket is not None:
            assert mine.bucket == shared.bucket


def _asked(state, rate, max_wait, held=None):
    try:
        answer = state.admit(KEY, rate, max_wait=max_wait, held=held)
    except TransportError as error:
        return "refused", error.code
    return type(answer).__name__, answer


def test_redis_decides_as_this_process_would(empty_redis):
    run_state_machine_as_test(
        Twins,
        settings=hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None),
    )
