"""Many questions at once against a gateway that arrests spikes, over real HTTP."""

from __future__ import annotations

import threading
import time
from collections import Counter
from http.client import HTTPConnection
from typing import Any

from integrations.config import get_snapshot
from integrations.exceptions import TransportError
from integrations.models import MpesaSettings, Payment
from integrations.outbound import Response, gate, provider_states
from integrations.outbound.limiter import BRAKE_GAP
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.providers.mpesa.client import DarajaClient, is_throttled
from integrations.providers.mpesa.client import stk as daraja
from tests.conftest import PHONE, clear_shared, run_work
from tests.outbound.conftest import at_once
from tests.sandbox.driver import SandboxDriver

ALLOWED = 20


class Wire:
    """When each thread's last request left, and when its answer came (monotonic)."""

    def __init__(self, monkeypatch: Any) -> None:
        self.left: dict[int, float] = {}
        self.heard: dict[int, float] = {}
        begin, read = HTTPConnection.putrequest, HTTPConnection.getresponse

        def putrequest(connection: HTTPConnection, *rest: Any, **more: Any) -> None:
            self.left[threading.get_ident()] = time.monotonic()
            begin(connection, *rest, **more)

        def getresponse(connection: HTTPConnection) -> Any:
            answer = read(connection)
            self.heard[threading.get_ident()] = time.monotonic()
            return answer

        monkeypatch.setattr(HTTPConnection, "putrequest", putrequest)
        monkeypatch.setattr(HTTPConnection, "getresponse", getresponse)


def test_a_burst_of_questions_ends_with_few_refusals(
    mpesa: MpesaSettings, sandbox: SandboxDriver, monkeypatch: Any
) -> None:
    """60 at once, a gateway that lets 20 through in a second, settings that say 30."""
    mpesa.requests_per_second = 30
    mpesa.save()
    config = get_snapshot("mpesa")
    DarajaClient(config).check()
    sandbox.fault("spike_arrest", operation="stk_query", times=None, per_second=ALLOWED)
    wire = Wire(monkeypatch)

    def ask(number: int) -> tuple[str, int]:
        answer = DarajaClient(config).stk_query(f"ws_CO_{number}")
        return answer.error.code if answer.error else "", threading.get_ident()

    # How many are under way when the first refusal is heard is the machine's doing: ten of the
    # first thirty and more, or nearly all where it stood still. Then there is nothing to see.
    for _ in range(5):
        gate.local.forget()
        clear_shared()
        begun = time.monotonic()
        answers = at_once(60, ask)
        codes = Counter(code for code, _thread in answers)
        refused = [thread for code, thread in answers if code == "500.003.02"]
        assert refused
        assert codes == {"500.003.02": len(refused), "500.001.1001": 60 - len(refused)}
        told_at = min(wire.heard[thread] for thread in refused)
        later = {thread for _, thread in answers if wire.left[thread] > told_at + BRAKE_GAP / 2}
        if len(later) >= 10:
            break
    assert len(later) >= 10, codes
    # At an unchanged rate all of them would be refused.
    assert len(later.intersection(refused)) <= 5, codes
    [state] = provider_states().providers
    assert state.rate == 30.0
    assert state.rate_now < 30.0
    assert state.circuit == "closed"
    assert time.monotonic() - begun < daraja.ASK_LIMITS.total


def test_a_question_that_would_wait_past_its_deadline_is_refused_at_once(
    mpesa: MpesaSettings, sandbox: SandboxDriver, monkeypatch: Any
) -> None:
    mpesa.requests_per_second = 1
    mpesa.save()
    config = get_snapshot("mpesa")
    DarajaClient(config).check()
    limits = daraja.ASK_LIMITS
    monkeypatch.setattr(daraja, "ASK_LIMITS", type(limits)(connect=5, read=5, total=1.5))

    def ask(number: int) -> tuple[str, float]:
        begun = time.monotonic()
        try:
            DarajaClient(config).stk_query(f"ws_CO_{number}")
        except TransportError as error:
            return error.code, time.monotonic() - begun
        return "", time.monotonic() - begun

    told = at_once(8, ask)
    assert all(seconds < 1.5 + 1.0 for _code, seconds in told)
    assert Counter(code for code, _seconds in told)["rate_limited"] >= 6


def test_a_push_that_runs_into_a_spike_arrest_is_not_sent_again(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("spike_arrest", operation="stk_push", times=None, per_second=0)
    success, _text, _data = MpesaPaymentService.initiate_stk_push(PHONE, 10, "INV001")
    run_work("payments")
    assert success is False
    assert sandbox.counters()["stk_push"] == 1
    assert Payment.objects.get().state in ("failed", "unknown")
    assert provider_states().providers[0].slowed_until is not None


def test_the_answers_that_mean_too_many() -> None:
    def told(status: int, body: bytes) -> bool:
        return is_throttled(Response(status, {}, body, 0.0))  # type: ignore[arg-type]

    apigee = (
        b'{"fault":{"faultstring":"Spike arrest violation. Allowed rate : 5ps","detail":'
        b'{"errorcode":"policies.ratelimit.SpikeArrestViolation"}}}'
    )
    assert told(500, b'{"errorCode":"500.003.02","errorMessage":"x"}')
    assert told(500, b'{"errorCode":"500.003.03"}')
    assert told(500, apigee)
    assert told(200, apigee)
    assert told(429, b"<html>")
    other = [b"", b"<html>", b"[]", b'{"fault":"x"}', b'{"fault":{"detail":7}}']
    other += [b'{"fault":{"detail":{"errorcode":null}}}', b'{"errorCode":"500.001.1001"}']
    assert not any(told(500, body) for body in other)
