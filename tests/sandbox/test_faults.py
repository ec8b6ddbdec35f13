"""Faults on demand: what the network and the gateway can do to a call (sections 1-3, 20, 21)."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.sandbox.daraja import PHONE, Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.receiver import Receiver
from tests.sandbox.wire import assert_answer, load_wire

LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def test_a_dropped_connection_accepts_nothing(sandbox: SandboxDriver, shop: Shop) -> None:
    assert shop.token
    sandbox.fault("drop", operation="stk_push")
    with pytest.raises(LOST):
        shop.push()
    assert sandbox.prompts() == []
    assert shop.push().status_code == 200


def test_a_lost_answer_was_accepted(sandbox: SandboxDriver, shop: Shop, receiver: Receiver) -> None:
    sandbox.fault("lose_answer", operation="stk_push")
    with pytest.raises(LOST):
        shop.push()
    sandbox.settle()
    assert sandbox.prompts()[0]["result_code"] == "0"
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("kind", "options", "status", "accepted"),
    [
        ("error_before", {}, 500, 0),
        ("error_before", {"status": 503}, 503, 0),
        ("error_after", {}, 500, 1),
        ("error_after", {"status": 504}, 504, 1),
        ("html", {}, 200, 0),
        ("html", {"processed": True}, 200, 1),
        ("empty", {}, 200, 0),
        ("empty", {"processed": True}, 200, 1),
    ],
)
def test_gateway_pages_hide_whether_the_push_was_accepted(
    sandbox: SandboxDriver,
    shop: Shop,
    kind: str,
    options: dict[str, Any],
    status: int,
    accepted: int,
) -> None:
    assert shop.token
    sandbox.fault(kind, operation="stk_push", **options)
    response = shop.push()
    assert response.status_code == status
    assert response.text == "" if kind == "empty" else response.text.startswith("<html>")
    assert len(sandbox.prompts()) == accepted


def test_a_delay_comes_before_acceptance_and_slowness_after_it(
    sandbox: SandboxDriver, shop: Shop
) -> None:
    assert shop.token
    sandbox.fault("slow", operation="stk_push", seconds=1)
    with pytest.raises(requests.ReadTimeout):
        shop.post("/mpesa/stkpush/v1/processrequest", shop.push_body(), timeout=0.1)
    assert len(sandbox.prompts()) == 1
    sandbox.fault("delay", operation="stk_push", seconds=0.15)
    before = time.perf_counter()
    assert shop.push(PhoneNumber="254712000002").status_code == 200
    assert time.perf_counter() - before >= 0.15


def test_a_fault_waits_for_its_operation_and_phone(sandbox: SandboxDriver, shop: Shop) -> None:
    sandbox.fault("error_before", operation="stk_push", phone="254712000002", times=2)
    assert [shop.push(PhoneNumber=phone).status_code for phone in (
        PHONE, "254712000002", "254712000003", "254712000002", "254712000002"
    )] == [200, 500, 200, 500, 200]  # fmt: skip


def test_a_fault_without_an_end_stays_until_it_is_cleared(
    sandbox: SandboxDriver, shop: Shop
) -> None:
    sandbox.fault("error_before", times=None)
    assert [shop.ask_token().status_code for _ in range(3)] == [500] * 3
    sandbox.clear_faults()
    assert_answer(shop.ask_token(), "oauth_answer")


@pytest.mark.parametrize(
    "code",
    ["404.001.03", "404.001.04", "400.003.01", "401.002.01", "401.003.01", "401.001", "401"],
)
def test_a_token_is_rejected_in_every_dress(sandbox: SandboxDriver, shop: Shop, code: str) -> None:
    sandbox.fault("token_rejected", dress=code, operation="stk_push")
    assert_answer(shop.push(), f"error_token_{code.replace('.', '_')}")
    assert shop.push().status_code == 200


def test_a_spike_is_arrested_above_the_rate(sandbox: SandboxDriver, shop: Shop) -> None:
    assert shop.token
    sandbox.fault("spike_arrest", per_second=3, times=None)
    answers = [shop.query("ws_CO_1") for _ in range(5)]
    for answer in answers[:3]:
        assert_answer(answer, "stk_query_unknown")
    for answer in answers[3:]:
        assert_answer(answer, "error_spike_arrest")


def test_a_single_spike_arrest_hits_the_next_call(sandbox: SandboxDriver, shop: Shop) -> None:
    sandbox.fault("spike_arrest", operation="stk_push")
    assert_answer(shop.push(), "error_spike_arrest")
    assert shop.push().status_code == 200


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "earthquake"},
        {"kind": "drop", "times": 0},
        {"kind": "drop", "times": "many"},
        {"kind": "delay", "seconds": -1},
        {"kind": "delay", "seconds": "long"},
        {"kind": "error_before", "status": 200},
        {"kind": "token_rejected", "dress": "418"},
        {"kind": "callback_shape", "balance": "purple"},
        {"kind": "callback_shape", "amount": "roman"},
        {"kind": "malformed_callback", "form": "poem"},
        {"kind": "duplicate_callback", "copies": 0},
        {"kind": "duplicate_callback", "copies": "two"},
        {"kind": "wrong_amount", "amount": "x"},
        {"kind": "flaky_query", "rate": "often"},
        {"kind": "drop", "emulator": "nobody"},
    ],
)
def test_a_fault_that_cannot_be_done_is_refused_at_once(
    sandbox: SandboxDriver, fault: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError, match="error"):
        sandbox.post("faults", **fault)
    assert sandbox.get("faults") == {"mpesa-daraja": [], "kra": []}


def test_the_wire_files_are_all_readable() -> None:
    from tests.sandbox.wire import FOLDER

    names = [path.stem for path in FOLDER.glob("*.json")]
    assert len(names) > 60
    for name in names:
        wire = load_wire(name)
        assert wire["cites"].startswith("section")
        assert ("body" in wire) != ("text" in wire)
        assert ("status" in wire) != ("method" in wire)
