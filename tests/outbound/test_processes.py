"""Real processes that share Redis: one token request, one rate, one circuit."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter

import pytest

from integrations.exceptions import TransportError
from integrations.outbound import BreakerState, provider_states
from integrations.outbound.breaker import OPEN_SECONDS
from integrations.outbound.redis_link import link
from integrations.outbound.tokens import TokenCache
from tests.conftest import wait_until
from tests.outbound import herd
from tests.outbound.conftest import get, limits, pay
from tests.outbound.servers import answer, drop

pytestmark = [
    pytest.mark.usefixtures("empty_redis", "environment_keys"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
]


class TokenServer:
    """Issues t1, t2, …, accepts the newest alone, and knows who asked."""

    def __init__(self, serve, *, pause=0.1):
        self.pause, self.askers, self.before_issue = pause, [], lambda: None
        self.newest = 0
        self.server = serve(self)

    def __call__(self, handler, request):
        if request.path == "/oauth":
            self.askers.append(int(request.headers["X-Pid"]))
            self.newest += 1
            body = {"access_token": f"t{self.newest}", "expires_in": "3599"}
            self.before_issue()
            time.sleep(self.pause)
            return answer(200, json.dumps(body).encode())(handler, request)
        is_good = request.headers["Authorization"] == f"Bearer t{self.newest}"
        return answer(200 if is_good else 401, b"{}")(handler, request)

    def pay(self, client, **kwargs):
        """The status of a payment that gets a token first where it needs one."""

        def fetch(deadline):
            header = {"X-Pid": str(os.getpid())}
            call = get(self.server, "/oauth", headers=header, deadline=deadline)
            return client.send(call).json()["access_token"], 3599

        call = pay(self.server, limits=limits(total=15, read=10))
        return client.send(call, authorize=fetch, rejects_token=lambda r: r.status == 401).status


def test_eight_processes_without_a_token_send_one_token_request(serve, client_for):
    provider = TokenServer(serve)
    client = client_for(provider.server)
    assert herd.run(8, lambda _: provider.pay(client)) == [200] * 8
    assert len(provider.askers) == 1
    assert len(provider.server.requests) == 1 + 8


def test_eight_processes_with_a_token_that_ended_send_one_token_request(serve, client_for):
    now = [time.time()]
    provider = TokenServer(serve)
    cache = TokenCache(clock=lambda: now[0])
    client = client_for(provider.server, token_cache=cache)
    assert provider.pay(client) == 200
    now[0] += 3600
    # Redis counts real time; by the processes' clock its copy has ended as well.
    assert herd.run(8, lambda _: provider.pay(client)) == [200] * 8
    assert len(provider.askers) == 2


def test_eight_processes_with_a_rejected_token_send_one_token_request(serve, client_for):
    provider = TokenServer(serve)
    client = client_for(provider.server)
    assert provider.pay(client) == 200
    provider.newest += 1  # somebody else asked for a token, which ends ours
    # Each child holds the old token in its memory.
    assert herd.run(8, lambda _: provider.pay(client)) == [200] * 8
    assert len(provider.askers) == 2
    refused = len(provider.server.requests) - len(provider.askers) - 1 - 8
    assert 1 <= refused <= 8


def test_when_the_process_that_fetches_is_killed_another_takes_over(serve, client_for, monkeypatch):
    monkeypatch.setattr("integrations.outbound.token_store.LOCK_MS", 1500)
    monkeypatch.setattr("integrations.outbound.token_store.BEAT_SECONDS", 0.1)
    provider, may_issue = TokenServer(serve), threading.Event()
    provider.before_issue = lambda: may_issue.wait(10)
    client = client_for(provider.server)
    group = herd.Herd(8, lambda _: provider.pay(client))
    group.release()
    wait_until(lambda: provider.askers)
    time.sleep(1.8)  # longer than the lock: the heartbeat holds it
    assert len(provider.askers) == 1
    os.kill(provider.askers[0], signal.SIGKILL)
    wait_until(lambda: len(provider.askers) == 2, 10)
    may_issue.set()
    results = dict(zip(group.pids, group.results(), strict=True))
    assert results.pop(provider.askers[0]) is None
    assert list(results.values()) == [200] * 7
    assert len(provider.askers) == 2


def test_eight_processes_together_keep_the_rate(serve, client_for, settings):
    rate, burst = 25.0, 5.0
    settings.INTEGRATIONS_RATE_LIMITS = {"mpesa": [rate, burst]}
    arrivals = []

    def note(handler, request):
        arrivals.append(time.monotonic())
        answer()(handler, request)

    server = serve(note)
    client = client_for(server, sleep=time.sleep)
    group = herd.Herd(8, lambda _: [client.send(pay(server)).status for _ in range(5)])
    begun = group.release()
    assert group.results() == [[200] * 5] * 8
    assert len(arrivals) == 40
    # The bucket was full at the beginning, so that the n-th place can't be used any earlier.
    early = [
        (number, moment - begun)
        for number, moment in enumerate(sorted(arrivals), start=1)
        if moment - begun < (number - burst) / rate - 0.005
    ]
    assert early == []


def test_who_does_not_wait_is_refused_by_what_all_processes_took(serve, client_for, settings):
    settings.INTEGRATIONS_RATE_LIMITS = {"mpesa": [0.001, 10]}
    server = serve()
    client, patient = client_for(server), limits(place=0, read=10, total=15)

    def hurry(_):
        outcomes = []
        for _ in range(3):
            try:
                outcomes.append(client.send(pay(server, limits=patient)).status)
            except TransportError as error:
                outcomes.append(error.code)
        return outcomes

    outcomes = Counter(one for each in herd.run(8, hurry) for one in each)
    assert outcomes == {200: 10, "rate_limited": 14}
    assert len(server.requests) == 10


def test_failures_spread_over_processes_open_the_circuit_for_all(serve, client_for):
    server = serve(drop)
    client = client_for(server)

    def try_once(_=0):
        try:
            return client.send(pay(server)).status
        except TransportError as error:
            return error.code

    for _ in range(5):
        assert herd.run(1, try_once) == ["connection_lost"]
    assert herd.run(8, try_once) == ["breaker_open"] * 8
    assert try_once() == "breaker_open"
    assert len(server.requests) == 5
    [state] = provider_states().providers
    assert (state.circuit, state.failures) == (BreakerState.OPEN, 5)


def test_of_eight_processes_one_probes(serve, client_for):
    server, is_well = serve(drop), threading.Event()
    client = client_for(server)

    def attempt(_=0):
        try:
            return client.send(pay(server, limits=limits(read=15, total=20))).status
        except TransportError as error:
            return error.code

    def answer_late(handler, request):
        is_well.wait(15)
        answer()(handler, request)

    for _ in range(5):
        attempt()
    assert attempt() == "breaker_open"
    link.ask("HINCRBYFLOAT", link.key("gate", "mpesa", "c1"), "opened", -OPEN_SECONDS)
    server.reply = answer_late
    group = herd.Herd(8, attempt)
    group.release()
    wait_until(lambda: group.ended() == 7, 15)
    is_well.set()
    assert Counter(group.results()) == {200: 1, "breaker_open": 7}
    assert len(server.requests) == 6
    assert herd.run(8, attempt) == [200] * 8
